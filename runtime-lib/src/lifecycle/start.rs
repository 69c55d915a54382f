//! start: lets the waiting executor go.

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use oci_spec::runtime::Spec;

use super::hooks::HookContext;
use super::kill::kill_init;
use super::{Container, Readiness, files, init_pidfd, limits, notify, status_name};
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::launch::{died_as_executor, start_failure};
use crate::plan::HookKind;
use crate::seccomp::Filter;
use crate::signal::Signal;
use crate::spec::inside;
use crate::state::{Entry, Record, Status, StoredFilter, status};

/// `listen`: be told of its readiness, if it has a way to say it.
pub(super) fn start(container: &Container, listen: bool) -> Result<Option<Readiness>> {
    let entry = container.entry()?;
    let lock = entry.lock()?;
    let record = entry.read_record()?.ok_or(Error::NotFound)?;
    let status = status(&entry, Some(&record), Some(&lock))?;
    if status != Status::Created {
        return Err(Error::WrongStatus(match status {
            Status::Stopped => "cannot start a container that has stopped".into(),
            Status::Running => "cannot start an already running container".into(),
            other => format!("cannot start a container in the {} state", status_name(other)),
        }));
    }
    let init = init_pidfd(&record)?.ok_or(Error::NotRunning)?;
    let socket = if listen { notify::listen(&entry)? } else { None };
    let spec = frozen_config(&entry, &record.rootfs)?;
    let host = container.runtime.host_for(&spec, spec.process().as_ref());
    let filter = filter_of(&entry, &record)?;
    let (told, filter) = (Some((record.pid, init.as_fd())), filter.as_ref());
    let hooks = HookContext { spec: &spec, record: &record, host: &host, init: told, filter };
    // A failing hook stops the container (runtime.md, lifecycle steps 7 and 9).
    let stop = |e| {
        let _ = kill_init(&record, Signal::KILL);
        e
    };
    hooks.run(HookKind::StartContainer).map_err(stop)?;
    release(&entry, &spec, record.pid)
        // It has been let go, and may still get to its program after this has failed.
        .map_err(|e| if e.errno() == Some(Errno::ETIMEDOUT) { stop(e) } else { e })
        .map_err(|e| limits::explain_death(e, &Cgroup::open(record.cgroup.clone())))?;
    hooks.run(HookKind::Poststart).map_err(stop)?;
    Ok(socket.map(|socket| Readiness::new(socket, init, record.pid)))
}

/// What the executor says, if anything, is the errno of its exec.
fn release(entry: &Entry, spec: &Spec, pid: i32) -> Result<()> {
    let failure = start_failure(&files::release(entry)?);
    files::remove_start_fifo(entry)?;
    let Some(errno) = failure else {
        // Without a process it ends as it is meant to.
        return if spec.process().is_some() && died_as_executor(pid)? {
            Err(Error::ExecutorDied("was killed before it could run its program".into()))
        } else {
            Ok(())
        };
    };
    let args = spec.process().as_ref().and_then(|process| process.args().as_ref());
    let program = args.and_then(|args| args.first()).cloned().unwrap_or_default();
    Err(crate::plan::exec_refused(&program, Errno::from_raw(errno), true))
}

/// The config as it was at create, and was understood then.
pub(super) fn frozen_config(entry: &Entry, rootfs: &Path) -> Result<Spec> {
    let mut spec = written_config(entry)?;
    inside(rootfs, &mut spec);
    Ok(spec)
}

/// The same for where nothing tells what it was understood as.
pub(super) fn written_config(entry: &Entry) -> Result<Spec> {
    let file = entry.path().join("config.json");
    let raw = entry
        .read_config()?
        .ok_or_else(|| Error::State { file: file.clone(), problem: "is missing".into() })?;
    crate::spec::parse(&raw, &file)
}

/// The filter that was made at create.
pub(super) fn filter_of(entry: &Entry, record: &Record) -> Result<Option<Filter>> {
    let read =
        |stored: &StoredFilter| Ok(Filter::from_bytes(&entry.read_filter(stored)?, stored.flags));
    record.filter.as_ref().map(read).transpose()
}

/// Used by `exec` and `delete` as well.
pub(super) fn record_of(entry: &Entry) -> Result<Record> {
    entry.read_record()?.ok_or(Error::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Store;

    #[test]
    fn destinations_on_the_host_are_understood_as_at_create() {
        let root = tempfile::tempdir().unwrap();
        let (entry, _lock) = Store::new(root.path()).create(&"c1".parse().unwrap()).unwrap();
        let mounts = r#"[{"destination": "/b/rootfs/data"}, {"destination": "/b/other"}]"#;
        let config = format!(r#"{{"ociVersion": "1.2.0", "mounts": {mounts}}}"#);
        entry.write_config(config.as_bytes()).unwrap();
        let spec = frozen_config(&entry, Path::new("/b/rootfs")).unwrap();
        let places = spec.mounts().iter().flatten().map(|mount| mount.destination());
        assert_eq!(places.collect::<Vec<_>>(), [Path::new("/data"), Path::new("/b/other")]);
    }
}
