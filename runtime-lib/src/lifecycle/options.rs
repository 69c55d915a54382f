//! What callers may choose.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Takes one sentence that is worth a person's attention and no error.
pub type Warn = Box<dyn Fn(&str) + Send + Sync>;

/// How a [`Runtime`](crate::Runtime) behaves for all its containers.
#[derive(Default)]
#[non_exhaustive]
pub struct RuntimeOptions {
    /// `None`: decide by the effective uid and the user namespace, as runc's `--rootless=auto`.
    /// `Some(true)`: cgroup permission errors are tolerated where runc tolerates them.
    pub rootless: Option<bool>,
    /// Who makes and removes cgroups. Later calls go by how the container was created.
    pub cgroup_manager: CgroupManager,
    /// Where warnings go; without it they are dropped.
    pub warn: Option<Warn>,
}

impl fmt::Debug for RuntimeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeOptions")
            .field("rootless", &self.rootless)
            .field("cgroup_manager", &self.cgroup_manager)
            .finish_non_exhaustive()
    }
}

/// Who makes and removes the cgroups of containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CgroupManager {
    /// The runtime, in the cgroup filesystems.
    #[default]
    Cgroupfs,
    /// systemd (runc's `--systemd-cgroup`): `linux.cgroupsPath` is then `slice:prefix:name`, and a container
    /// is a transient scope of the system's manager, or of the user's if `rootless`.
    Systemd,
    /// Nobody (crun's `--cgroup-manager disabled`, podman's `--cgroups disabled`): a container stays in the
    /// caller's cgroup. Device rules are not applied, which every engine writes; a config that wants other
    /// limits or names a cgroup is refused.
    Disabled,
}

/// Standard streams of a container process.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Stdio {
    /// The calling program's own streams.
    #[default]
    Inherit,
    /// These descriptors, in the order stdin, stdout, stderr.
    Fds([OwnedFd; 3]),
}

impl Stdio {
    pub(super) fn into_fds(self) -> Option<[OwnedFd; 3]> {
        match self {
            Self::Inherit => None,
            Self::Fds(fds) => Some(fds),
        }
    }
}

/// Where the master end of a terminal goes that a process asks for (`process.terminal`).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Console {
    /// Nowhere: a process that wants a terminal is refused.
    #[default]
    None,
    /// It is sent as SCM_RIGHTS over a connection to this Unix socket (runc's `--console-socket`);
    /// refused for a process without a terminal.
    Socket(PathBuf),
    /// The caller keeps it, to be taken by [`Process::take_console`](crate::Process::take_console),
    /// and gets line feeds as the process prints them (ONLCR is off).
    Keep {
        /// Asked for the size of the terminal to begin with, and only if there is one; with `None`
        /// it is the config's `consoleSize`.
        size: fn() -> Option<WindowSize>,
    },
}

/// The size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
}

/// What `create` may be told beyond the bundle.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CreateOptions {
    /// Where to write the init's pid; written to a temporary name and renamed.
    pub pid_file: Option<PathBuf>,
    /// This many descriptors from 3 on are passed to the process as sockets of a service manager:
    /// with `LISTEN_FDS` and `LISTEN_PID` in its environment (sd_listen_fds(3)).
    pub listen_fds: u32,
    /// This many descriptors behind those are passed, too, under the caller's numbers, close-on-exec or
    /// not.
    pub preserve_fds: u32,
    /// Standard streams of the init. Not used if it has a terminal.
    pub stdio: Stdio,
    /// Where the terminal goes, if the config asks for one.
    pub console: Console,
    /// A Unix socket to which a pidfd of the init is sent as SCM_RIGHTS.
    pub pidfd_socket: Option<PathBuf>,
    /// Give the process a socket of its own for sd_notify(3), at `/run/notify/notify.sock` and in its
    /// `NOTIFY_SOCKET`. What it sends there is read with
    /// [`Process::take_readiness`](crate::Process::take_readiness) after `run`, and with
    /// [`Container::start_and_listen`](crate::Container::start_and_listen) after `create`.
    pub notify: bool,
    /// Find out where the time goes: [`Process::take_timings`](crate::Process::take_timings).
    pub timings: bool,
    /// Switch the root where pivot_root(2) cannot, too: on a host whose own root is an initramfs (runc's
    /// `--no-pivot`). Where it works it is used. Needs a new mount namespace.
    pub no_pivot: bool,
    /// Keep the caller's session keyring, whose keys the container can then use.
    pub no_new_keyring: bool,
}

/// What [`Container::update_with`](crate::Container::update_with) changes of a resctrl group; empty text
/// changes nothing.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CacheShares {
    /// `L3:0=ff;1=c0`: a bit mask for each L3 cache.
    pub l3_cache_schema: String,
    /// `MB:0=20;1=70`: memory bandwidth for each L3 cache, in percent, or in MB/s if resctrl is mounted
    /// with `mba_MBps`.
    pub mem_bw_schema: String,
}

/// A cgroup below a container's, in which an exec's process starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubCgroup {
    /// The v1 controllers in whose hierarchies it is; empty for all, and on cgroup v2.
    pub controllers: Vec<String>,
    /// Where it is below the container's. It must exist.
    pub path: PathBuf,
}

/// What `exec` runs, and how.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ExecOptions {
    /// A whole `process` object; otherwise the container's own with `args` and the fields below.
    pub process: Option<oci_spec::runtime::Process>,
    /// Command and arguments, used if `process` is `None`.
    pub args: Vec<String>,
    /// `KEY=VALUE`, appended to the container's environment (the last of a name wins).
    pub env: Vec<String>,
    /// Working directory in the container.
    pub cwd: Option<PathBuf>,
    /// Uid and gid; without a gid it stays the one of the container's process.
    pub user: Option<(u32, Option<u32>)>,
    /// Supplementary groups, added to the container's.
    pub additional_gids: Vec<u32>,
    /// Capabilities added to the bounding, effective and permitted sets (`CAP_NET_ADMIN`).
    pub capabilities: Vec<String>,
    /// Sets no_new_privs.
    pub no_new_privileges: bool,
    /// Cgroups below the container's to start in.
    pub sub_cgroups: Vec<SubCgroup>,
    /// AppArmor profile, rather than the container's. Needs a host with AppArmor.
    pub apparmor_profile: Option<String>,
    /// SELinux label, rather than the container's. Needs a host with SELinux.
    pub selinux_label: Option<String>,
    /// Where to write the process's pid; written to a temporary name and renamed.
    pub pid_file: Option<PathBuf>,
    /// This many descriptors from 3 on are passed to the process, close-on-exec or not.
    pub preserve_fds: u32,
    /// Standard streams. Not used with a terminal.
    pub stdio: Stdio,
    /// Gives the process a terminal, if there is no whole `process` that says so.
    pub tty: bool,
    /// Where the terminal goes.
    pub console: Console,
    /// A Unix socket to which a pidfd of the process is sent as SCM_RIGHTS.
    pub pidfd_socket: Option<PathBuf>,
    /// Find out where the time goes: [`Process::take_timings`](crate::Process::take_timings).
    pub timings: bool,
    /// Do not refuse a paused container: wait until it is resumed.
    pub ignore_paused: bool,
}

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillTarget {
    /// The container's init.
    Init,
    /// Every process in the container's cgroup (runc's hidden `--all`).
    All,
}
