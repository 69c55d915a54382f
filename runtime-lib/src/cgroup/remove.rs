//! Removing cgroups, whose processes may take a moment to leave.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::manager::denies;
use super::tree;
use crate::error::{Error, Result};

/// Processes that were killed leave their cgroup a little later.
const PATIENCE: Duration = Duration::from_secs(2);

/// A directory that `create` made, in the order of making.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) dir: PathBuf,
    /// The container's own, not a parent of it.
    pub(super) leaf: bool,
}

/// Removes what `create` made, with all below the container's own directories. Parents go only if
/// nobody else uses them by now, which is no error.
pub(super) fn remove_made(made: Vec<Made>) -> Result<()> {
    let leaves = made.iter().filter(|made| made.leaf).map(|made| made.dir.as_path());
    let removed = remove_dirs(leaves.collect());
    for parent in made.iter().rev().filter(|made| !made.leaf) {
        drop(std::fs::remove_dir(&parent.dir));
    }
    removed
}

/// Removes one cgroup unless it is in use; what is gone already is no error.
pub(super) fn remove_empty(dir: &Path) -> Result<(), Errno> {
    match unlinkat(AT_FDCWD, dir, UnlinkatFlags::RemoveDir) {
        Err(e) if tree::is_gone(e) => Ok(()),
        done => done,
    }
}

/// Removes cgroups with all below them. One deadline for all, since they wait for the same
/// processes; one that fails does not keep the others.
pub(super) fn remove_dirs(mut dirs: Vec<&Path>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    let mut failure = None;
    loop {
        let mut busy = None;
        dirs.retain(|dir| match remove_one(dir, deadline) {
            Ok(()) => false,
            Err(e @ (Errno::EBUSY | Errno::ENOTEMPTY)) => {
                busy = Some(
                    Error::system("rmdir", dir.display(), e)
                        .with_hint("processes are still in it or below it"),
                );
                true
            }
            Err(e) => {
                failure = Some(Error::system("rmdir", dir.display(), e));
                false
            }
        });
        let late = Instant::now() > deadline;
        match busy {
            Some(e) if late => return Err(e),
            Some(_) => {}
            None => return failure.map_or(Ok(()), Err),
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

fn remove_one(dir: &Path, deadline: Instant) -> Result<(), Errno> {
    let removed = match rmdir(dir) {
        Err(Errno::EBUSY | Errno::ENOTEMPTY) => match tree::remove_below(dir, deadline) {
            Ok(()) => rmdir(dir),
            Err(Errno::ETIMEDOUT) => Err(Errno::EBUSY),
            Err(e) => Err(e),
        },
        other => other,
    };
    match removed {
        Err(Errno::ENOENT) => Ok(()),
        // A read-only mount says so also of what is not there.
        Err(e) if denies(e) && matches!(dir.try_exists(), Ok(false)) => Ok(()),
        other => other,
    }
}

fn rmdir(dir: &Path) -> Result<(), Errno> {
    unlinkat(AT_FDCWD, dir, UnlinkatFlags::RemoveDir)
}
