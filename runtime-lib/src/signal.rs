//! Signals by number, realtime ones included, sent through pidfds.

#![allow(unsafe_code)]

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

/// A signal's number: 0 (which only asks whether the process is there) to 64.
///
/// The enumerations of nix and of std end at 31; images that run systemd want to be stopped by
/// SIGRTMIN+3, which is 37.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    /// SIGKILL.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// No signal: only asks whether the process is there.
    pub const PROBE: Self = Self(0);
    /// SIGTERM.
    pub const TERM: Self = Self(libc::SIGTERM);

    const LAST: i32 = 64;

    /// The number.
    pub fn number(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for Signal {
    type Error = i32;

    fn try_from(number: i32) -> Result<Self, i32> {
        if (0..=Self::LAST).contains(&number) { Ok(Self(number)) } else { Err(number) }
    }
}

impl From<nix::sys::signal::Signal> for Signal {
    fn from(signal: nix::sys::signal::Signal) -> Self {
        Self(signal as i32)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signal {}", self.0)
    }
}

/// A pidfd of any process.
pub(crate) fn open_pidfd(pid: i32) -> Result<OwnedFd, Errno> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let pid = Pid::from_raw(pid).ok_or(Errno::ESRCH)?;
    pidfd_open(pid, PidfdFlags::empty()).map_err(|e| Errno::from_raw(e.raw_os_error()))
}

/// pidfd_send_signal(2): cannot hit another process that got the same pid.
pub(crate) fn send(pidfd: BorrowedFd<'_>, signal: Signal) -> Result<(), Errno> {
    let (pidfd, number) = (pidfd.as_raw_fd(), signal.0);
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: takes numbers and a null pointer only; the descriptor is borrowed, hence open. nix has
    // no such call, rustix none that takes realtime signals.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, number, no_info, 0) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_at_64() {
        assert_eq!(Signal::try_from(37).map(Signal::number), Ok(37));
        assert_eq!(Signal::try_from(65), Err(65));
        assert_eq!(Signal::try_from(-1), Err(-1));
    }
}
