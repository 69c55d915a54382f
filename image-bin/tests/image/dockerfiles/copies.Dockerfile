FROM busybox
COPY file /f
COPY file /etc/
COPY file dir/link /new/
COPY dir /tree
COPY dir/sub/ /tree2/
COPY --chown=web:log file /owned
COPY --chown=33:34 dir /owned-tree
COPY *.txt dir/s*b /globs/
WORKDIR /w
COPY file .
COPY file rel/name
COPY ["with space", "to here/"]
COPY . /all/
RUN busybox ln -s /w /to-w
COPY file /to-w/linked
COPY exe /exe
