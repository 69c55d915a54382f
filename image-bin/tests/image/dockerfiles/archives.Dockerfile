FROM busybox AS first
RUN mkdir /x && echo 1 > /x/1 && busybox chown 33:34 /x/1
FROM busybox
COPY --from=first /x /x
COPY --from=first /x/1 /one
COPY --from=0 /etc/passwd /p
ADD a.tar.gz /added/
ADD a.tar.gz file /added2/
COPY a.tar.gz /copied/
