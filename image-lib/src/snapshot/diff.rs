//! What a container changed.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Stat, readlinkat, statat};

use super::attributes::{self, is_opaque};
use super::container::UPPER;
use super::stack::Stack;
use super::{Container, Kind};
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer::is_whiteout;

/// How something differs from the image. Docker's letters are A, C and D.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// The image does not have it.
    Added,
    /// Content, owner, mode, attributes or, for directories, what is in it.
    Changed,
    /// The image has it.
    Deleted,
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Without a leading slash.
    pub path: PathBuf,
    /// How.
    pub kind: ChangeKind,
}

impl Container<'_> {
    /// What differs from the image, parents before what is in them.
    ///
    /// # Errors
    /// If a file cannot be looked at.
    pub fn diff(&self) -> Result<Vec<Change>> {
        let stack = self.stack()?;
        let mut changes = Vec::new();
        match self.record.kind {
            Kind::Overlay => {
                of_upper(&stack, &self.dir.child(UPPER)?, Path::new(""), &mut changes)?
            }
            Kind::Copy => {
                of_copy(&stack, &Dir::open(&self.record.rootfs)?, Path::new(""), &mut changes)?;
            }
        }
        changes.sort();
        Ok(changes)
    }
}

fn stat(dir: &Dir, name: &std::ffi::OsStr) -> Result<Stat> {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::at("stat", dir.path(), name))
}

fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// All that is in the writable layer is a change.
fn of_upper(stack: &Stack, dir: &Dir, path: &Path, changes: &mut Vec<Change>) -> Result<()> {
    for name in dir.names()? {
        let (path, stat) = (path.join(&name), stat(dir, &name)?);
        let below = stack.find(&path)?;
        let kind = match (is_whiteout(&stat), below.is_empty()) {
            (true, true) => continue,
            (true, false) => ChangeKind::Deleted,
            (false, true) => ChangeKind::Added,
            (false, false) => ChangeKind::Changed,
        };
        changes.push(Change { path: path.clone(), kind });
        if is_dir(&stat) {
            let inner = dir.child(&name)?;
            if is_opaque(&inner) {
                deleted(stack, &inner, &path, changes)?;
            }
            of_upper(stack, &inner, &path, changes)?;
        }
    }
    Ok(())
}

/// An opaque directory hides all that it does not have itself.
fn deleted(stack: &Stack, dir: &Dir, path: &Path, changes: &mut Vec<Change>) -> Result<()> {
    for name in stack.list(path)?.into_keys() {
        if !dir.has(&name)? {
            changes.push(Change { path: path.join(name), kind: ChangeKind::Deleted });
        }
    }
    Ok(())
}

/// A copy is compared with the layers, name by name.
fn of_copy(stack: &Stack, dir: &Dir, path: &Path, changes: &mut Vec<Change>) -> Result<()> {
    let mut image = stack.list(path)?;
    for name in dir.names()? {
        let (path, here) = (path.join(&name), stat(dir, &name)?);
        let there = image.remove(&name);
        let before = changes.len();
        if there.is_none() {
            changes.push(Change { path: path.clone(), kind: ChangeKind::Added });
        } else if differs(stack, dir, &name, &path, &here)? {
            changes.push(Change { path: path.clone(), kind: ChangeKind::Changed });
        }
        if is_dir(&here) {
            of_copy(stack, &dir.child(&name)?, &path, changes)?;
            // As overlayfs has it: where something changed, so did the directory.
            if there.is_some() && changes.len() > before {
                let own = Change { path, kind: ChangeKind::Changed };
                if changes.get(before) != Some(&own) {
                    changes.insert(before, own);
                }
            }
        }
    }
    for name in image.into_keys() {
        changes.push(Change { path: path.join(name), kind: ChangeKind::Deleted });
    }
    Ok(())
}

/// Copies keep time and attributes: what has the same ones has the same content. Of directories the
/// time does not count.
fn differs(
    stack: &Stack,
    dir: &Dir,
    name: &std::ffi::OsStr,
    path: &Path,
    here: &Stat,
) -> Result<bool> {
    let found = stack.find(path)?;
    let Some(found) = found.iter().find(|layer| !layer.implied).or(found.first()) else {
        return Ok(true);
    };
    let there = &found.stat;
    let owner = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid);
    if owner(here) != owner(there) {
        return Ok(true);
    }
    let content = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_rdev);
    if !is_dir(here) && content(here) != content(there) {
        return Ok(true);
    }
    let (parent, last) = (path.parent().unwrap_or(Path::new("")), path.file_name());
    let (Some(last), parent) = (last, super::stack::open(found.layer, parent)?) else {
        return Ok(true);
    };
    let failed = |e| Error::system("compare", dir.path().join(name).display(), e);
    if FileType::from_raw_mode(here.st_mode) == FileType::Symlink {
        let here = readlinkat(dir, name, Vec::new()).map_err(failed)?;
        return Ok(here != readlinkat(&parent, last, Vec::new()).map_err(failed)?);
    }
    let attributes = attributes::read(dir.as_fd(), name).map_err(failed)?;
    Ok(attributes != attributes::read(parent.as_fd(), last).map_err(failed)?)
}
