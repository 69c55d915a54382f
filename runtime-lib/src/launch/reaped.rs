//! How a child ended that somebody else has reaped: a thread of the program that loops over
//! waitpid(-1), or the kernel itself because the program ignores SIGCHLD. clone3 without an exit
//! signal does not prevent it, for every exec sets the signal to SIGCHLD (clone(2)).

#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Between the moment in which a child belongs to whoever reaps it and that in which it is gone.
const PATIENCE: Duration = Duration::from_secs(1);
const PIDFD_INFO_EXIT: u64 = 1 << 3;

/// struct pidfd_info of include/uapi/linux/pidfd.h, version 0.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

nix::ioctl_readwrite!(pidfd_get_info, 0xff, 11, PidfdInfo);

/// The status in the form of wait(2). `None` where the kernel does not keep it (before Linux 6.15).
pub(super) fn status(pidfd: BorrowedFd<'_>) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
        // SAFETY: the descriptor is open; the kernel fills in a structure whose size is part of the
        // request's number.
        match unsafe { pidfd_get_info(pidfd.as_raw_fd(), &raw mut info) } {
            Ok(_) if info.mask & PIDFD_INFO_EXIT != 0 => return Some(info.exit_code),
            Ok(_) | Err(Errno::EINTR) if Instant::now() < deadline => wait_until_gone(pidfd),
            _ => return None,
        }
    }
}

/// POLLHUP comes when it is reaped; the limit is for kernels that do not tell.
fn wait_until_gone(pidfd: BorrowedFd<'_>) {
    let _ = poll(&mut [PollFd::new(pidfd, PollFlags::empty())], PollTimeout::from(10u8));
}
