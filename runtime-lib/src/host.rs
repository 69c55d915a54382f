//! What the runtime needs to know of the machine and of itself, looked up once.

use std::path::Path;

use nix::sys::stat::stat;
use nix::sys::statfs::statfs;
use nix::unistd::{AccessFlags, access, getegid, geteuid};

use crate::fdio;

/// Inode of the initial user namespace (PROC_USER_INIT_INO, include/linux/proc_ns.h).
const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// Facts that decide how a plan is compiled. Plain data: tests make up hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostFacts {
    /// Effective uid of the caller.
    pub euid: u32,
    /// Effective gid of the caller.
    pub egid: u32,
    /// The caller is in a user namespace other than the initial one.
    pub in_user_namespace: bool,
    /// setgroups(2) is denied in that namespace, and in all that are made in it (user_namespaces(7)).
    pub setgroups_denied: bool,
    /// Cgroup permission errors are tolerated where runc tolerates them.
    pub rootless: bool,
    /// /proc/kcore exists, hence so does /dev/core.
    pub kcore: bool,
    /// Security modules that take labels; looked for only where one is given.
    pub lsm: Lsm,
}

/// Which security modules are at work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lsm {
    pub apparmor: bool,
    pub selinux: bool,
}

impl Lsm {
    fn probe() -> Self {
        const SELINUX_MAGIC: i64 = 0xf97c_ff8c;
        // There only if the kernel was built with the module, and `N` if it has been told otherwise.
        let enabled = fdio::read(Path::new("/sys/module/apparmor/parameters/enabled"));
        let selinuxfs = statfs(Path::new("/sys/fs/selinux"));
        // Without a policy everything is the kernel's, and every label is taken for that.
        let own = || fdio::read(Path::new("/proc/thread-self/attr/current"));
        Self {
            apparmor: enabled.is_ok_and(|text| text.starts_with(b"Y")),
            selinux: selinuxfs.is_ok_and(|fs| fs.filesystem_type().0 == SELINUX_MAGIC)
                && own().is_ok_and(|label| !label.starts_with(b"kernel")),
        }
    }
}

/// Root of a user namespace may be root of a whole system with its own systemd, or an ordinary user who
/// mapped itself: whose directories of systemd's are then nobody's.
fn has_own_systemd() -> bool {
    stat("/run/systemd/system").is_ok_and(|s| s.st_uid == 0)
}

/// By the one who mapped itself without privilege.
fn setgroups_denied() -> bool {
    fdio::read(Path::new("/proc/thread-self/setgroups")).is_ok_and(|text| text.starts_with(b"deny"))
}

impl HostFacts {
    /// Looks. `rootless`: what the user said, if anything; `systemd`: it makes the cgroups.
    pub fn probe(rootless: Option<bool>, systemd: bool) -> Self {
        let euid = geteuid().as_raw();
        let in_user_namespace =
            stat("/proc/thread-self/ns/user").is_ok_and(|s| s.st_ino != INITIAL_USER_NAMESPACE);
        Self {
            euid,
            egid: getegid().as_raw(),
            in_user_namespace,
            setgroups_denied: in_user_namespace && setgroups_denied(),
            rootless: rootless.unwrap_or_else(|| {
                euid != 0 || (in_user_namespace && !(systemd && has_own_systemd()))
            }),
            kcore: access(Path::new("/proc/kcore"), AccessFlags::F_OK).is_ok(),
            lsm: Lsm::default(),
        }
    }

    /// Looks for security modules if they are wanted.
    pub fn with_lsm(self, wanted: bool) -> Self {
        if wanted { Self { lsm: Lsm::probe(), ..self } } else { self }
    }

    /// Can do as root of the whole machine does.
    pub fn privileged(&self) -> bool {
        self.euid == 0
    }
}
