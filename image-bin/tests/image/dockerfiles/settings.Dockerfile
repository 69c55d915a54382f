ARG TAG=latest
FROM busybox:$TAG
ARG X=1
ARG Y
ENV A=$X B="a b" C='$A'
ENV D ${Y:-none} ${A:+set}
ENV A=2 E=$A
LABEL one=$A "t w o"="$B"
EXPOSE 80 53/udp $X
VOLUME /v1 /v2
VOLUME ["/v 3"]
WORKDIR /a
WORKDIR b/../c
USER web:log
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=1m --timeout=3s --retries=2 CMD test -f /x
ONBUILD RUN true
ENTRYPOINT ["/bin/sh", "-c"]
CMD ["echo", "x"]
