//! What only the runtime has the power to do for a mount of a container with a user namespace.

#![allow(unsafe_code)]

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use super::packet::Packet;
use crate::error::{Error, Result};
use crate::plan::op::Slot;
use crate::plan::{MountSource, Plan, RuntimeStep, id_map_failure};

/// Those of the executor's descriptors that mounts will have their ids mapped by.
pub(super) fn kept(plan: &Plan, fds: Vec<(Slot, OwnedFd)>) -> Vec<(Slot, OwnedFd)> {
    let wanted = |slot: Slot| {
        let maps = |step: &RuntimeStep| matches!(step, RuntimeStep::MapIds { userns, .. } if *userns == slot);
        plan.runtime.iter().any(maps)
    };
    fds.into_iter().filter(|(slot, _)| wanted(*slot)).collect()
}

/// Answers the executor's question for a source: an errno, or 0 and a descriptor.
pub(super) fn send_source(
    control: &OwnedFd,
    sources: &[MountSource],
    question: &Packet,
) -> Result<()> {
    let asked = usize::try_from(question.record.aux).ok().and_then(|number| sources.get(number));
    let (Some(source), Some(root)) = (asked, &question.descriptor) else {
        return Err(Error::ExecutorDied("asked for a source that is not there".into()));
    };
    let opened = open_source(root.as_fd(), source);
    let number = opened.as_ref().map_or_else(|e| *e as i32, |_| 0).to_ne_bytes();
    let descriptors: Vec<_> = opened.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let rights = if descriptors.is_empty() { &[] } else { rights.as_slice() };
    let (control, parts) = (control.as_raw_fd(), [IoSlice::new(&number)]);
    loop {
        match sendmsg::<()>(control, &parts, rights, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            // It is gone: what is received next tells why.
            Ok(_) | Err(Errno::EPIPE | Errno::ECONNRESET) => return Ok(()),
            Err(e) => return Err(Error::system("sendmsg to", "control socket", e)),
        }
    }
}

/// The root is that of the container's mount namespace, before the switch: links mean there what they
/// mean on the host, but those of procfs would leave the namespace.
fn open_source(root: BorrowedFd<'_>, source: &MountSource) -> nix::Result<OwnedFd> {
    let nofollow = if source.nofollow { OFlag::O_NOFOLLOW } else { OFlag::empty() };
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC | nofollow).resolve(resolve);
    for _ in 0..128 {
        match openat2(root, &source.path, how) {
            Err(Errno::EAGAIN | Errno::EINTR) => {} // a rename, mount or signal got in the way
            other => return other,
        }
    }
    Err(Errno::EAGAIN)
}

/// MOUNT_ATTR_IDMAP, for which the kernel wants power over the mount's filesystem.
pub(super) fn map_ids(
    mount: BorrowedFd<'_>,
    userns: BorrowedFd<'_>,
    recursive: bool,
    origin: &str,
) -> Result<()> {
    const AT_EMPTY_PATH: i32 = libc::AT_EMPTY_PATH;
    let attr = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::from(userns.as_raw_fd().cast_unsigned()),
    };
    let flags = if recursive { AT_EMPTY_PATH | libc::AT_RECURSIVE } else { AT_EMPTY_PATH };
    let (mount, size) = (mount.as_raw_fd(), size_of_val(&attr));
    // SAFETY: the string and the struct, of the size that the kernel is told, are only read.
    let result = unsafe {
        let path = c"".as_ptr();
        libc::syscall(libc::SYS_mount_setattr, mount, path, flags, &raw const attr, size)
    };
    Errno::result(result).map(drop).map_err(|errno| id_map_failure(origin, errno))
}

#[cfg(test)]
mod tests {
    use std::fs::{File, create_dir, write};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn sources_are_those_below_the_root() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        create_dir(at("a")).unwrap();
        write(at("a/file"), "").unwrap();
        symlink("/a/file", at("link")).unwrap();
        symlink("../../../../a", at("up")).unwrap();
        symlink("/proc/self/root", at("magic")).unwrap();
        let root = File::open(dir.path()).unwrap();
        let open = |path: &str, nofollow| {
            let opened = open_source(root.as_fd(), &MountSource { path: path.into(), nofollow });
            opened
                .map(|fd| std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap())
        };
        assert_eq!(open("/link", false), Ok(at("a/file")));
        assert_eq!(open("/link", true), Ok(at("link")));
        assert_eq!(open("/up/file", false), Ok(at("a/file")));
        assert_eq!(open("/b", false), Err(Errno::ENOENT));
        assert_eq!(open("/magic", false), Err(Errno::ENOENT));
        let host = File::open("/").unwrap();
        let link = MountSource { path: "/proc/self/root".into(), nofollow: false };
        assert_eq!(open_source(host.as_fd(), &link).unwrap_err(), Errno::ELOOP);
    }
}
