//! delete: ends what is left of a container and forgets it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use oci_spec::runtime::Spec;

use super::create::rdt_of;
use super::hooks::HookContext;
use super::places::places;
use super::start::{frozen_config, written_config};
use super::{Container, init_pidfd, status_name};
use crate::cgroup::{Cgroup, Layout};
use crate::error::{Error, Result};
use crate::plan::HookKind;
use crate::resctrl::Group;
use crate::signal::{self, Signal};
use crate::state::{Entry, Lock, Record, Status, find_init, status};

/// How long a killed init may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// In milliseconds, between two looks at one that does not become a zombie.
const GLANCE: u8 = 20;

pub(super) fn delete(container: &Container, force: bool) -> Result<()> {
    let entry = container.entry()?;
    let lock = match entry.lock() {
        // Somebody may wait for ever for a hook: with the container's processes it ends, too.
        Err(e) if force && e.errno() == Some(Errno::EWOULDBLOCK) => {
            // A damaged record is told, or mended, once the lock is there.
            if let Ok(Some(record)) = entry.read_record() {
                kill_processes(&record)?;
            }
            entry.lock()?
        }
        other => other?,
    };
    let record = match entry.read_record() {
        Ok(Some(record)) => record,
        // A create that was killed at its very beginning: there was no cgroup yet.
        Ok(None) => return entry.remove(),
        Err(Error::State { .. }) if force => return remove_damaged(container, entry),
        Err(e) => return Err(e),
    };
    check_status(&entry, &record, &lock, force)?;
    remove(container, entry, &record)
}

/// Ends what is left of it, and forgets it. The caller holds the lock.
pub(super) fn remove(container: &Container, entry: Entry, record: &Record) -> Result<()> {
    end(container, record)?;
    record.resctrl.as_ref().map_or(Ok(()), Group::remove)?;
    forget(container, entry, record)
}

/// Removes its state, and runs the hooks for that. The caller holds the lock; nothing else is left of it.
pub(super) fn forget(container: &Container, entry: Entry, record: &Record) -> Result<()> {
    let spec = if record.poststop { frozen_config(&entry, &record.rootfs).ok() } else { None };
    entry.remove()?;
    if let Some(spec) = spec {
        poststop(container, &spec, record);
    }
    Ok(())
}

/// The record cannot be read: the frozen config still tells which cgroup it was.
fn remove_damaged(container: &Container, entry: Entry) -> Result<()> {
    if let Ok(spec) = written_config(&entry) {
        let runtime = &container.runtime;
        let (layout, host) = (Layout::probe()?, runtime.host());
        let cgroup = Cgroup::open(places(runtime, &layout, &spec, container.id(), &host)?);
        cgroup.kill_all()?;
        stop_unit(container, &cgroup);
        cgroup.remove()?;
        if rdt_of(&spec).is_some() {
            let text = "cleaning up: whether a resctrl group was made for it is not known any more";
            runtime.warn(text);
        }
    }
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

/// Kills the init, then all that its cgroup still holds, and removes the cgroup. A pid namespace of
/// the container's own has died with its init; otherwise processes may be left.
fn end(container: &Container, record: &Record) -> Result<()> {
    let cgroup = Cgroup::open(record.cgroup.clone());
    // Without a pid there was no more than an executor, which ends when its runtime does; and the
    // cgroup may not have been checked yet to be nobody else's.
    if record.pid == 0 {
        cgroup.remove()?;
        return cgroup.forget_unit();
    }
    let init = kill_init(record)?;
    if init.is_some() || record.shares_pids() || cgroup.remove_if_empty().is_err() {
        cgroup.kill_all()?;
        init.map_or(Ok(()), |init| wait_gone(record, &cgroup, init.as_fd()))?;
        stop_unit(container, &cgroup);
        return cgroup.remove();
    }
    stop_unit(container, &cgroup);
    Ok(())
}

/// A unit without processes ends by itself, only later: a systemd that does not answer keeps no
/// container from being deleted.
pub(super) fn stop_unit(container: &Container, cgroup: &Cgroup) {
    if let Err(e) = cgroup.stop_unit() {
        container.runtime.warn(&format!("cleaning up: {e}"));
    }
}

fn kill_init(record: &Record) -> Result<Option<OwnedFd>> {
    let init = init_pidfd(record)?;
    if let Some(init) = &init {
        let _ = signal::send(init.as_fd(), Signal::KILL);
    }
    Ok(init)
}

fn kill_processes(record: &Record) -> Result<()> {
    kill_init(record)?;
    if record.pid > 0 { Cgroup::open(record.cgroup.clone()).kill_all() } else { Ok(()) }
}

/// A zombie that its parent has not reaped yet counts as gone, and so does what only waits for
/// others to be reaped: the caller itself may be the one to do that, after this.
fn wait_gone(record: &Record, cgroup: &Cgroup, init: BorrowedFd<'_>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match poll(&mut [PollFd::new(init, PollFlags::POLLIN)], GLANCE) {
            Err(nix::errno::Errno::EINTR) => {}
            Ok(0) if find_init(record)?.is_none() => return Ok(()),
            Ok(0) if cgroup.is_kept_by_frozen_ancestor()? => {
                let text = "container init still running: a parent of its cgroup is frozen";
                return Err(Error::WrongStatus(text.into()));
            }
            Ok(0) if Instant::now() < deadline => {}
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
fn poststop(container: &Container, spec: &Spec, record: &Record) {
    let host = container.runtime.host();
    let hooks = HookContext { spec, record, host: &host, init: None, filter: None };
    for failed in hooks.run_all(HookKind::Poststop) {
        container.runtime.warn(&failed.to_string());
    }
}
