//! `COPY` and `ADD`: files into a root file system. Nothing is done by a path that has not been opened:
//! links in the image lead where they would lead in it, and those on the way are replaced, not followed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::os::fd::AsFd;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Stat, Uid, XattrFlags, chmodat, chownat, linkat, lsetxattr,
    mkdirat, mknodat, readlinkat, symlinkat,
};
use rustix::io::Errno;

use super::source::{Files, Found, Resolved, is_dir, open_dir, resolve};
use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer::{Inside, by_descriptor, is_whiteout};
use crate::snapshot::{copy_file, copy_times, itself, read_attributes};

/// What becomes of owners, modes and attributes.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Instead of the files' own.
    pub owner: Option<(u32, u32)>,
    /// Instead of the files' own.
    pub mode: Option<u32>,
    /// All attributes are kept, or capabilities only.
    pub attributes: bool,
    /// There is one id only.
    pub squash: bool,
}

/// Copies to a root file system.
pub struct Copier<'a> {
    pub rootfs: &'a Dir,
    pub manner: Manner,
    /// Whether to give up, asked before each file.
    pub cancelled: &'a dyn Fn() -> bool,
}

/// Where a source goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// Absolute, as it was written.
    pub path: String,
    /// It is a directory, whatever is copied there.
    pub is_dir: bool,
}

/// Where files of several names went, by their inode.
type Links = RefCell<HashMap<(u64, u64), Inside>>;

