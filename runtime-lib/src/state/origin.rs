//! Where the numbers in a record count: pids belong to a pid namespace, and to one boot of the host.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use nix::sys::stat::stat;
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};
use serde::{Deserialize, Serialize};

use crate::fdio;

const PID_NAMESPACE: &str = "/proc/self/ns/pid";
/// Another one after every boot (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Who wrote a record. Parts that are not known are left out; nothing is concluded from them then.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Inode of the writer's pid namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid_namespace: Option<u64>,
    /// The boot, where the state root outlives one: on a tmpfs, where it belongs, it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
}

impl Origin {
    /// That of the calling process, for a record in this directory.
    pub(crate) fn here(dir: BorrowedFd<'_>) -> Self {
        let lasting = fstatfs(dir.as_fd()).is_ok_and(|fs| fs.filesystem_type() != TMPFS_MAGIC);
        Self { pid_namespace: pid_namespace(), boot: lasting.then(boot_id).flatten() }
    }

    /// The host has booted since: no process, cgroup or mount of that time is left.
    pub(crate) fn is_earlier_boot(&self) -> bool {
        let Some(boot) = &self.boot else { return false };
        boot_id().is_some_and(|now| now != *boot)
    }

    /// The record's pids cannot be looked up from here.
    pub(crate) fn is_other_pid_namespace(&self) -> bool {
        self.pid_namespace.is_some_and(|namespace| pid_namespace() != Some(namespace))
    }
}

fn pid_namespace() -> Option<u64> {
    stat(PID_NAMESPACE).ok().map(|stat| stat.st_ino)
}

fn boot_id() -> Option<String> {
    let text = String::from_utf8(fdio::read(Path::new(BOOT_ID)).ok()?).ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lasting() -> Origin {
        Origin { boot: boot_id(), ..Origin::default() }
    }

    #[test]
    fn this_boot_is_no_earlier_one() {
        assert!(!lasting().is_earlier_boot());
        assert!(!Origin::default().is_earlier_boot());
        let other =
            Origin { boot: Some("e3b0c442-98fc-1c14-9afb-f4c8996fb924".into()), ..lasting() };
        assert!(other.is_earlier_boot());
    }

    #[test]
    fn this_pid_namespace_is_no_other_one() {
        let here = Origin { pid_namespace: pid_namespace(), boot: None };
        assert!(here.pid_namespace.is_some());
        assert!(!here.is_other_pid_namespace());
        assert!(!Origin::default().is_other_pid_namespace());
        assert!(Origin { pid_namespace: Some(1), boot: None }.is_other_pid_namespace());
    }

    #[test]
    fn the_boot_is_kept_where_it_may_matter() {
        let of = |path: &str| Origin::here(std::fs::File::open(path).unwrap().as_fd()).boot;
        assert_eq!(of("/proc"), boot_id());
        if std::fs::metadata("/dev/shm").is_ok() {
            assert_eq!(of("/dev/shm"), None);
        }
    }
}
