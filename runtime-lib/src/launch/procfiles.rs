//! Files in /proc of a child that waits.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::Child;
use super::gone;
use crate::error::{Error, Result};
use crate::fdio;
use crate::signal::{self, Signal};

/// The directory of a child, which stays that process's.
pub(super) struct ProcFiles(File);

impl ProcFiles {
    /// Should the child have died and been reaped by somebody else, its pid may be another process's:
    /// the pidfd tells.
    pub fn of(child: &Child) -> Result<Self> {
        let pidfd: BorrowedFd<'_> = child.pidfd().ok_or_else(gone)?;
        let dir = PathBuf::from(format!("/proc/{}", child.pid));
        let files = File::open(&dir).map_err(|e| Error::io("open", &dir, &e))?;
        if signal::send(pidfd, Signal::PROBE).is_err() {
            return Err(Error::ExecutorDied("is gone before it was set up".into()));
        }
        Ok(Self(files))
    }

    /// One write to an existing file.
    pub fn write(&self, name: &str, content: &str) -> Result<(), Errno> {
        let file = self.open(name, OFlag::O_WRONLY)?;
        fdio::write_once(file.as_fd(), content.as_bytes())
    }

    /// Opens a file of the process, or what a link of it stands for.
    pub fn open(&self, name: &str, flags: OFlag) -> Result<File, Errno> {
        openat(&self.0, name, flags | OFlag::O_CLOEXEC, Mode::empty()).map(File::from)
    }
}