impl Copier<'_> {
    /// Copies what a source names: a file, or what is in a directory.
    pub fn found(&self, files: &Files<'_>, found: &Found, target: &Target) -> Result<()> {
        let links = Links::default();
        if is_dir(&found.stat) {
            let (to, to_path) = self.directory(&target.path)?;
            let from = open_dir(files.root, &found.path)?;
            return self.contents(files, (&from, &found.path), (&to, &to_path), &links);
        }
        let (to, to_path) = self.file_place(target, &found.name)?;
        let (Some((parent, name)), Some((_, to_name))) = (found.path.split(), to_path.split())
        else {
            return Err(Error::Argument(format!("{}: is no file", target.path)));
        };
        let from = open_dir(files.root, &parent)?;
        self.node((&from, name), (&to, to_name), &found.stat, (&to_path, &links))
    }

    /// Copies all of a directory to one of the image.
    pub fn all(&self, files: &Files<'_>, target: &Target) -> Result<()> {
        let (to, path) = self.directory(&target.path)?;
        self.contents(files, (files.root, &Inside::default()), (&to, &path), &Links::default())
    }

    /// Writes a file.
    pub fn inline(&self, content: &str, name: &str, target: &Target) -> Result<()> {
        let (to, path) = self.file_place(target, OsStr::new(name))?;
        let Some((_, name)) = path.split() else {
            return Err(Error::Argument(format!("{}: is no file", target.path)));
        };
        to.remove_tree(name)?;
        let mut file = to.create(name)?;
        file.write_all(content.as_bytes()).map_err(|e| Error::io("write", path_of(&path), &e))?;
        self.own(&to, name, self.manner.owner, self.manner.mode.unwrap_or(0o644))
            .map_err(Error::at("chown", to.path(), name))
    }

    /// The directory at a path of the image, made if need be, and where it really is.
    pub fn directory(&self, path: &str) -> Result<(Dir, Inside)> {
        match self.resolve(path)? {
            Resolved::There(path, stat) if is_dir(&stat) => {
                Ok((open_dir(self.rootfs, &path)?, path))
            }
            Resolved::There(..) => Err(Error::Argument(format!("{path}: is no directory"))),
            Resolved::Missing(path) => Ok((self.make(&path)?, path)),
        }
    }

    /// The directory that a file goes to, and the file's own path.
    fn file_place(&self, target: &Target, name: &OsStr) -> Result<(Dir, Inside)> {
        if !target.is_dir {
            match self.resolve(&target.path)? {
                Resolved::There(_, stat) if is_dir(&stat) => {}
                Resolved::There(path, _) | Resolved::Missing(path) => {
                    let parent = path.split().map(|(parent, _)| parent).unwrap_or_default();
                    return Ok((self.make(&parent)?, path));
                }
            }
        }
        let (dir, path) = self.directory(&target.path)?;
        Ok((dir, path.join(name)))
    }

    fn resolve(&self, path: &str) -> Result<Resolved> {
        resolve(self.rootfs, path.as_bytes())
            .map_err(|e| Error::system("open in the image", path, e))
    }

    /// Opens a directory by a path without links, making what is missing of it.
    fn make(&self, path: &Inside) -> Result<Dir> {
        let mut here = self.rootfs.child(itself())?;
        for name in &path.display() {
            here = match here.find_child(name)? {
                Some(there) => there,
                None => {
                    let made = here.new_child(name, 0o755)?;
                    self.own(&here, name, self.manner.owner, 0o755).map_err(Error::at(
                        "chown",
                        here.path(),
                        name,
                    ))?;
                    made
                }
            };
        }
        Ok(here)
    }

    fn contents(
        &self,
        files: &Files<'_>,
        (from, path): (&Dir, &Inside),
        (to, to_path): (&Dir, &Inside),
        links: &Links,
    ) -> Result<()> {
        for (name, stat) in files.list(from, path)? {
            if !is_dir(&stat) {
                let place = (&to_path.join(&name), links);
                self.node((from, &name), (to, &name), &stat, place)?;
                continue;
            }
            match mkdirat(to, &name, Mode::RWXU) {
                Err(Errno::EXIST) if self.is_directory(to, &name)? => {}
                Err(Errno::EXIST) => {
                    to.remove_tree(&name)?;
                    to.new_child(&name, 0o700)?;
                }
                other => other.map_err(Error::at("mkdir", to.path(), &name))?,
            }
            let (inner, inner_to) = (from.child(&name)?, to.child(&name)?);
            let paths = (path.join(&name), to_path.join(&name));
            self.contents(files, (&inner, &paths.0), (&inner_to, &paths.1), links)?;
            self.finish((&inner, itself()), (&inner_to, itself()), &stat).map_err(Error::at(
                "copy attributes to",
                to.path(),
                &name,
            ))?;
        }
        Ok(())
    }

    fn is_directory(&self, dir: &Dir, name: &OsStr) -> Result<bool> {
        rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)
            .map(|stat| is_dir(&stat))
            .map_err(Error::at("stat", dir.path(), name))
    }

    /// Anything but a directory, instead of what is there.
    fn node(
        &self,
        from: (&Dir, &OsStr),
        to: (&Dir, &OsStr),
        stat: &Stat,
        (path, links): (&Inside, &Links),
    ) -> Result<()> {
        if (self.cancelled)() {
            return Err(Error::Interrupted);
        }
        if is_whiteout(stat) {
            let shown = from.0.path().join(from.1);
            let problem = format!("{}: marks a deleted file, which is no file", shown.display());
            return Err(Error::Argument(problem));
        }
        to.0.remove_tree(to.1)?;
        if stat.st_nlink > 1 {
            let inode = (stat.st_dev, stat.st_ino);
            if let Some(first) = links.borrow().get(&inode) {
                let first = first.to_path();
                return linkat(self.rootfs, first, to.0, to.1, AtFlags::empty())
                    .map_err(Error::at("link", to.0.path(), to.1));
            }
            links.borrow_mut().insert(inode, path.clone());
        }
        match self.make_node(from, to, stat) {
            Ok(true) => self.finish(from, to, stat).map_err(Into::into),
            Ok(false) => Ok(()),
            Err(e) => Err(e),
        }
        .map_err(|e| Error::io("copy", from.0.path().join(from.1).display(), &e))
    }

    /// Whether there is something now: sockets are nothing without their process.
    fn make_node(
        &self,
        from: (&Dir, &OsStr),
        to: (&Dir, &OsStr),
        stat: &Stat,
    ) -> std::io::Result<bool> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => copy_file(from, to)?,
            FileType::Symlink => symlinkat(readlinkat(from.0, from.1, Vec::new())?, to.0, to.1)?,
            FileType::Socket => return Ok(false),
            kind => mknodat(to.0, to.1, kind, Mode::RUSR | Mode::WUSR, stat.st_rdev)?,
        }
        Ok(true)
    }

    fn finish(&self, from: (&Dir, &OsStr), to: (&Dir, &OsStr), stat: &Stat) -> Result<(), Errno> {
        let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        let owner = self.manner.owner.unwrap_or((stat.st_uid, stat.st_gid));
        let mode = self.manner.mode.unwrap_or(stat.st_mode & 0o7777);
        if is_link {
            self.chown(to.0, to.1, owner)?;
        } else {
            self.own(to.0, to.1, Some(owner), mode)?;
        }
        for (name, value) in read_attributes(from.0.as_fd(), from.1)? {
            if self.manner.attributes || name == b"security.capability" {
                let (path, name) = (by_descriptor(to.0.as_fd(), to.1), std::str::from_utf8(&name));
                let name = name.map_err(|_| Errno::INVAL)?;
                lsetxattr(&path, name, &value, XattrFlags::empty())?;
            }
        }
        copy_times((to.0.as_fd(), to.1), stat)
    }

    /// The owner comes first: changing it clears setuid bits.
    fn own(
        &self,
        dir: &Dir,
        name: &OsStr,
        owner: Option<(u32, u32)>,
        mode: u32,
    ) -> Result<(), Errno> {
        if let Some(owner) = owner {
            self.chown(dir, name, owner)?;
        }
        chmodat(dir, name, Mode::from_raw_mode(mode), AtFlags::empty())
    }

    fn chown(&self, dir: &Dir, name: &OsStr, (uid, gid): (u32, u32)) -> Result<(), Errno> {
        if self.manner.squash {
            return Ok(());
        }
        let ids = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        chownat(dir, name, ids.0, ids.1, AtFlags::SYMLINK_NOFOLLOW)
    }
}

fn path_of(path: &Inside) -> String {
    format!("/{}", path.display().display())
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
