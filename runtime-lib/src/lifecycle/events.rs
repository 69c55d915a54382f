//! What happens in a container, and what it uses.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::start::record_of;
use super::{Container, init_pidfd};
use crate::cgroup::{Cgroup, OomWatch};
use crate::error::{Error, Result};
use crate::state::{Status, status};

/// One thing that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OomEvent {
    /// Memory ran out: on cgroup v2 a process was killed for it. v1 tells it before it kills, also if
    /// the OOM killer is disabled, and if it was a parent's limit that was hit. Several at about the
    /// same time are told as one.
    OutOfMemory,
    /// The container's init has ended. Nothing comes after it.
    Stopped,
}

/// Tells when a container runs out of memory. No thread and no signal is involved: it is one
/// descriptor ([`AsFd`], readable when [`OomEvents::next`] has something to look at), which may be
/// polled together with others. Dropping it ends it.
#[derive(Debug)]
pub struct OomEvents {
    epoll: Epoll,
    watch: OomWatch,
    init: OwnedFd,
}

impl OomEvents {
    /// Waits for the next event, at most this long (`None`: without an end). `Ok(None)`: nothing
    /// happened in that time; [`Duration::ZERO`] only looks.
    ///
    /// # Errors
    /// If the kernel's files cannot be read any more.
    pub fn next(&mut self, patience: Option<Duration>) -> Result<Option<OomEvent>> {
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        loop {
            // In this order: the init may have been killed for want of memory.
            let stopped = self.has_stopped()?;
            if self.watch.take()? {
                return Ok(Some(OomEvent::OutOfMemory));
            }
            if stopped {
                return Ok(Some(OomEvent::Stopped));
            }
            if !self.wait(deadline)? {
                return Ok(None);
            }
        }
    }

    fn has_stopped(&self) -> Result<bool> {
        match poll(&mut [PollFd::new(self.init.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(e) => Err(Error::system("poll", "the container's init", e)),
        }
    }

    /// False if the time is over. Signals do not end it.
    fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        loop {
            let timeout = match deadline {
                None => EpollTimeout::NONE,
                Some(deadline) => rounded_up(deadline.saturating_duration_since(Instant::now())),
            };
            match self.epoll.wait(&mut [EpollEvent::empty()], timeout) {
                Ok(0) if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    return Ok(false);
                }
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(true),
                Err(e) => return Err(Error::system("epoll_wait for", "events", e)),
            }
        }
    }
}

/// In milliseconds, never less than is left: no busy waiting at the end.
fn rounded_up(left: Duration) -> EpollTimeout {
    let milliseconds = left.as_nanos().div_ceil(1_000_000);
    i32::try_from(milliseconds).ok().and_then(|n| n.try_into().ok()).unwrap_or(EpollTimeout::MAX)
}

impl AsFd for OomEvents {
    /// An epoll descriptor.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl AsRawFd for OomEvents {
    /// Its number, which tokio's `AsyncFd` wants.
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.0.as_raw_fd()
    }
}

pub(super) fn oom_events(container: &Container) -> Result<OomEvents> {
    let record = record_of(&container.entry()?)?;
    let init = init_pidfd(&record)?.ok_or(Error::NotRunning)?;
    let watch = OomWatch::open(&record.cgroup)?;
    let failed = |e| Error::system("epoll for", "events", e);
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(failed)?;
    for fd in [watch.as_fd(), init.as_fd()] {
        epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, 0)).map_err(failed)?;
    }
    Ok(OomEvents { epoll, watch, init })
}

/// As runc, an error if there are processes and no cgroup to find them by.
pub(super) fn pids(container: &Container) -> Result<Vec<i32>> {
    let entry = container.entry()?;
    let record = record_of(&entry)?;
    if record.cgroup.is_empty() && status(&entry, Some(&record), None)? != Status::Stopped {
        let text = "unable to get all container pids: the container has no cgroup of its own";
        return Err(Error::WrongStatus(text.into()));
    }
    Cgroup::open(record.cgroup).pids()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_millisecond_is_waited_for() {
        let of = |left| rounded_up(left).as_millis();
        assert_eq!(of(Duration::ZERO), Some(0));
        assert_eq!(of(Duration::from_nanos(1)), Some(1));
        assert_eq!(of(Duration::from_millis(7)), Some(7));
        assert_eq!(of(Duration::MAX), Some(u32::try_from(i32::MAX).unwrap()));
    }

    proptest! {
        #[test]
        fn no_time_is_too_long(left in any::<Duration>()) {
            prop_assert!(rounded_up(left).is_some());
        }
    }
}
