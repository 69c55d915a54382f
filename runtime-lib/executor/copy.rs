//! Copies what a tmpfs is about to hide into it (`tmpcopyup`). The tree belongs to the image, hence
//! perhaps to an attacker who changes it meanwhile: every object is reached by a descriptor from its
//! parent, no symlink and no mount point is crossed, and what grows without end ends at the size of
//! the tmpfs.

use core::ffi::CStr;

use crate::machine::{Detail, Machine};
use crate::op::Slot;
use crate::sys::{self, Fd, Result, Status, errno};

/// The executor's stack and table of descriptors are finite: some 2 KiB and two descriptors a level.
const DEPTH: u32 = 64;
const O_DIRECTORY: u64 = sys::O_DIRECTORY as u64;
const S_IFDIR: u32 = 0o040000;
const S_IFREG: u32 = 0o100000;
const S_IFLNK: u32 = 0o120000;

/// Gives the root of a new mount the permissions of the directory that it will cover, unless that
/// was made just for it.
pub fn mode(machine: &Machine, from: Slot, to: Slot) -> Result<()> {
    if machine.target_is_new {
        return Ok(());
    }
    let status = sys::stat(machine.fd(from)?, c"")?;
    sys::fchmodat(machine.fd(to)?, c".", status.permissions)
}

/// The same as an option of the mount, where it shows in /proc/mounts.
pub fn mode_option(machine: &Machine, fs: Slot, from: Slot) -> Result<()> {
    if machine.target_is_new {
        return Ok(());
    }
    let permissions = sys::stat(machine.fd(from)?, c"")?.permissions;
    let digit = |place: u32| b'0' + (permissions >> (3 * place) & 7) as u8;
    let text = [digit(3), digit(2), digit(1), digit(0), 0];
    let text = CStr::from_bytes_with_nul(&text).map_err(|_| errno::EINVAL)?;
    sys::fsconfig_string(machine.fd(fs)?, c"mode", text)
}

/// Copies the content of a directory. On an error the innermost name goes into the report.
pub fn tree(machine: &mut Machine, from: Slot, to: Slot) -> Result<()> {
    let to = machine.fd(to)?;
    let from = open(machine.fd(from)?, c".", O_DIRECTORY)?;
    let done = directory(from, to, DEPTH, &mut machine.detail);
    sys::close(from);
    done
}

/// Nothing that would lead elsewhere: no links, no other mounts, no waiting for a FIFO's writer.
fn open(dir: Fd, name: &CStr, kind: u64) -> Result<Fd> {
    const NO_XDEV_NO_SYMLINKS_BENEATH: u64 = 0x01 | 0x04 | 0x08;
    const FLAGS: u64 = (sys::O_CLOEXEC | sys::O_NONBLOCK | sys::O_NOFOLLOW) as u64;
    sys::openat2(dir, name, FLAGS | kind, NO_XDEV_NO_SYMLINKS_BENEATH)
}

fn directory(from: Fd, to: Fd, depth: u32, detail: &mut Detail) -> Result<()> {
    let depth = depth.checked_sub(1).ok_or(errno::ELOOP)?;
    let mut entries = [0u64; 128];
    loop {
        let mut rest = sys::entries(from, &mut entries)?;
        if rest.is_empty() {
            return Ok(());
        }
        while let Some((name, tail)) = next(rest) {
            rest = tail;
            if name == c"." || name == c".." {
                continue;
            }
            if let Err(e) = entry(from, to, name, depth, detail) {
                detail.say_once(name.to_bytes());
                return Err(e);
            }
        }
    }
}

/// The first name of a run of struct linux_dirent64, and what follows.
fn next(entries: &[u8]) -> Option<(&CStr, &[u8])> {
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let len = u16::from_ne_bytes(entries.get(LENGTH..LENGTH + 2)?.try_into().ok()?);
    let (one, rest) = entries.split_at_checked(usize::from(len))?;
    Some((CStr::from_bytes_until_nul(one.get(NAME..)?).ok()?, rest))
}

