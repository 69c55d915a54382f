//! Locks by flock(2): the kernel gives them back when their holder dies.

use std::ffi::OsStr;
use std::fs::File;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, openat};
use rustix::io::Errno;

use crate::dir::Dir;
use crate::error::{Error, Result};

/// Shared by whoever uses the store, exclusive for whoever removes from it.
pub const STORE: &str = "lock";
/// Exclusive for a change of the index.
pub const INDEX: &str = "index.lock";

/// A lock, held until dropped.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock")] File);

impl Lock {
    /// Waits until nobody has it exclusively.
    pub fn shared(dir: &Dir, name: impl AsRef<OsStr>) -> Result<Self> {
        Self::take(dir, name.as_ref(), FlockOperation::LockShared)
    }

    /// Waits until nobody has it.
    pub fn exclusive(dir: &Dir, name: impl AsRef<OsStr>) -> Result<Self> {
        Self::take(dir, name.as_ref(), FlockOperation::LockExclusive)
    }

    /// `None` if somebody has it.
    pub fn try_exclusive(dir: &Dir, name: impl AsRef<OsStr>) -> Result<Option<Self>> {
        match Self::take(dir, name.as_ref(), FlockOperation::NonBlockingLockExclusive) {
            Ok(lock) => Ok(Some(lock)),
            Err(Error::System { errno: nix::errno::Errno::EWOULDBLOCK, .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Of a directory itself, exclusively.
    pub fn directory(dir: &Dir) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let own = openat(dir, ".", flags, Mode::empty())
            .map_err(|e| Error::system("open", dir.path().display(), e))?;
        Self::wait(own.into(), FlockOperation::LockExclusive)
            .map_err(|e| Error::system("flock", dir.path().display(), e))
    }

    fn take(dir: &Dir, name: &OsStr, operation: FlockOperation) -> Result<Self> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(dir, name, flags, Mode::RUSR | Mode::WUSR).map_err(Error::at(
            "open",
            dir.path(),
            name,
        ))?;
        Self::wait(file.into(), operation).map_err(Error::at("flock", dir.path(), name))
    }

    fn wait(file: File, operation: FlockOperation) -> Result<Self, Errno> {
        loop {
            match flock(&file, operation) {
                Err(Errno::INTR) => {}
                other => return other.map(|()| Self(file)),
            }
        }
    }
}
