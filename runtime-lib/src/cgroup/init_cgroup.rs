//! Where a container's init is by now.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode as FileMode;

use super::layout::{Mode, unified_of};
use super::paths::Paths;
use crate::error::{Error, Result};

/// The v2 cgroup of a container's init, looked up when it is needed. An init that manages cgroups (systemd)
/// moves itself below the one it was put into, and hands controllers down; the kernel then takes no
/// process into that one (EBUSY), or it is gone.
#[derive(Debug, Clone)]
pub(crate) struct InitCgroup {
    pid: i32,
    mount: PathBuf,
}

impl InitCgroup {
    /// Of the init with this pid; `None` without cgroup v2.
    pub(crate) fn of(paths: &Paths, pid: i32) -> Option<Self> {
        let unified = paths.unified.as_ref().filter(|_| paths.mode == Mode::V2);
        unified.map(|place| Self { pid, mount: place.mount.clone() })
    }

    /// Opens its directory, for `CLONE_INTO_CGROUP`.
    pub(crate) fn open(&self) -> Result<OwnedFd> {
        let list = PathBuf::from(format!("/proc/{}/cgroup", self.pid));
        let unseen =
            || Error::unsupported("exec", "the container's cgroup cannot be seen from here");
        let dir = unified_of(&list, &self.mount)?.ok_or_else(unseen)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(&dir, flags, FileMode::empty()).map_err(|e| Error::system("open", dir.display(), e))
    }
}
