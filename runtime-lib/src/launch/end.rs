//! Waiting for children.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::{errno, reaped};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With this status.
    Exited(i32),
    /// By this signal, which may be a realtime one.
    Killed(i32),
}

impl End {
    /// From the form of wait(2).
    fn of_status(status: i32) -> Self {
        match status & 0x7f {
            0 => Self::Exited(status >> 8 & 0xff),
            signal => Self::Killed(signal),
        }
    }
}

/// Waits for a child of ours and reaps it.
pub(crate) fn wait_for(pidfd: BorrowedFd<'_>) -> Result<End, Errno> {
    wait_with(pidfd, WaitIdOptions::EXITED)
}

/// The same, but leaves it to be reaped later.
pub(crate) fn wait_and_leave(pidfd: BorrowedFd<'_>) -> Result<End, Errno> {
    wait_with(pidfd, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
}

/// __WALL: until its exec a child has no exit signal, and waitid passes over such.
fn wait_with(pidfd: BorrowedFd<'_>, options: WaitIdOptions) -> Result<End, Errno> {
    let wall = WaitIdOptions::from_bits_retain(libc::__WALL.cast_unsigned());
    loop {
        match waitid(WaitId::PidFd(pidfd), options | wall) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CHILD) | Ok(None) => {
                return reaped::status(pidfd).map(End::of_status).ok_or(Errno::ECHILD);
            }
            Err(e) => return Err(errno(e)),
            Ok(Some(status)) => {
                let killed = status.terminating_signal().map(End::Killed);
                return Ok(killed.unwrap_or(End::Exited(status.exit_status().unwrap_or(0))));
            }
        }
    }
}

/// Whether the process is a child of ours, alive or not reaped yet.
pub(super) fn is_child(pidfd: BorrowedFd<'_>) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let wall = WaitIdOptions::from_bits_retain(libc::__WALL.cast_unsigned());
    waitid(WaitId::PidFd(pidfd), look | wall).is_ok()
}

/// Reaps a child that has been killed. One that is frozen, or in the middle of what cannot be interrupted, ends only
/// after that: it is left to be reaped by whoever is its parent then.
pub(super) fn reap_killed(pidfd: BorrowedFd<'_>) {
    const PATIENCE: Duration = Duration::from_secs(10);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let limit = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pidfd, PollFlags::POLLIN)], limit) {
            Err(Errno::EINTR) if !left.is_zero() => {}
            Ok(1..) => return reap(pidfd),
            _ => return,
        }
    }
}

/// Reaps a child whose end is known or of no interest.
pub(super) fn reap(pidfd: BorrowedFd<'_>) {
    let _ = wait_for(pidfd);
}