fn entry(from: Fd, to: Fd, name: &CStr, depth: u32, detail: &mut Detail) -> Result<()> {
    let status = sys::stat(from, name)?;
    match status.file_type {
        // What is mounted there is not this directory's.
        _ if status.is_mount_root => Ok(()),
        S_IFDIR => {
            let source = open(from, name, O_DIRECTORY)?;
            let done = subdirectory(source, to, name, &status, depth, detail);
            sys::close(source);
            done
        }
        S_IFREG => {
            let source = open(from, name, 0)?;
            let done = regular(source, to, name, &status);
            sys::close(source);
            done
        }
        S_IFLNK => link(from, to, name, &status),
        kind => {
            sys::mknodat(to, name, kind | status.permissions, status.rdev)?;
            own(to, name, &status)?;
            // Once more: a change of owner takes away set-user-ID.
            sys::fchmodat(to, name, status.permissions)
        }
    }
}

fn subdirectory(
    source: Fd,
    to: Fd,
    name: &CStr,
    status: &Status,
    depth: u32,
    detail: &mut Detail,
) -> Result<()> {
    sys::mkdirat(to, name, 0o700)?;
    let copy = open(to, name, O_DIRECTORY)?;
    let done = directory(source, copy, depth, detail).and_then(|()| finish(source, copy, status));
    sys::close(copy);
    done
}

fn regular(source: Fd, to: Fd, name: &CStr, status: &Status) -> Result<()> {
    // Whatever is there by now.
    if sys::stat(source, c"")?.file_type != S_IFREG {
        return Err(errno::ENODEV);
    }
    let copy = sys::create_file(to, name, 0o600)?;
    let done = content(source, copy, status.size).and_then(|()| finish(source, copy, status));
    sys::close(copy);
    done
}

fn content(source: Fd, copy: Fd, size: u64) -> Result<()> {
    let mut left = size;
    while left > 0 {
        match sys::sendfile(copy, source, left)? {
            0 => break,
            sent => left = left.saturating_sub(sent as u64),
        }
    }
    Ok(())
}

/// Owner, permissions, attributes, in this order: a change of owner takes away set-user-ID and file
/// capabilities.
fn finish(source: Fd, copy: Fd, status: &Status) -> Result<()> {
    own(copy, c"", status)?;
    sys::fchmod(copy, status.permissions)?;
    attributes(source, copy)
}

fn own(dir: Fd, name: &CStr, status: &Status) -> Result<()> {
    let Status { uid, gid, .. } = *status;
    if uid == 0 && gid == 0 { Ok(()) } else { sys::fchownat(dir, name, uid, gid) }
}

#[inline(never)] // keeps its buffer out of the frames of `directory`
fn link(from: Fd, to: Fd, name: &CStr, status: &Status) -> Result<()> {
    let mut content = [0u8; 4096];
    let len = sys::readlinkat(from, name, &mut content)?;
    if len >= content.len() {
        return Err(errno::ENAMETOOLONG);
    }
    let content = CStr::from_bytes_until_nul(&content).map_err(|_| errno::ENAMETOOLONG)?;
    sys::symlinkat(content, to, name)?;
    own(to, name, status)
}

/// Extended attributes as far as a tmpfs takes them. An ACL may not be lost, for the group's bits of
/// the mode are its mask: without it they would give the group more.
#[inline(never)] // as above
fn attributes(source: Fd, copy: Fd) -> Result<()> {
    let (mut names, mut value) = ([0u8; 1024], [0u8; 1024]);
    let len = match sys::flistxattr(source, &mut names) {
        Err(errno::EOPNOTSUPP) => return Ok(()),
        len => len?,
    };
    let mut rest = names.get(..len).unwrap_or(&[]);
    while let Ok(name) = CStr::from_bytes_until_nul(rest) {
        rest = rest.get(name.to_bytes().len() + 1..).unwrap_or(&[]);
        let copied = sys::fgetxattr(source, name, &mut value)
            .and_then(|len| sys::fsetxattr(copy, name, value.get(..len).unwrap_or(&[])));
        if copied.is_err() && name.to_bytes().starts_with(b"system.") {
            return copied;
        }
    }
    Ok(())
}
