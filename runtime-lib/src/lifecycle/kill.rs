//! kill: signals to the init or to everything in the cgroup.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::start::record_of;
use super::{Container, KillTarget, init_pidfd};
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::launch::send_signal;
use crate::state::Record;

pub(super) fn kill(container: &Container, signal: Signal, target: KillTarget) -> Result<()> {
    let record = record_of(&container.entry()?)?;
    match target {
        KillTarget::Init => kill_init(&record, signal),
        KillTarget::All if record.cgroup.is_empty() => kill_init(&record, signal),
        KillTarget::All => Cgroup::open(record.cgroup).kill_all(signal),
    }
}

fn kill_init(record: &Record, signal: Signal) -> Result<()> {
    let init = init_pidfd(record)?.ok_or(Error::NotRunning)?;
    send_signal(init.as_fd(), signal).map_err(|e| match e {
        Errno::ESRCH => Error::NotRunning,
        e => Error::system("pidfd_send_signal", record.pid, e),
    })?;
    // A frozen process of cgroup v1 dies only once it is thawed.
    if signal == Signal::SIGKILL && record.cgroup.is_frozen()? {
        Cgroup::open(record.cgroup.clone()).thaw()?;
    }
    Ok(())
}
