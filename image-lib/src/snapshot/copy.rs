//! An image's layers as one tree of their own, where overlayfs cannot be used: shared extents where the
//! file system can (FICLONE), else copies.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, SeekFrom, Stat, ioctl_ficlone, linkat, mkdirat, mknodat,
    openat, readlinkat, seek, statat, symlinkat,
};
use rustix::io::Errno;

use super::attributes::{self, is_opaque, itself};
use super::stack::Stack;
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer::is_whiteout;

/// Makes `target`, which is empty, what overlayfs would show of the layers.
pub fn fill(stack: &Stack, fix: &Dir, target: &Dir) -> Result<()> {
    for layer in stack.dirs().rev().chain([fix]) {
        let mut copier = Copier { target, links: HashMap::new() };
        copier.directory(layer, target, Path::new(""))?;
    }
    super::fix::root(stack, target)
}

/// Copies what is in a directory to another, which is empty.
pub fn tree(from: &Dir, to: &Dir) -> Result<()> {
    Copier { target: to, links: HashMap::new() }.directory(from, to, Path::new(""))
}

/// Copies one layer onto what is there.
struct Copier<'a> {
    target: &'a Dir,
    /// Where files of several names went to, by their inode.
    links: HashMap<u64, PathBuf>,
}

impl Copier<'_> {
    fn directory(&mut self, from: &Dir, to: &Dir, path: &Path) -> Result<()> {
        if is_opaque(from) {
            to.names()?.iter().try_for_each(|name| to.remove_tree(name))?;
        }
        for name in from.names()? {
            let stat = statat(from, &name, AtFlags::SYMLINK_NOFOLLOW).map_err(Error::at(
                "stat",
                from.path(),
                &name,
            ))?;
            if is_whiteout(&stat) {
                to.remove_tree(&name)?;
            } else if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                self.subdirectory(from, to, &name, &path.join(&name), &stat)?;
            } else {
                to.remove_tree(&name)?;
                self.node(from, to, &name, &path.join(&name), &stat)
                    .map_err(|e| Error::io("copy", to.path().join(&name).display(), &e))?;
            }
        }
        Ok(())
    }

    fn subdirectory(
        &mut self,
        from: &Dir,
        to: &Dir,
        name: &OsStr,
        path: &Path,
        stat: &Stat,
    ) -> Result<()> {
        match mkdirat(to, name, Mode::RWXU) {
            Err(Errno::EXIST) if is_dir(to, name) => {}
            Err(Errno::EXIST) => {
                to.remove_tree(name)?;
                to.new_child(name, 0o700)?;
            }
            other => other.map_err(Error::at("mkdir", to.path(), name))?,
        }
        let (from, to) = (from.child(name)?, to.child(name)?);
        self.directory(&from, &to, path)?;
        attributes::copy((from.as_fd(), itself()), (to.as_fd(), itself()), stat)
            .map_err(|e| Error::system("copy attributes to", to.path().display(), e))
    }

    fn node(
        &mut self,
        from: &Dir,
        to: &Dir,
        name: &OsStr,
        path: &Path,
        stat: &Stat,
    ) -> io::Result<()> {
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&stat.st_ino) {
                return Ok(linkat(self.target, first, to, name, AtFlags::empty())?);
            }
            self.links.insert(stat.st_ino, path.to_owned());
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => file((from, name), (to, name))?,
            FileType::Symlink => symlinkat(readlinkat(from, name, Vec::new())?, to, name)?,
            kind => mknodat(to, name, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev)?,
        }
        Ok(attributes::copy((from.as_fd(), name), (to.as_fd(), name), stat)?)
    }
}

fn is_dir(dir: &Dir, name: &OsStr) -> bool {
    statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

/// The content of a file to one that must not be there yet.
pub fn file(from: (&Dir, &OsStr), to: (&Dir, &OsStr)) -> io::Result<()> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut source = File::from(openat(from.0, from.1, read, Mode::empty())?);
    let mut target = File::from(openat(to.0, to.1, write, Mode::RUSR | Mode::WUSR)?);
    match ioctl_ficlone(&target, &source) {
        Err(Errno::OPNOTSUPP | Errno::NOTTY | Errno::XDEV | Errno::INVAL | Errno::NOSYS) => {
            data(&mut source, &mut target)
        }
        other => Ok(other?),
    }
}

/// All that is not a hole (lseek(2), `SEEK_DATA`): an image may have files larger than any disk.
fn data(source: &mut File, target: &mut File) -> io::Result<()> {
    let size = source.metadata()?.len();
    target.set_len(size)?;
    let mut position = 0;
    loop {
        let begin = match seek(&*source, SeekFrom::Data(position)) {
            Ok(begin) => begin,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        position = seek(&*source, SeekFrom::Hole(begin))?;
        seek(&*source, SeekFrom::Start(begin))?;
        seek(&*target, SeekFrom::Start(begin))?;
        // copy_file_range(2) inside, which leaves the bytes in the kernel.
        io::copy(&mut source.take(position - begin), target)?;
    }
}
