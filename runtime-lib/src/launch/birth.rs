//! Between a stage and the init it clones: what happens if one of them is killed just then.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};

use super::Child;
use super::packet::late;
use crate::error::{Error, Result};
use crate::signal::open_pidfd;
use crate::state::ProcStat;

/// Waits until the stage has said something or its end of the socket is closed (true), or it has
/// ended while an init that it has cloned keeps the socket open (false).
pub(super) fn is_told(
    control: &OwnedFd,
    stage: BorrowedFd<'_>,
    patience: Option<Duration>,
) -> Result<bool> {
    let failed = |e| Error::system("poll", "control socket", e);
    // A signal may have it begin anew.
    let limit = patience.map(PollTimeout::try_from);
    let limit = limit.map_or(PollTimeout::NONE, |limit| limit.unwrap_or(PollTimeout::MAX));
    loop {
        let [word, end] = [control.as_fd(), stage].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        let mut both = [word, end];
        match poll(&mut both, limit) {
            Err(Errno::EINTR) => {}
            Err(e) => return Err(failed(e)),
            Ok(0) => return Err(late()),
            Ok(_) if both.first().and_then(PollFd::any).unwrap_or(true) => return Ok(true),
            // Its last word may have come after poll had looked at the socket.
            Ok(_) => return Ok(has_packet(control)),
        }
    }
}

fn has_packet(control: &OwnedFd) -> bool {
    let peek = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(control.as_raw_fd(), &mut [0], peek) != Err(Errno::EAGAIN)
}

/// Kills and reaps what the stage has cloned but not told of. By CLONE_PARENT it is a child of this
/// very thread, and still in the session that the stage had made for itself.
pub(super) fn end_orphan(stage: i32) {
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    for pid in children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()) {
        let session = ProcStat::read(pid).ok().flatten().map(|stat| stat.session);
        if pid != stage && session == Some(stage) {
            let _killed_and_reaped = Child { pid, pidfd: open_pidfd(pid).ok() };
        }
    }
}
