//! Owner, mode, attributes and times from one inode to another.

use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, Gid, Mode, Stat, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat, lgetxattr,
    llistxattr, lsetxattr, utimensat,
};
use rustix::io::Errno;

use crate::layer::{Attributes, by_descriptor, is_overlay_attribute};

/// All attributes of a name that are not overlayfs's own, sorted.
pub fn read(parent: BorrowedFd<'_>, name: &OsStr) -> Result<Attributes, Errno> {
    let path = by_descriptor(parent, name);
    let mut names = sized(|buffer| llistxattr(&path, buffer))?;
    if names.last() == Some(&0) {
        names.pop();
    }
    let mut attributes = Vec::new();
    for name in names.split(|&byte| byte == 0) {
        if name.is_empty() || is_overlay_attribute(name) {
            continue;
        }
        let value = sized(|buffer| lgetxattr(&path, OsStr::from_bytes(name), buffer))?;
        attributes.push((name.to_vec(), value));
    }
    attributes.sort();
    Ok(attributes)
}

/// Whether a directory hides all that lower layers have in it.
pub fn is_opaque(dir: impl AsFd) -> bool {
    [c"trusted.overlay.opaque", c"user.overlay.opaque"].iter().any(|name| is_yes(&dir, name))
}

fn is_yes(dir: impl AsFd, name: &CStr) -> bool {
    let mut value = [0u8; 2];
    matches!(rustix::fs::fgetxattr(dir, name, &mut value[..]), Ok(1)) && value[0] == b'y'
}

/// Asks with a buffer that is enough mostly, then with the largest there can be. File systems without
/// attributes have none.
fn sized(ask: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    const LARGEST: usize = 64 << 10;
    for size in [1024, LARGEST] {
        let mut buffer = vec![0; size];
        match ask(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) => {}
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Err(e) => return Err(e),
        }
    }
    Err(Errno::RANGE)
}

/// Gives a name what another has. `stat` is that of the other.
pub fn copy(
    from: (BorrowedFd<'_>, &OsStr),
    to: (BorrowedFd<'_>, &OsStr),
    stat: &Stat,
) -> Result<(), Errno> {
    let ids = (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)));
    let is_link = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink();
    match chownat(to.0, to.1, ids.0, ids.1, AtFlags::SYMLINK_NOFOLLOW) {
        // Everything in the store belongs to the ordinary user whose it is.
        Err(Errno::PERM | Errno::INVAL) if !rustix::process::geteuid().is_root() => {}
        other => other?,
    }
    if !is_link {
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        chmodat(to.0, to.1, mode, AtFlags::empty())?;
    }
    for (name, value) in read(from.0, from.1)? {
        let path = by_descriptor(to.0, to.1);
        lsetxattr(&path, OsStr::from_bytes(&name), &value, XattrFlags::empty())?;
    }
    copy_times(to, stat)
}

/// Gives a name the times of another.
pub fn copy_times(to: (BorrowedFd<'_>, &OsStr), stat: &Stat) -> Result<(), Errno> {
    let nanos = |nanos: u64| nanos.try_into().unwrap_or(0);
    let times = Timestamps {
        last_access: Timespec { tv_sec: stat.st_atime, tv_nsec: nanos(stat.st_atime_nsec) },
        last_modification: Timespec { tv_sec: stat.st_mtime, tv_nsec: nanos(stat.st_mtime_nsec) },
    };
    utimensat(to.0, to.1, &times, AtFlags::SYMLINK_NOFOLLOW)
}

/// The name by which a directory is reached from itself.
pub fn itself() -> &'static OsStr {
    Path::new(".").as_os_str()
}
