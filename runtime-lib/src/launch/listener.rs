//! The listener of a seccomp filter, taken out of the process that has loaded it.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use rustix::process::{PidfdGetfdFlags, pidfd_getfd};

use super::errno;
use crate::error::{Error, Result};

/// What /proc says of one (kernel/seccomp.c, init_listener).
const KIND: &str = "anon_inode:seccomp notify";

/// The number came over a socket that is not to be trusted: what it stands for is looked at.
pub(super) fn take(process: BorrowedFd<'_>, number: u32) -> Result<OwnedFd> {
    let failed = |e| Error::system("pidfd_getfd of", "the seccomp listener", e);
    let number = i32::try_from(number).map_err(|_| failed(Errno::EBADF))?;
    let listener = pidfd_getfd(process, number, PidfdGetfdFlags::empty());
    let listener = listener.map_err(|e| failed(errno(e)))?;
    let link = format!("/proc/thread-self/fd/{}", listener.as_raw_fd());
    let kind = std::fs::read_link(&link).map_err(|e| Error::io("readlink", &link, &e))?;
    if kind.as_os_str() != KIND {
        return Err(failed(Errno::EBADF).with_hint("what the executor offered is no listener"));
    }
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn only_a_listener_is_taken() {
        let this = crate::signal::open_pidfd(i32::try_from(std::process::id()).unwrap()).unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let number = u32::try_from(file.as_raw_fd()).unwrap();
        let refused = take(this.as_fd(), number).unwrap_err().to_string();
        assert!(refused.contains("is no listener"), "{refused}");
        assert!(take(this.as_fd(), u32::MAX).is_err());
    }
}
