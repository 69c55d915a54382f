FROM busybox
CMD first
ENTRYPOINT second
SHELL ["/bin/sh", "-x", "-c"]
ENTRYPOINT third $A
CMD fourth
HEALTHCHECK NONE
MAINTAINER somebody
