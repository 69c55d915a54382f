//! One inode: made, filled, and given its owner, mode, attributes and time, in the order in which the
//! kernel leaves them standing.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, Read as _, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat,
    fchmod, fchown, fsetxattr, fstat, futimens, lsetxattr, openat, utimensat,
};
use rustix::io::Errno;

use super::entry::Entry;
use super::sparse::Piece;
use super::tree::{by_descriptor, stat};
use super::whiteout::is_overlay_attribute;

/// What to do with owners and attributes that cannot be set here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// Everything belongs to us, whoever the archive says: there is no other id here.
    pub squash: bool,
}

/// Permissions without setuid, setgid and sticky, which only come with the owner.
const PERMISSIONS: u32 = 0o777;
const MODE: u32 = 0o7777;

/// Creates a file that must not be there yet.
pub fn create(parent: BorrowedFd<'_>, name: &OsStr, entry: &Entry) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::from_raw_mode(entry.mode & PERMISSIONS)).map(File::from)
}

/// Writes all of the data, straight from where the stream keeps it.
pub fn fill(mut file: &File, data: &mut impl BufRead) -> io::Result<()> {
    loop {
        let available = data.fill_buf()?;
        if available.is_empty() {
            return Ok(());
        }
        let count = file.write(available)?;
        data.consume(count);
    }
}

/// Writes the data to where it belongs, leaving holes.
pub fn fill_sparse(
    mut file: &File,
    data: &mut impl BufRead,
    size: u64,
    pieces: &[Piece],
) -> io::Result<()> {
    for piece in pieces {
        file.seek(SeekFrom::Start(piece.offset))?;
        fill(file, &mut data.take(piece.length))?;
    }
    file.set_len(size)
}

/// An attribute that could not be set, and why that is no error.
pub type Left = Vec<String>;

/// Owner, mode and attributes of an open file or directory. Its time comes last, by [`set_time`].
///
/// Of a fresh inode owner and mode mostly are right already, unless the parent's setgid bit or default
/// ACL, or the umask, meddled: looking is cheaper than setting, which a file system has to log.
pub fn finish_open(
    fd: BorrowedFd<'_>,
    entry: &Entry,
    rights: Rights,
    left: &mut Left,
) -> io::Result<()> {
    let made = fstat(fd)?;
    // Changing the owner clears setuid bits and file capabilities: the owner comes first.
    let change = !rights.squash && !is_owner(&made, entry);
    if change {
        fchown(fd, uid(entry), gid(entry))?;
    }
    if change || made.st_mode & MODE != entry.mode & MODE {
        fchmod(fd, Mode::from_raw_mode(entry.mode))?;
    }
    for (name, value) in attributes(entry, left) {
        let name = OsStr::from_bytes(name);
        tolerate(fsetxattr(fd, name, value, XattrFlags::empty()), name, left)?;
    }
    Ok(())
}

/// The same for what cannot be opened: links, devices, pipes. Links have no mode.
pub fn finish_named(
    parent: BorrowedFd<'_>,
    at: &OsStr,
    entry: &Entry,
    rights: Rights,
    left: &mut Left,
) -> io::Result<()> {
    let is_link = matches!(entry.kind, super::entry::Kind::Symlink(_));
    if !rights.squash && !is_owner(&stat(parent, at)?, entry) {
        chownat(parent, at, uid(entry), gid(entry), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    if !is_link {
        // Just made, and no link: nothing to be followed.
        chmodat(parent, at, Mode::from_raw_mode(entry.mode), AtFlags::empty())?;
    }
    for (name, value) in attributes(entry, left) {
        let name = OsStr::from_bytes(name);
        let set = lsetxattr(by_descriptor(parent, at), name, value, XattrFlags::empty());
        tolerate(set, name, left)?;
    }
    Ok(utimensat(parent, at, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Sets the time of a file that is whole, or of a directory that nothing more is put into.
pub fn set_time(fd: impl AsFd, mtime: (i64, u32)) -> io::Result<()> {
    Ok(futimens(fd, &times(mtime))?)
}

/// Those that are the file's own. overlayfs's would be obeyed, not kept.
fn attributes<'a>(entry: &'a Entry, left: &mut Left) -> Vec<(&'a [u8], &'a [u8])> {
    let mut own = Vec::new();
    for (name, value) in &entry.xattrs {
        if is_overlay_attribute(name) {
            left.push(format!("{} is overlayfs's own", String::from_utf8_lossy(name)));
        } else {
            own.push((name.as_slice(), value.as_slice()));
        }
    }
    own
}

/// File systems without attributes, and attributes for which one has to be root of the host, are no
/// reason to refuse an image; that they were left out is told.
fn tolerate(set: Result<(), Errno>, name: &OsStr, left: &mut Left) -> io::Result<()> {
    match set {
        Err(e @ (Errno::NOTSUP | Errno::PERM)) if !is_capability(name) || e == Errno::NOTSUP => {
            left.push(format!("{}: {}", name.display(), io::Error::from(e)));
            Ok(())
        }
        other => Ok(other?),
    }
}

/// Without them a program does not work, and nobody sees why.
fn is_capability(name: &OsStr) -> bool {
    name == "security.capability"
}

fn is_owner(made: &Stat, entry: &Entry) -> bool {
    (made.st_uid, made.st_gid) == (entry.uid, entry.gid)
}

fn uid(entry: &Entry) -> Option<Uid> {
    Some(Uid::from_raw(entry.uid))
}

fn gid(entry: &Entry) -> Option<Gid> {
    Some(Gid::from_raw(entry.gid))
}

fn times((seconds, nanos): (i64, u32)) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}
