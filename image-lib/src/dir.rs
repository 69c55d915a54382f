//! Directories held by descriptor: every name below is one component, never followed if a link.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fsync, mkdirat, open, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use crate::error::{Error, Result};

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Larger JSON documents are refused (the registry's own limit for manifests is 4 MiB).
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// An open directory. The path is for messages only.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    path: PathBuf,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Dir {
    /// Opens a directory by a path that the caller vouches for; links in it are followed.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = DIRECTORY.difference(OFlags::NOFOLLOW);
        let fd = open(path, flags, Mode::empty())
            .map_err(|e| Error::system("open", path.display(), e))?;
        Ok(Self { fd, path: path.to_owned() })
    }

    /// Wraps a descriptor.
    pub fn from_fd(fd: OwnedFd, path: impl Into<PathBuf>) -> Self {
        Self { fd, path: path.into() }
    }

    /// For messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory in it.
    pub fn child(&self, name: impl AsRef<OsStr>) -> Result<Self> {
        let name = name.as_ref();
        self.try_child(name).map_err(Error::at("open", &self.path, name))
    }

    fn try_child(&self, name: &OsStr) -> Result<Self, Errno> {
        openat(&self.fd, name, DIRECTORY, Mode::empty())
            .map(|fd| Self { fd, path: self.path.join(name) })
    }

    /// Opens a directory in it; `None` if there is none.
    pub fn find_child(&self, name: impl AsRef<OsStr>) -> Result<Option<Self>> {
        let name = name.as_ref();
        match self.try_child(name) {
            Ok(child) => Ok(Some(child)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(Error::at("open", &self.path, name)(e)),
        }
    }

    /// Makes a directory in it unless it is there, and opens it.
    pub fn make_child(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Self> {
        let name = name.as_ref();
        match mkdirat(&self.fd, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => self.child(name),
            Err(e) => Err(Error::at("mkdir", &self.path, name)(e)),
        }
    }

    /// Makes a directory that must not be there yet, and opens it.
    pub fn new_child(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Self> {
        let name = name.as_ref();
        mkdirat(&self.fd, name, Mode::from_raw_mode(mode))
            .map_err(Error::at("mkdir", &self.path, name))?;
        self.child(name)
    }

    /// Whether there is such a name.
    pub fn has(&self, name: impl AsRef<OsStr>) -> Result<bool> {
        let name = name.as_ref();
        match statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(Error::at("stat", &self.path, name)(e)),
        }
    }

    /// Opens a file for reading; `None` if there is none.
    pub fn open_file(&self, name: impl AsRef<OsStr>) -> Result<Option<File>> {
        let name = name.as_ref();
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(fd.into())),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(Error::at("open", &self.path, name)(e)),
        }
    }

    /// Creates a file that must not be there yet.
    pub fn create(&self, name: impl AsRef<OsStr>) -> Result<File> {
        let name = name.as_ref();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(Error::at("create", &self.path, name))
    }

    /// A short file as a whole; `None` if there is none.
    pub fn read(&self, name: impl AsRef<OsStr>) -> Result<Option<Vec<u8>>> {
        let name = name.as_ref();
        let Some(file) = self.open_file(name)? else { return Ok(None) };
        let path = self.path.join(name);
        let mut data = Vec::new();
        file.take(MAX_DOCUMENT + 1)
            .read_to_end(&mut data)
            .map_err(|e| Error::io("read", path.display(), &e))?;
        if data.len() as u64 > MAX_DOCUMENT {
            return Err(Error::damaged(path, "is larger than 4 MiB"));
        }
        Ok(Some(data))
    }

    /// Replaces a file: readers see the old one or the new one, also after a loss of power.
    pub fn replace(&self, name: &str, data: &[u8]) -> Result<()> {
        self.replace_by(name, data, File::sync_all)?;
        self.sync()
    }

    /// The same, but for a loss of power: nobody waits for the disk.
    pub fn replace_until_power_off(&self, name: &str, data: &[u8]) -> Result<()> {
        self.replace_by(name, data, |_| Ok(()))
    }

    fn replace_by(
        &self,
        name: &str,
        data: &[u8],
        sync: impl Fn(&File) -> std::io::Result<()>,
    ) -> Result<()> {
        let temporary = unique(name);
        let path = self.path.join(&temporary);
        let mut file = self.create(&temporary)?;
        file.write_all(data)
            .and_then(|()| sync(&file))
            .map_err(|e| Error::io("write", path.display(), &e))?;
        self.rename(temporary.as_ref(), self, name.as_ref())
    }

    /// Moves a name of this directory to one of another.
    pub fn rename(&self, from: &OsStr, to: &Self, name: &OsStr) -> Result<()> {
        renameat(&self.fd, from, &to.fd, name).map_err(Error::at("rename", &self.path, from))
    }

    /// Makes renames in this directory last.
    pub fn sync(&self) -> Result<()> {
        fsync(&self.fd).map_err(|e| Error::system("fsync", self.path.display(), e))
    }

    /// Removes a file; no matter if there is none.
    pub fn remove_file(&self, name: impl AsRef<OsStr>) -> Result<()> {
        let name = name.as_ref();
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(e) => Err(Error::at("unlink", &self.path, name)(e)),
        }
    }

    /// Names in it, sorted.
    pub fn names(&self) -> Result<Vec<OsString>> {
        let failed = |e| Error::system("read directory", self.path.display(), e);
        let mut names = Vec::new();
        // A fresh description: the position of ours is shared with its duplicates.
        let fresh = openat(&self.fd, ".", DIRECTORY, Mode::empty()).map_err(failed)?;
        for entry in rustix::fs::Dir::new(fresh).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Removes a name and everything below it; no matter if there is nothing. Does not cross into
    /// other mounts: a mounted directory is busy.
    pub fn remove_tree(&self, name: impl AsRef<OsStr>) -> Result<()> {
        let name = name.as_ref();
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR | Errno::PERM) if self.is_dir(name)? => {}
            Err(e) => return Err(Error::at("unlink", &self.path, name)(e)),
        }
        if !is_mount_point(self, name)? {
            remove_below(&self.child_to_empty(name)?)?;
        }
        unlinkat(&self.fd, name, AtFlags::REMOVEDIR).map_err(Error::at("rmdir", &self.path, name))
    }

    fn is_dir(&self, name: &OsStr) -> Result<bool> {
        statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
            .map(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
            .map_err(Error::at("stat", &self.path, name))
    }

    /// Ordinary users have to be able to look into and change what they remove.
    fn child_to_empty(&self, name: &OsStr) -> Result<Self> {
        match self.try_child(name) {
            Err(Errno::ACCESS) => {
                let _ = rustix::fs::chmodat(&self.fd, name, Mode::RWXU, AtFlags::empty());
                self.child(name)
            }
            other => other.map_err(Error::at("open", &self.path, name)),
        }
    }
}

