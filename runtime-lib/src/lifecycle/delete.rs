//! delete: ends what is left of a container and forgets it.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::hooks::HookContext;
use super::start::frozen_config;
use super::{Container, init_pidfd, status_name};
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::launch::send_signal;
use crate::plan::HookKind;
use crate::state::{Entry, Lock, Record, Status, status};

/// How long a killed init may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn delete(container: &Container, force: bool) -> Result<()> {
    let entry = container.entry()?;
    let lock = entry.lock()?;
    let Some(record) = entry.read_record()? else {
        // A create that was killed at its very beginning: there was no cgroup yet.
        return entry.remove();
    };
    check_status(&entry, &record, &lock, force)?;
    end(&record)?;
    Cgroup::open(record.cgroup.clone()).remove()?;
    poststop(container, &entry, &record);
    entry.remove()
}

/// Without force only what does not run: stopped, or created and thus without a user's program.
fn check_status(entry: &Entry, record: &Record, lock: &Lock, force: bool) -> Result<()> {
    match status(entry, Some(record), Some(lock))? {
        Status::Stopped | Status::Created => Ok(()),
        _ if force => Ok(()),
        other => {
            let (id, status) = (&record.id, status_name(other));
            let text = format!("cannot delete container {id} that is not stopped: {status}");
            Err(Error::WrongStatus(text))
        }
    }
}

/// Kills the init, then all that its cgroup still holds: a container without its own pid namespace
/// does not die with its init, and a create that was killed may have left a process behind.
fn end(record: &Record) -> Result<()> {
    let init = init_pidfd(record)?;
    if let Some(init) = &init {
        let _ = send_signal(init.as_fd(), Signal::SIGKILL);
    }
    if !record.cgroup.is_empty() {
        Cgroup::open(record.cgroup.clone()).kill_all(Signal::SIGKILL)?;
    }
    init.map_or(Ok(()), |init| wait_gone(init.as_fd()))
}

/// A zombie that its parent has not reaped yet counts as gone.
fn wait_gone(init: BorrowedFd<'_>) -> Result<()> {
    let patience = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut [PollFd::new(init, PollFlags::POLLIN)], patience) {
            Err(nix::errno::Errno::EINTR) => {}
            Ok(0) => {
                let text = "container init still running 10 seconds after SIGKILL";
                return Err(Error::WrongStatus(text.into()));
            }
            Ok(_) => return Ok(()),
            Err(e) => return Err(Error::system("poll", "the container's init", e)),
        }
    }
}

/// Failures only warn: the container is gone, and the other hooks have to run (config.md, "POSIX-
/// platform Hooks", poststop).
fn poststop(container: &Container, entry: &Entry, record: &Record) {
    let Ok(spec) = frozen_config(entry) else { return };
    let host = container.runtime.host();
    let hooks = HookContext { spec: &spec, record, host: &host, init: None };
    for failed in hooks.run_all(HookKind::Poststop) {
        container.runtime.warn(&failed.to_string());
    }
}
