//! Directories that the topmost layer which has them does not describe. overlayfs shows a directory as
//! the topmost layer has it: one that is there only because something is in it would hide owner and
//! mode of the real one (`/tmp` would lose its sticky bit). So a small layer on top of all others
//! repeats what the real one is like.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, statat};

use super::attributes::{self, itself};
use super::stack::{Found, Stack, open};
use crate::dir::Dir;
use crate::error::{Error, Result};

/// Fills the layer; does nothing for images whose layers describe all they have.
pub fn fill(stack: &Stack, fix: &Dir) -> Result<()> {
    for path in stack.implied().filter(|path| !path.as_os_str().is_empty()) {
        let found = stack.find(path)?;
        let undescribed = found.first().is_some_and(|top| top.implied);
        if undescribed && described(&found).is_some() {
            drop(repeat(stack, fix, path)?);
        }
    }
    Ok(())
}

/// What a runtime mounts something on. The container did not make it, so it is not among its changes.
const MOUNT_POINTS: [(&str, bool); 6] = [
    ("dev", true),
    ("proc", true),
    ("sys", true),
    ("etc/hostname", false),
    ("etc/hosts", false),
    ("etc/resolv.conf", false),
];

/// Makes what the image lacks of that.
pub fn mount_points(stack: &Stack, fix: &Dir) -> Result<()> {
    for (path, is_dir) in MOUNT_POINTS {
        let path = Path::new(path);
        let (Some(name), Some(parent)) = (path.file_name(), path.parent()) else { continue };
        let above = stack.find(parent)?;
        let is_link = |found: &Found<'_>| !found.is_dir();
        // A link leads elsewhere: what is mounted there is the runtime's to make.
        if !stack.find(path)?.is_empty() || above.first().is_some_and(is_link) {
            continue;
        }
        let parent = repeat(stack, fix, parent)?;
        if is_dir {
            parent.make_child(name, 0o755)?;
        } else {
            let file = parent.create(name)?;
            rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(0o644))
                .map_err(Error::at("chmod", parent.path(), name))?;
        }
    }
    Ok(())
}

/// Gives a directory what the image says its root is like.
pub fn root(stack: &Stack, dir: &Dir) -> Result<()> {
    match described(&stack.find(Path::new(""))?) {
        Some(found) => copy(found, Path::new(""), dir),
        None => rustix::fs::fchmod(dir, rustix::fs::Mode::from_raw_mode(0o755))
            .map_err(|e| Error::system("chmod", dir.path().display(), e)),
    }
}

/// The topmost layer that says what it is like.
fn described<'a, 'b>(found: &'a [Found<'b>]) -> Option<&'a Found<'b>> {
    found.iter().find(|layer| !layer.implied)
}

/// With all directories on the way to it: they have to be there, and be as they are.
fn repeat(stack: &Stack, fix: &Dir, path: &Path) -> Result<Dir> {
    let mut here = fix.child(itself())?;
    let mut walked = std::path::PathBuf::new();
    for name in path {
        walked.push(name);
        here = here.make_child(name, 0o755)?;
        let found = stack.find(&walked)?;
        if let Some(found) = described(&found).or(found.first()) {
            copy(found, &walked, &here)?;
        }
    }
    Ok(here)
}

fn copy(found: &Found<'_>, path: &Path, to: &Dir) -> Result<()> {
    let from = open(found.layer, path)?;
    let stat = statat(&from, itself(), AtFlags::SYMLINK_NOFOLLOW).map_err(Error::at(
        "stat",
        found.layer.path(),
        path,
    ))?;
    attributes::copy((from.as_fd(), itself()), (to.as_fd(), itself()), &stat).map_err(Error::at(
        "copy attributes of",
        found.layer.path(),
        path,
    ))
}
