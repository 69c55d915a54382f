//! kill, pause, resume: what is done to running processes.

use std::os::fd::AsFd;

use nix::errno::Errno;

use super::start::record_of;
use super::{Container, KillTarget, init_pidfd};
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::signal::{self, Signal};
use crate::state::{Record, Status, status};

pub(super) fn kill(container: &Container, signal: Signal, target: KillTarget) -> Result<()> {
    let entry = container.entry()?;
    let record = record_of(&entry)?;
    let signal = if deadly(signal) && status(&entry, Some(&record), None)? == Status::Created {
        Signal::KILL
    } else {
        signal
    };
    match target {
        KillTarget::Init => kill_init(&record, signal),
        KillTarget::All if record.cgroup.is_empty() => kill_init(&record, signal),
        KillTarget::All if signal == Signal::KILL => Cgroup::open(record.cgroup).kill_all(),
        KillTarget::All => {
            // A signal does not wait for whoever has the lock: `start` has it during its hooks.
            let lock = entry.lock_if_free()?;
            Cgroup::open(record.cgroup).signal_all(signal, lock.is_some())
        }
    }
}

/// Whether the signal ends a process that has not arranged otherwise. The executor of a created
/// container has not, but as the init of a pid namespace it would not even notice (pid_namespaces(7)).
fn deadly(signal: Signal) -> bool {
    const HARMLESS: [i32; 9] = [
        0,
        libc::SIGCHLD,
        libc::SIGCONT,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGURG,
        libc::SIGWINCH,
    ];
    !HARMLESS.contains(&signal.number())
}

pub(super) fn kill_init(record: &Record, signal: Signal) -> Result<()> {
    let init = init_pidfd(record)?;
    // Without a pid namespace of its own, the other processes would outlive their init, or have.
    if signal == Signal::KILL && record.shares_pids() && !record.cgroup.is_empty() {
        let cgroup = Cgroup::open(record.cgroup.clone());
        let any = init.is_some() || cgroup.pids().is_ok_and(|pids| !pids.is_empty());
        return if any { cgroup.kill_all() } else { Err(Error::NotRunning) };
    }
    let init = init.ok_or(Error::NotRunning)?;
    signal::send(init.as_fd(), signal).map_err(|e| match e {
        Errno::ESRCH => Error::NotRunning,
        e => Error::system("pidfd_send_signal", record.pid, e),
    })?;
    // A frozen process of cgroup v1 dies only once it is thawed.
    if signal == Signal::KILL && record.cgroup.is_frozen()? {
        Cgroup::open(record.cgroup.clone()).thaw()?;
    }
    Ok(())
}

pub(super) fn pause(container: &Container) -> Result<()> {
    let entry = container.entry()?;
    let lock = entry.lock()?;
    let record = record_of(&entry)?;
    match status(&entry, Some(&record), Some(&lock))? {
        Status::Running | Status::Created => Cgroup::open(record.cgroup).freeze(),
        _ => Err(Error::NotRunning),
    }
}

pub(super) fn resume(container: &Container) -> Result<()> {
    let entry = container.entry()?;
    let lock = entry.lock()?;
    let record = record_of(&entry)?;
    match status(&entry, Some(&record), Some(&lock))? {
        Status::Paused => Cgroup::open(record.cgroup).thaw(),
        _ => Err(Error::WrongStatus("container not paused".into())),
    }
}