/// The depth of a tree is bounded by its paths (PATH_MAX is no bound, but unpacking has one).
fn remove_below(dir: &Dir) -> Result<()> {
    for name in dir.names()? {
        match dir.remove_tree(&name) {
            Err(Error::System { errno: nix::errno::Errno::EACCES, .. }) => {
                let _ = rustix::fs::fchmod(dir, Mode::RWXU);
                dir.remove_tree(&name)?;
            }
            other => other?,
        }
    }
    Ok(())
}

/// By the mount id that statx(2) tells, so that a bind mount of the same file system counts.
fn is_mount_point(dir: &Dir, name: &OsStr) -> Result<bool> {
    use rustix::fs::{StatxFlags, statx};
    let failed = Error::at("statx", dir.path(), name);
    let found = statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID).and_then(|below| {
        statx(dir, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
            .map(|here| below.stx_mnt_id != here.stx_mnt_id)
    });
    found.map_err(failed)
}

/// A name that no other process or thread uses in the same directory.
pub fn unique(stem: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |passed| passed.as_nanos());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(".{stem}.{}.{number}.{now:x}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_removed_and_links_in_them_not_followed() {
        let temporary = tempfile::tempdir().unwrap();
        let outside = temporary.path().join("outside");
        std::fs::create_dir_all(temporary.path().join("tree/a/b")).unwrap();
        std::fs::write(&outside, "stays").unwrap();
        std::os::unix::fs::symlink(&outside, temporary.path().join("tree/a/link")).unwrap();
        let dir = Dir::open(temporary.path()).unwrap();
        dir.remove_tree("tree").unwrap();
        dir.remove_tree("tree").unwrap();
        assert_eq!(dir.names().unwrap(), ["outside"]);
    }

    #[test]
    fn replaced_files_leave_no_temporary_ones() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = Dir::open(temporary.path()).unwrap();
        dir.replace("f", b"1").unwrap();
        dir.replace_until_power_off("f", b"2").unwrap();
        assert_eq!(dir.read("f").unwrap().unwrap(), b"2");
        assert_eq!(dir.names().unwrap(), ["f"]);
        assert_eq!(dir.read("g").unwrap(), None);
    }
}
