//! A container's files as a tar stream.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Stat, statat};

use super::attributes::{self, is_opaque, itself};
use super::container::UPPER;
use super::diff::{Change, ChangeKind};
use super::{Container, Kind};
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer::{Node, Packer, is_whiteout};

impl Container<'_> {
    /// All files of the container, as one archive without layers.
    ///
    /// # Errors
    /// If a file cannot be read, or the stream not be written.
    pub fn export(&self, sink: impl Write) -> Result<()> {
        self.mount()?;
        let root = Dir::open(&self.record.rootfs)?;
        let mut packer = Packer::new(sink, None);
        everything(&mut packer, &root, Path::new(""))?;
        packer.finish().and_then(|mut sink| sink.flush()).map_err(failed(Path::new("archive")))
    }

    /// What the container changed, as a layer.
    pub(crate) fn pack<W: Write>(&self, mut packer: Packer<W>) -> Result<Packer<W>> {
        match self.record.kind {
            Kind::Overlay => upper(&mut packer, &self.dir.child(UPPER)?, Path::new(""))?,
            Kind::Copy => {
                let root = Dir::open(&self.record.rootfs)?;
                changed(&mut packer, &root, &self.diff()?)?;
            }
        }
        Ok(packer)
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |e| Error::io("pack", path.display(), &e)
}

fn node<W: Write>(
    packer: &mut Packer<W>,
    dir: &Dir,
    name: &OsString,
    path: &Path,
    stat: &Stat,
) -> Result<()> {
    let xattrs = attributes::read(dir.as_fd(), name).map_err(Error::at(
        "read attributes of",
        dir.path(),
        name,
    ))?;
    packer.node(&Node { dir, name, path, stat, xattrs }).map_err(failed(path))
}

fn stat(dir: &Dir, name: &OsString) -> Result<Stat> {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::at("stat", dir.path(), name))
}

fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

fn everything<W: Write>(packer: &mut Packer<W>, dir: &Dir, path: &Path) -> Result<()> {
    for name in dir.names()? {
        let (path, stat) = (path.join(&name), stat(dir, &name)?);
        node(packer, dir, &name, &path, &stat)?;
        if is_dir(&stat) {
            everything(packer, &dir.child(&name)?, &path)?;
        }
    }
    Ok(())
}

/// overlayfs's writable layer, its markers turned into those of archives.
fn upper<W: Write>(packer: &mut Packer<W>, dir: &Dir, path: &Path) -> Result<()> {
    for name in dir.names()? {
        let (path, stat) = (path.join(&name), stat(dir, &name)?);
        if is_whiteout(&stat) {
            packer.whiteout(&path).map_err(failed(&path))?;
            continue;
        }
        node(packer, dir, &name, &path, &stat)?;
        if is_dir(&stat) {
            let inner = dir.child(&name)?;
            if is_opaque(&inner) {
                packer.opaque(&path).map_err(failed(&path))?;
            }
            upper(packer, &inner, &path)?;
        }
    }
    Ok(())
}

/// Changed paths of a whole tree. They come sorted, so that directories are opened once.
fn changed<W: Write>(packer: &mut Packer<W>, root: &Dir, changes: &[Change]) -> Result<()> {
    let mut open: HashMap<&Path, Dir> = HashMap::new();
    for change in changes {
        let (Some(parent), Some(name)) = (change.path.parent(), change.path.file_name()) else {
            continue;
        };
        if change.kind == ChangeKind::Deleted {
            packer.whiteout(&change.path).map_err(failed(&change.path))?;
            continue;
        }
        open.retain(|path, _| parent.starts_with(path));
        if !open.contains_key(parent) {
            let mut dir = root.child(itself())?;
            for name in parent {
                dir = dir.child(name)?;
            }
            open.insert(parent, dir);
        }
        if let Some(dir) = open.get(parent) {
            let name = name.to_owned();
            node(packer, dir, &name, &change.path, &stat(dir, &name)?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
