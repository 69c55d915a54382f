FROM busybox
USER web
WORKDIR /of/root
