//! The directory a layer is unpacked into. Every path of an archive is resolved here, by the kernel,
//! with the layer's directory as its root: neither `..` nor a link of any kind leads out of it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::XattrFlags;
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, fsetxattr, makedev, mkdirat, mknodat,
    openat2, setxattr, statat, unlinkat,
};
use rustix::io::Errno;

use super::names::Inside;
use super::whiteout::Flavor;
use crate::dir::Dir;

/// Links are resolved as in a chroot (docker's rule); magic links and other mounts are refused.
const RESOLVE: ResolveFlags =
    ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS).union(ResolveFlags::NO_XDEV);
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A tree that is being made.
pub struct Tree<'a> {
    root: &'a Dir,
    flavor: Flavor,
    /// The directory last used: entries of one directory stand together.
    last: Option<(Inside, OwnedFd)>,
    /// Directories that were made because something is in them, and have no entry (yet).
    implied: BTreeSet<Inside>,
}

impl<'a> Tree<'a> {
    /// An empty tree, whose root is implied until an entry says what it is like.
    pub fn new(root: &'a Dir, flavor: Flavor) -> Self {
        Self { root, flavor, last: None, implied: BTreeSet::from([Inside::default()]) }
    }

    /// Directories that no entry described.
    pub fn into_implied(self) -> BTreeSet<Inside> {
        self.implied
    }

    /// An entry says what the directory is like.
    pub fn described(&mut self, path: &Inside) {
        self.implied.remove(path);
    }

    /// Opens a directory, making what is missing on the way to it.
    pub fn directory(&mut self, path: &Inside) -> io::Result<BorrowedFd<'_>> {
        if self.last.as_ref().is_none_or(|(known, _)| known != path) {
            let fd = match self.open(path) {
                Err(Errno::NOENT | Errno::NOTDIR) => self.make(path)?,
                other => other?,
            };
            self.last = Some((path.clone(), fd));
        }
        match &self.last {
            Some((_, fd)) => Ok(fd.as_fd()),
            None => Err(Errno::NOENT.into()),
        }
    }

    /// Opens a directory that is there.
    pub fn open(&self, path: &Inside) -> Result<OwnedFd, Errno> {
        openat2(self.root, path.to_path(), DIRECTORY, Mode::empty(), RESOLVE)
    }

    /// Makes room for a name: what is there goes, and everything below it.
    pub fn clear(&mut self, path: &Inside, name: &OsStr) -> io::Result<()> {
        let parent = self.directory(path)?.try_clone_to_owned()?;
        let dir = Dir::from_fd(parent, path.display());
        // What is below it may be what we remember, or what a link in a remembered path led to.
        self.last = None;
        let gone = path.join(name);
        self.implied.retain(|implied| !implied.is_within(&gone));
        dir.remove_tree(name).map_err(io::Error::other)
    }

    /// Makes a directory whose name is free.
    pub fn mkdir(&self, parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
        mkdirat(parent, name, Mode::from_raw_mode(0o755))
    }

    /// Hides that name of lower layers. If this layer has a file of that name itself, lower ones are
    /// hidden anyway; of a directory what lower layers have in it is.
    pub fn hide(&mut self, path: &Inside, name: &OsStr) -> io::Result<()> {
        let flavor = self.flavor;
        let parent = self.directory(path)?;
        match make_whiteout(parent, name) {
            Err(Errno::EXIST) => {}
            other => return other.map_err(Into::into),
        }
        if kind(&stat(parent, name)?) == FileType::Directory {
            make_opaque(parent, name, flavor)?;
        }
        Ok(())
    }

    /// Hides all that lower layers have in a directory.
    pub fn hide_all(&mut self, path: &Inside) -> io::Result<()> {
        let flavor = self.flavor;
        let dir = self.directory(path)?;
        Ok(mark_opaque(|name| fsetxattr(dir, name, b"y", XattrFlags::empty()), flavor)?)
    }

    /// If that name hides one of lower layers, makes it a directory that hides all that is in them.
    pub fn replace_whiteout(&self, parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<bool> {
        if !is_whiteout(&stat(parent, name)?) {
            return Ok(false);
        }
        unlinkat(parent, name, AtFlags::empty())?;
        self.mkdir(parent, name)?;
        make_opaque(parent, name, self.flavor)?;
        Ok(true)
    }

    /// Step by step: each is opened from the root again, so that links in it are resolved there.
    fn make(&mut self, path: &Inside) -> io::Result<OwnedFd> {
        let mut here = self.root.as_fd().try_clone_to_owned()?;
        for step in path.steps() {
            here = match self.open(&step) {
                Ok(fd) => fd,
                Err(Errno::NOENT | Errno::NOTDIR) => self.make_step(&here, &step)?,
                Err(e) => return Err(e.into()),
            };
        }
        Ok(here)
    }

    fn make_step(&mut self, parent: &OwnedFd, step: &Inside) -> io::Result<OwnedFd> {
        let Some((_, name)) = step.split() else { return Err(Errno::INVAL.into()) };
        match self.mkdir(parent.as_fd(), name) {
            Ok(()) => {}
            Err(Errno::EXIST) if self.replace_whiteout(parent.as_fd(), name)? => {}
            Err(Errno::EXIST) => return Err(Errno::NOTDIR.into()),
            Err(e) => return Err(e.into()),
        }
        self.implied.insert(step.clone());
        let made = self.open(step)?;
        // Whatever the caller's umask.
        rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755))?;
        Ok(made)
    }
}

/// The inode of a name, not followed.
pub fn stat(parent: BorrowedFd<'_>, name: &OsStr) -> Result<Stat, Errno> {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Its type.
pub fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// overlayfs's marker of a deleted file: a character device 0/0. overlayfs itself lets nobody make one
/// (`ovl_mknod`, EPERM); a store on overlayfs, whose containers are copies, has devices 0/1 in their place.
pub fn is_whiteout(stat: &Stat) -> bool {
    let ours = [makedev(0, 0), makedev(0, 1)].contains(&stat.st_rdev);
    kind(stat) == FileType::CharacterDevice && ours
}

fn make_whiteout(parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    let make =
        |minor| mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), makedev(0, minor));
    match make(0) {
        Err(Errno::PERM) => make(1),
        other => other,
    }
}

fn make_opaque(parent: BorrowedFd<'_>, name: &OsStr, flavor: Flavor) -> io::Result<()> {
    let path = by_descriptor(parent, name);
    Ok(mark_opaque(|name| setxattr(&path, name, b"y", XattrFlags::empty()), flavor)?)
}

/// overlayfs keeps attributes of the name it goes by to itself before Linux 6.7: a store on it, whose
/// containers are copies, has the other one.
fn mark_opaque(
    set: impl Fn(&'static str) -> Result<(), Errno>,
    flavor: Flavor,
) -> Result<(), Errno> {
    match set(flavor.opaque()) {
        Err(Errno::NOTSUP) => set(Flavor::User.opaque()),
        other => other,
    }
}

/// A name in a directory as a path, for calls that take no descriptor of the directory. The directory
/// is reached by its descriptor; the name is one component.
pub fn by_descriptor(parent: BorrowedFd<'_>, name: &OsStr) -> std::path::PathBuf {
    std::path::Path::new("/proc/self/fd").join(parent.as_raw_fd().to_string()).join(name)
}
