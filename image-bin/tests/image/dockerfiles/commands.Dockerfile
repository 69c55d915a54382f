FROM busybox
ARG X=arg
ENV E=env
RUN echo $X $E > /one && mkdir -p /dir/sub && echo 2 > /dir/sub/two
RUN ["sh", "-c", "echo exec > /three"]
RUN rm /etc/group && rm -r /dir && mkdir /dir && echo 4 > /dir/four
RUN mkdir -m 777 /pub
WORKDIR /home/web
USER web
RUN id -u > /pub/id; pwd > /pub/pwd
USER root
RUN echo \
  # no
  joined > /joined
