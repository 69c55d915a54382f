//! Where the oracles are known not to do what teu promises: one table, a reason each.
//!
//! A test states teu's behaviour. For a runtime listed here it is skipped, with a line on stderr; set
//! `TEU_TEST_DIFFERENCES=run` to run it all the same and find out whether the entry is still true.

use crate::Kind::{self, Crun, Runc};
use crate::Runtime;

/// One difference.
#[derive(Debug)]
pub struct Difference {
    /// How tests refer to it.
    pub name: &'static str,
    /// Who does otherwise.
    pub who: &'static [Kind],
    /// What they do, and why teu does not.
    pub why: &'static str,
}

const fn differ(name: &'static str, who: &'static [Kind], why: &'static str) -> Difference {
    Difference { name, who, why }
}

/// Every known difference.
pub const DIFFERENCES: &[Difference] = &[
    differ(
        "wording",
        &[Crun],
        "has its own error texts; engines match runc's in places, so teu keeps those",
    ),
    // Cgroups
    differ(
        "cgroup-owner",
        &[Runc, Crun],
        "gives the cgroup to the container's user only if systemd has made it (runc), or even if it is \
         mounted read-only (crun)",
    ),
    differ(
        "occupied-cgroup",
        &[Runc],
        "warns of processes in the cgroup and goes on; refused since 1.2",
    ),
    differ(
        "rounded-quota",
        &[Runc],
        "writes the quota that was asked for, where systemd has one of whole percents; newer versions write that one",
    ),
    differ(
        "systemd-uninformed",
        &[Crun],
        "does not tell systemd of limits and device rules, which a reload may then take back",
    ),
    differ(
        "failed-scope",
        &[Runc],
        "takes a failed scope of that name for its own and runs without one; resets it since 1.2",
    ),
    differ(
        "collected-scope",
        &[Runc, Crun],
        "leaves a failed scope behind (runc 1.1), or has systemd forget it as soon as it fails (crun)",
    ),
    differ(
        "user-scope",
        &[Runc, Crun],
        "leaves an exec outside of the session's cgroups (runc), or wants a slice to be named (crun)",
    ),
    differ(
        "annotation-seconds",
        &[Crun],
        "refuses seconds without a type for properties whose name ends in Sec",
    ),
    // Seccomp
    differ(
        "calls-behind-the-filter",
        &[Runc, Crun],
        "makes many more system calls behind the filter, which the profile has to allow",
    ),
    differ(
        "seccomp-strict",
        &[Runc, Crun],
        "takes an errnoRet that the kernel would cut, an entry without names, or reports no entry",
    ),
    differ(
        "enosys-for-new-calls",
        &[Crun],
        "gives calls that are newer than the profile the default errno, which programs do not fall back from",
    ),
    differ("seccomp-flags", &[Runc], "has no seccomp flags in this version"),
    differ("exec-listener-state", &[Crun], "tells the agent of an exec no pid of the container"),
    // Command line
    differ(
        "id-characters",
        &[Crun],
        "takes any id without a slash; runc allows [A-Za-z0-9_+.-] alone, and ids become directory names",
    ),
    differ(
        "unknown-signal",
        &[Crun],
        "sends signal 0 for a name it does not know, and reports success",
    ),
    differ(
        "kill-from-inside",
        &[Runc, Crun],
        "freezes itself for ever when it kills all from inside of the container's cgroup",
    ),
    differ(
        "kill-lower-case",
        &[Crun],
        "takes a name in lower case for an unknown one: it sends signal 0",
    ),
    differ(
        "cgroup-manager",
        &[Runc],
        "has no --cgroup-manager, crun's flag for podman's --cgroups=disabled",
    ),
    differ("list-columns", &[Crun], "has a NAME and a PATH column"),
    differ("run-keep", &[Crun], "has no `run --keep` in this version"),
    differ("features", &[Crun], "has no `features` in this version"),
    differ("spec-rootless", &[Crun], "leaves the mappings to itself instead of writing them down"),
    differ("state-rootfs", &[Crun], "gives the root as configured, not as an absolute path"),
    differ(
        "exec-255",
        &[Crun],
        "exits 1 when the container does not exist; engines tell 255 from a status of the process",
    ),
    differ("exec-env", &[Crun], "drops the configuration's environment when --env is given"),
    differ("exec-additional-gids", &[Crun], "has no --additional-gids"),
    differ(
        "exec-orphan",
        &[Runc],
        "exec does not return while an orphan of its process holds standard output",
    ),
    differ(
        "exec-nofile",
        &[Runc],
        "gives exec, now and then, the hard RLIMIT_NOFILE as the soft one",
    ),
    differ(
        "foreign-ptmx",
        &[Runc, Crun],
        "opens whatever is in the place of /dev/pts/ptmx before it looks whether that is a terminal",
    ),
    differ(
        "cwd-outside",
        &[Crun],
        "starts a process in a directory of the host's if a descriptor of it was passed on; not since 1.14.1",
    ),
    differ(
        "many-sources",
        &[Runc],
        "refuses bind mounts with a user namespace whose sources are more than 64 KiB together; not since 1.2",
    ),
    differ(
        "console-socket-unused",
        &[Crun],
        "ignores a console socket that it has no use for; runc refuses it",
    ),
    differ("pidfd-socket", &[Runc, Crun], "has no --pidfd-socket in this version"),
    differ(
        "terminal-output",
        &[Crun],
        "loses, or prints as messages of its own, what its process prints last to a terminal in the foreground",
    ),
    differ(
        "terminal-size",
        &[Crun],
        "does not give the size of its own terminal to the container's in the foreground",
    ),
    differ(
        "exec-terminal-size",
        &[Crun],
        "sets the size of an exec's terminal while its process may already be running",
    ),
    differ(
        "exec-sub-cgroup",
        &[Crun],
        "takes a --cgroup that is not below the container's cgroup or not there",
    ),
    differ("exec-label", &[Crun], "ignores the SELinux label of an exec on a host without SELinux"),
    differ(
        "exec-umask-oom",
        &[Runc, Crun],
        "ignores oomScoreAdj of a process file, and runc its umask as well",
    ),
    differ(
        "pid-file-rename",
        &[Crun],
        "writes into an existing pid file in place: a reader may see half of it",
    ),
    differ(
        "killed-before-exec",
        &[Runc, Crun],
        "starts several programs on the way, so the trick of the test does not hit the right one",
    ),
    differ("keyring-name", &[Crun], "names the session keyring after the container alone"),
    differ(
        "hook-descriptors",
        &[Runc, Crun],
        "leaves descriptors that its caller had open to hooks",
    ),
    differ(
        "host-sysctl",
        &[Crun],
        "writes sysctls of the host's network namespace if it is joined by path",
    ),
    differ(
        "pid-file-symlink",
        &[Runc, Crun],
        "refuses (runc) to write a pid file if something has its temporary name, or writes in place",
    ),
    differ("proc-symlink", &[Crun], "follows a symlink of the image into /proc for a volume"),
    differ("exec-user-gid", &[Crun], "gives exec --user UID the gid 0"),
    differ(
        "created-signal",
        &[Crun],
        "waits for start as pid 1 with default actions, which SIGTERM does not end",
    ),
    differ("hanging-hook", &[Runc, Crun], "runs startContainer hooks in the waiting init itself"),
    differ(
        "no-process",
        &[Runc, Crun],
        "refuses a config without `process`, which the specification requires for `start` alone",
    ),
    // Process
    differ("domainname", &[Runc], "ignores domainname, which is newer than this version"),
    differ("listen-fds", &[Crun], "passes the descriptors of LISTEN_FDS but not the variable"),
    differ(
        "duplicate-rlimit",
        &[Runc, Crun],
        "accepts several limits of one type; the specification calls it an error",
    ),
    differ(
        "low-nofile",
        &[Runc, Crun],
        "cannot set a container up whose RLIMIT_NOFILE is 4; crun leaves its state behind as well",
    ),
    differ(
        "scheduler",
        &[Runc, Crun],
        "ignores process.scheduler, which is newer than this version",
    ),
    differ(
        "io-priority",
        &[Runc, Crun],
        "ignores process.ioPriority, which is newer than this version",
    ),
    differ(
        "affinity-reset",
        &[Runc, Crun],
        "leaves the caller's own CPU affinity to the container's processes; later runc does not",
    ),
    differ(
        "exec-affinity",
        &[Runc, Crun],
        "ignores process.execCPUAffinity, which is newer than this version",
    ),
    differ("personality", &[Runc], "ignores linux.personality, which is newer than this version"),
    differ(
        "memory-policy",
        &[Runc, Crun],
        "ignores linux.memoryPolicy, which is newer than this version",
    ),
    differ(
        "time-offsets",
        &[Runc, Crun],
        "has no time namespaces in this version (runc), dies of them or leaves the clocks alone",
    ),
    differ(
        "net-devices",
        &[Runc, Crun],
        "ignores linux.netDevices, which is newer than this version",
    ),
    differ("mount-label", &[Crun], "ignores linux.mountLabel where SELinux is not at work"),
    differ("notify", &[Crun], "does not name the service's main process"),
    differ(
        "notify-barrier",
        &[Runc, Crun],
        "does not wait for the service manager in this version, or says less",
    ),
    differ("notify-lines", &[Runc], "wants READY=1 to be the first line of its message"),
    differ(
        "notify-ended",
        &[Runc],
        "waits for ever if the process ends before it is ready and nobody reaps it",
    ),
    differ(
        "notify-umask",
        &[Runc, Crun],
        "leaves it to the caller's umask who inside gets to the socket",
    ),
    differ("keep-groups", &[Runc], "does not know the annotation run.oci.keep_original_groups"),
    // Configuration
    differ("invalid-version", &[Runc], "does not look at ociVersion"),
    differ("relative-cwd", &[Crun], "takes a relative cwd; the specification wants it absolute"),
    differ(
        "relative-hook",
        &[Runc, Crun],
        "tries to run a relative hook path; the specification wants it absolute",
    ),
    differ("wrong-types", &[Crun], "accepts values of the wrong type, such as a string for args"),
    differ(
        "key-case",
        &[Crun],
        "ignores keys in another case than the specification's, also of what confines",
    ),
    differ(
        "key-twice",
        &[Runc, Crun],
        "takes the last or the exact one of two keys that differ in case",
    ),
    differ("nul-bytes", &[Runc, Crun], "does not refuse a NUL byte in every string"),
    differ(
        "damaged-state",
        &[Runc],
        "cannot delete a container whose state file is damaged, even by force",
    ),
    differ(
        "duplicate-namespace",
        &[Crun],
        "accepts several namespaces of one type; the specification calls it an error",
    ),
    differ(
        "mappings-without-userns",
        &[Runc, Crun],
        "accepts id mappings that have no effect for want of a user namespace",
    ),
    differ(
        "join-userns",
        &[Runc],
        "wants mappings for a user namespace that it joins; teu reads them from the namespace",
    ),
    differ(
        "rootless-groups",
        &[Crun],
        "drops additional groups silently where setgroups is denied",
    ),
    differ(
        "rootless-without-userns",
        &[Crun],
        "makes a user namespace for an ordinary user who asks for none; runc refuses that",
    ),
    differ(
        "rootless-exec-created",
        &[Crun],
        "cannot exec into an ordinary user's container before it is started",
    ),
    differ(
        "rootless-newuidmap-groups",
        &[Runc],
        "takes no additional groups for a rootless container, and leaves it the caller's, also where setgroups is allowed",
    ),
    // Mounts
    differ("option-order", &[Crun], "does not let a later suid or rw undo an earlier nosuid or ro"),
    differ("mount-shared", &[Crun], "a bind mount with rshared ends up private"),
    differ(
        "rootfs-propagation-shared",
        &[Runc],
        "rootfsPropagation shared leaves a root private that is a plain directory of the host",
    ),
    differ(
        "readonly-path-flags",
        &[Crun],
        "remounts without the flags that were there, so nosuid, nodev and noexec are lost",
    ),
    differ(
        "no-pivot-chroot",
        &[Runc, Crun],
        "leaves, with --no-pivot in a chroot, a container with CAP_SYS_CHROOT a way to the host's root",
    ),
    differ(
        "no-pivot-shared",
        &[Runc, Crun],
        "unmounts the host's /proc and /sys, with --no-pivot and rootfsPropagation shared",
    ),
    differ(
        "exec-null",
        &[Runc, Crun],
        "leaves the host's /dev/null to a process of exec, whose root can chmod it",
    ),
    differ(
        "closed-streams",
        &[Runc, Crun],
        "gives a process pipes or nothing for streams that its caller has closed (runc), or fails (crun)",
    ),
    differ(
        "forwarded-signals",
        &[Runc],
        "keeps SIGPROF and SIGWINCH, and sends itself SIGURG, in the foreground",
    ),
    differ(
        "half-created",
        &[Runc, Crun],
        "reports an error when it deletes what a create has hardly begun",
    ),
    differ(
        "damaged-leftovers",
        &[Crun],
        "lets the processes of a container with a damaged record live when it deletes that by force",
    ),
    differ("ps-unknown", &[Crun], "exits 253 of a ps for a container that is not there"),
    differ("no-proc", &[Runc], "cannot start a container that has no /proc"),
    differ(
        "proc-volume",
        &[Crun],
        "takes a bind mount for /proc, whose attributes it then trusts (CVE-2019-16884)",
    ),
    differ("mount-inside-proc", &[Crun], "allows any mount below /proc"),
    differ(
        "dev-link",
        &[Runc, Crun],
        "makes its links (and crun its nodes) on the host when the image made /dev a link to there",
    ),
    differ("idmap", &[Runc], "has no id-mapped mounts in this version"),
    differ(
        "idmap-tmpfs",
        &[Crun],
        "takes the source of an id-mapped mount for a path of the host, whatever the type is",
    ),
    differ("ridmap", &[Crun], "clones only the topmost mount of a tree that is to be id-mapped"),
    differ(
        "tmpfs-covered-mode",
        &[Runc, Crun],
        "lets the covered directory's mode win over the option (runc, since changed), or ignores it",
    ),
    differ("tmpcopyup-fifo", &[Runc], "fails at a named pipe"),
    differ(
        "tmpcopyup-mounts",
        &[Runc, Crun],
        "copies what is mounted below as well, be it /proc or a volume of the host",
    ),
    differ("tmpcopyup-bounds", &[Runc, Crun], "follows directories to any depth"),
    differ("tmpcopyup-xattrs", &[Runc, Crun], "loses file capabilities and access control lists"),
    differ(
        "nofollow",
        &[Runc, Crun],
        "does not know copy-symlink, src-nofollow and dest-nofollow in this version",
    ),
    differ(
        "mount-flags",
        &[Runc, Crun],
        "does not know lazytime, silent, loud, noiversion and (no)symfollow in this version",
    ),
    differ(
        "recursive-flags",
        &[Runc, Crun],
        "passes access times to mount_setattr in a form that the kernel refuses (runc: since mended)",
    ),
    differ(
        "destination-on-host",
        &[Runc, Crun],
        "takes a destination that begins with the rootfs's path for one inside (crun), or checks it as it is written",
    ),
    differ(
        "bind-flags",
        &[Runc, Crun],
        "looks at flags that are set alone in this version (runc), or clears what no option names",
    ),
    differ(
        "ambient-warning",
        &[Runc, Crun],
        "does not tell of ambient capabilities that cannot be raised in this version, or at all",
    ),
    differ("exec-ambient", &[Crun], "never adds to the ambient capabilities by exec --cap"),
    differ("empty-home", &[Crun], "gives the process an empty HOME if that is configured"),
    differ("hook-directory", &[Crun], "runs createContainer hooks in /, not in the rootfs"),
    differ(
        "no-way-to-kill",
        &[Runc, Crun],
        "does not warn of a rootless container without cgroup and pid namespace in this version",
    ),
    differ("mask-twice", &[Runc, Crun], "covers a path twice that is masked twice in the list"),
    differ(
        "locked-flags",
        &[Runc, Crun],
        "cannot bind a nosuid mount for an ordinary user (runc 1.1), or drops the wish for suid (crun)",
    ),
    differ(
        "host-mounts",
        &[Runc, Crun],
        "makes mounts on the host without a mount namespace, and leaves them there; starts nothing without a procfs (runc)",
    ),
    differ(
        "locked-flags-root",
        &[Runc, Crun],
        "clears flags of the host's mounts for a container with a user namespace (crun), or cannot bind a mount that has them and drops the wish for less (runc 1.1)",
    ),
    differ(
        "uncovered",
        &[Crun],
        "shows a container with a user namespace what the host's mounts cover",
    ),
    differ(
        "mount-order",
        &[Runc, Crun],
        "takes the sources of a container with a user namespace from before any of its mounts; runc since 1.2 does not",
    ),
    differ("bind-data", &[Runc, Crun], "ignores options of a filesystem on a bind mount"),
    differ(
        "sysfs-fallback",
        &[Runc, Crun],
        "has no replacement for sysfs there (runc), or mounts the host's writable (crun)",
    ),
    // Devices
    differ("device-no-rules", &[Crun], "allows all devices where the config lists no rule"),
    differ(
        "device-wider-denial",
        &[Runc, Crun],
        "keeps a device allowed that a later, wider rule denies (crun: on v1)",
    ),
    differ(
        "device-denied-in-part",
        &[Runc, Crun],
        "lets, on v2, an open for reading and writing pass where writing alone is denied",
    ),
    differ(
        "device-exception-v1",
        &[Crun],
        "passes over a denial within a wider rule, which the v1 controller does not apply",
    ),
    differ("device-exception-v2", &[Runc], "refuses on v2 what only the v1 controller cannot do"),
    // Life
    differ("start-race", &[Runc], "now and then one of two starts at once waits for ever"),
    differ(
        "create-race",
        &[Runc],
        "the loser of several creates with one id may remove the state of the winner",
    ),
    differ(
        "killed-create",
        &[Runc, Crun],
        "leaves a cgroup behind when create is killed early, also after delete --force",
    ),
    differ(
        "refused-create-cgroup",
        &[Crun],
        "leaves a v2 cgroup behind when it refuses a namespace or its mappings",
    ),
    differ(
        "kill-shared-pid-namespace",
        &[Runc, Crun],
        "kills only the first process where there is no pid namespace and --all is not given",
    ),
    differ(
        "device-mismatch",
        &[Runc, Crun],
        "takes a node that is there for the configured device, whatever device it is",
    ),
    differ("poststop-failure", &[Runc, Crun], "runs no poststop hooks after one that has failed"),
    differ("user-sysctl", &[Runc, Crun], "takes parameters of user namespaces for the host's"),
    differ("mount-slave", &[Crun], "makes a mount that shall be a slave of the host's private"),
    differ("rootless-flag", &[Crun], "tolerates missing permissions whatever --rootless says"),
    differ(
        "update-block-weight",
        &[Crun],
        "looks for the weight of block devices in a file of old kernels",
    ),
    differ(
        "orphan-run",
        &[Crun],
        "run does not return before the orphans it has adopted have ended",
    ),
    differ(
        "poststart-at-create",
        &[Runc],
        "runs poststart at the end of create, with status created",
    ),
    differ(
        "poststart-failure",
        &[Crun],
        "goes on when a poststart hook fails; since 1.3 the specification has the container stopped",
    ),
    differ(
        "poststop-after-delete",
        &[Crun],
        "runs poststop while the container is still in the state root",
    ),
    differ(
        "hook-stdin",
        &[Crun],
        "fails, now and then, when a hook ends without reading its input",
    ),
    differ("hook-stderr", &[Crun], "does not pass on what a hook wrote"),
    // Cgroups
    differ("pause-twice", &[Crun], "takes a second pause for a success"),
    differ("resume-running", &[Crun], "takes resume of a running container for a success"),
    differ(
        "pause-created",
        &[Crun],
        "says created of a created container that is paused, and starts it",
    ),
    differ("frozen-parent", &[Crun], "says paused of a container that is frozen with its parent"),
    differ("exec-ignore-paused", &[Crun], "has no `exec --ignore-paused`"),
    differ(
        "kill-paused",
        &[Crun],
        "leaves a paused container frozen after SIGKILL, so that it lives on",
    ),
    differ(
        "scope-out-of-memory",
        &[Runc],
        "tells of a broken pipe when the first process is killed by the memory limit of its scope",
    ),
    differ(
        "deletion-leftovers",
        &[Runc],
        "leaves a v2 cgroup behind, now and then, if several processes are in it when it deletes by force",
    ),
    differ(
        "paused-leftovers",
        &[Runc],
        "leaves a v2 cgroup behind that was paused with processes in the runtime's pid namespace",
    ),
    differ(
        "frozen-cgroup",
        &[Runc, Crun],
        "waits for ever in a cgroup that is frozen with its parent",
    ),
    differ(
        "populated-cgroup",
        &[Runc, Crun],
        "puts a container into a cgroup with processes of others; runc warns of it",
    ),
    differ("ps-table", &[Crun], "takes no options for the host's ps, and prints pids alone"),
    differ("ps-sub-cgroups", &[Crun], "dies of a bad memory access if there are sub-cgroups on v2"),
    differ("ps-stopped", &[Crun], "does not print null and an empty table for a stopped container"),
    differ("events", &[Crun], "has no verb `events` in this version"),
    differ("events-psi", &[Runc], "does not tell pressure in this version"),
    differ(
        "events-end",
        &[Runc],
        "ends on cgroup v1 when the cgroup is removed, not when the container stops",
    ),
    // Limits
    differ(
        "pids-zero",
        &[Runc, Crun],
        "takes a pids.limit of 0 for none; it has been a limit since version 1.3 of the specification",
    ),
    differ("exec-full", &[Crun], "needs a place under pids.limit to enter, on cgroup v2"),
    differ(
        "exec-pids",
        &[Runc],
        "is of several threads when it enters, which crashes it now and then under a low pids.limit",
    ),
    differ(
        "kernel-memory",
        &[Runc, Crun],
        "lets memory.kernel pass, which has no effect on any kernel since 5.16",
    ),
    differ(
        "cpu-weight",
        &[Runc, Crun],
        "converts cpu.shares to cpu.weight by the older, linear formula (cgroup v2)",
    ),
    differ("cpu-idle", &[Runc], "does not know cpu.idle in this version"),
    differ(
        "weight-of-idle",
        &[Crun],
        "fails (v2) or says nothing when asked for an idle cgroup with a weight",
    ),
    differ("failed-limit", &[Crun], "leaves cgroups behind when a limit cannot be set at create"),
    differ("cpu-burst", &[Runc, Crun], "does not know cpu.burst in this version"),
    differ(
        "block-weight",
        &[Crun],
        "knows the weights of CFQ alone, which left the kernel in Linux 5.0 (cgroup v1)",
    ),
    differ("hugetlb-rsvd", &[Runc, Crun], "does not limit reserved huge pages in this version"),
    differ(
        "unified-lines",
        &[Runc, Crun],
        "writes all lines of a unified value at once, which the kernel refuses",
    ),
    differ("unified-v1", &[Crun], "ignores linux.resources.unified on cgroup v1"),
    differ("v1-only", &[Runc], "ignores what cgroup v2 does not have"),
    differ("missing-controller", &[Crun], "ignores limits of controllers that are not mounted"),
    differ("rootless-limits", &[Crun], "ignores limits that an ordinary user has no cgroup for"),
    differ("update-stopped", &[Crun], "reports success for a container that has stopped"),
    differ("update-units", &[Crun], "takes plain bytes alone for amounts of memory"),
    differ("update-unlimited", &[Crun], "cannot take a limit away by -1"),
    differ(
        "update-quota-alone",
        &[Crun],
        "takes an update of the period alone for one to no quota (cgroup v2)",
    ),
    differ(
        "update-forgets-quota",
        &[Runc, Crun],
        "forgets the quota at an update of something else: the next period takes it away (cgroup v2)",
    ),
    differ(
        "update-rollback",
        &[Runc, Crun],
        "leaves values changed that were written before one that failed",
    ),
    differ(
        "check-before-update",
        &[Runc, Crun],
        "does not know memory.checkBeforeUpdate in this version",
    ),
    differ(
        "update-devices",
        &[Runc, Crun],
        "leaves device rules as they are whatever is asked (runc), or sets all anew and takes away \
         what others have added (crun)",
    ),
    // Engines
    differ(
        "update-zeros",
        &[Crun],
        "takes an amount of 0 in an update, which docker sends for what is not to change, for a limit",
    ),
    differ("home", &[Crun], "gives no HOME to a user without an entry in the image's passwd file"),
    // Checkpoint and restore
    differ(
        "restored-clocks",
        &[Runc],
        "leaves an exec with the host's clocks, where CRIU has put the container into a time namespace",
    ),
    differ(
        "restored-loopback",
        &[Runc],
        "leaves the loopback interface of a restored network namespace down",
    ),
    differ(
        "restored-size",
        &[Runc],
        "tells a restored process nothing of its terminal's size until that changes",
    ),
    differ(
        "criu-error",
        &[Runc, Crun],
        "says that CRIU failed, and what it said in other lines, or not at all",
    ),
];

/// Whether the runtime under test is listed for this difference; says so.
pub fn applies(name: &str) -> bool {
    let listed = listed(name);
    if listed {
        let kind = Runtime::get().kind();
        crate::require::say(&format!("DIFFERS: {kind:?}: {name}: {}", entry(name).why));
    }
    listed
}

/// The same without a word.
pub fn listed(name: &str) -> bool {
    let forced = std::env::var("TEU_TEST_DIFFERENCES").is_ok_and(|v| v == "run");
    entry(name).who.contains(&Runtime::get().kind()) && !forced
}

fn entry(name: &str) -> &'static Difference {
    let entry = DIFFERENCES.iter().find(|d| d.name == name);
    entry.unwrap_or_else(|| panic!("no difference is called {name:?}"))
}
