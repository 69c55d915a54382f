//! gc: finds what killed runs, reboots and engines that are gone have left, and removes it.
//!
//! Nothing is killed here, and nothing is concluded from a name alone: a directory without a record has
//! to carry the mark of its making, one with a record must hold nothing but what teu writes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::delete;
use super::{Container, Runtime};
use crate::cgroup::{Cgroup, Paths};
use crate::error::{Error, Result};
use crate::id::ContainerId;
use crate::resctrl::Group;
use crate::state::{Entry, Lock, Record, StaleFilter, Status, Store, status};

/// A directory without a record may be a create's that has just begun.
const BEGINNING: Duration = Duration::from_secs(60);

/// What [`Runtime::garbage`] shall take for garbage.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GcOptions {
    /// Also stopped containers whose bundle is still there. Their engine may yet want to delete them.
    pub stopped: bool,
    /// Only what teu has not written to for that long; the default is an hour. What is left of an earlier
    /// boot is garbage at any age.
    pub older_than: Duration,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self { stopped: false, older_than: Duration::from_secs(3600) }
    }
}

/// What kind of thing is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum GarbageKind {
    /// A stopped container: its state and its cgroups, unit and resctrl group.
    Container,
    /// A state directory of a create that was killed before it had written what it is to become.
    Beginning,
    /// A file of the cache of compiled seccomp filters.
    Filter,
}

impl fmt::Display for GarbageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::Beginning => "beginning",
            Self::Filter => "filter",
        })
    }
}

/// One thing that nobody needs any more.
#[derive(Debug, Clone, Serialize)]
pub struct Garbage {
    /// What it is.
    pub kind: GarbageKind,
    /// The container's id, or the file's name.
    pub name: String,
    /// The directory or file.
    pub path: PathBuf,
    /// Why it is garbage, in words.
    pub reason: &'static str,
    /// Seconds since teu last wrote to it.
    #[serde(serialize_with = "seconds")]
    pub age: Duration,
    #[serde(skip)]
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Entry(Container, Arc<Terms>),
    Filter(Store, StaleFilter),
}

/// What one look at the whole root has shown.
#[derive(Debug)]
struct Terms {
    options: GcOptions,
    /// Cgroups of containers that are not garbage.
    used: Vec<(ContainerId, Paths)>,
}

fn seconds<S: serde::Serializer>(age: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(age.as_secs())
}

/// Why an entry is garbage.
struct Verdict {
    kind: GarbageKind,
    reason: &'static str,
    age: Duration,
    /// None: it has not got that far.
    record: Option<Record>,
    #[allow(dead_code, reason = "held while the verdict is carried out")]
    lock: Lock,
}

pub(super) fn garbage(runtime: &Runtime, options: &GcOptions) -> Result<Vec<Garbage>> {
    let store = runtime.store();
    let ids = store.ids()?;
    let used = ids.iter().filter_map(|id| used_by(&store, id)).collect();
    let terms = Arc::new(Terms { options: options.clone(), used });
    let mut found = Vec::new();
    for id in ids {
        let container = runtime.known(&id);
        let Some(verdict) = look(&container, &terms) else { continue };
        found.push(Garbage {
            kind: verdict.kind,
            name: id.to_string(),
            path: store.path_of(&id)?,
            reason: verdict.reason,
            age: verdict.age,
            what: What::Entry(container, terms.clone()),
        });
    }
    let stale = store.filter_cache().map(|cache| cache.stale()).unwrap_or_default();
    found.extend(stale.into_iter().map(|filter| Garbage {
        kind: GarbageKind::Filter,
        name: filter.name.clone(),
        path: filter.path.clone(),
        reason: filter.why,
        age: filter.age,
        what: What::Filter(store.clone(), filter),
    }));
    Ok(found)
}

impl Garbage {
    /// Removes it, if it still is garbage; false if it is not, or not there. Of a container the poststop
    /// hooks run, as after any delete.
    ///
    /// # Errors
    /// If something of it cannot be removed: what is left is found again.
    pub fn remove(&self) -> Result<bool> {
        match &self.what {
            What::Entry(container, terms) => remove_entry(container, terms),
            What::Filter(store, filter) => match store.filter_cache() {
                Some(cache) => cache
                    .remove(filter)
                    .map_err(|e| Error::system("unlink", filter.path.display(), e)),
                None => Ok(false),
            },
        }
    }
}

/// The cgroups of one that may be alive.
fn used_by(store: &Store, id: &ContainerId) -> Option<(ContainerId, Paths)> {
    let entry = store.open(id).ok()?;
    let record = entry.read_record().ok()??;
    let stopped = status(&entry, Some(&record), None).is_ok_and(|status| status == Status::Stopped);
    (!stopped).then(|| (id.clone(), record.cgroup))
}

/// What cannot be judged is no garbage; where that is strange, it is told.
fn look(container: &Container, terms: &Terms) -> Option<Verdict> {
    let judged = container.entry().and_then(|entry| judge(&entry, container, terms));
    judged.unwrap_or_else(|e| {
        if !matches!(e, Error::NotFound) {
            container.runtime.warn(&format!("gc leaves {} alone: {e}", container.id));
        }
        None
    })
}

fn judge(entry: &Entry, container: &Container, terms: &Terms) -> Result<Option<Verdict>> {
    // Somebody is at work on it.
    let Some(lock) = entry.lock_if_free()? else { return Ok(None) };
    let age = entry.age()?;
    let Some(record) = entry.read_record()? else {
        let old = age >= terms.options.older_than.max(BEGINNING);
        let garbage = old && entry.is_marked()? && entry.foreign_name()?.is_none();
        let (kind, reason) = (GarbageKind::Beginning, "its create was killed");
        return Ok(garbage.then_some(Verdict { kind, reason, age, record: None, lock }));
    };
    let stopped = status(entry, Some(&record), Some(&lock))? == Status::Stopped;
    if record.id != container.id.as_str() || !stopped {
        return Ok(None);
    }
    let Some(reason) = reason(&record, age, &terms.options) else { return Ok(None) };
    if let Some(name) = entry.foreign_name()? {
        let problem = format!("holds {name}, which is not teu's");
        return Err(Error::State { file: entry.path().to_owned(), problem });
    }
    let free = record.origin.is_earlier_boot() || is_free(&record, container, terms)?;
    let kind = GarbageKind::Container;
    Ok(free.then_some(Verdict { kind, reason, age, record: Some(record), lock }))
}

fn reason(record: &Record, age: Duration, options: &GcOptions) -> Option<&'static str> {
    if record.origin.is_earlier_boot() {
        return Some("the host has booted since");
    }
    // In its own it may well run.
    if record.origin.is_other_pid_namespace() || age < options.older_than {
        return None;
    }
    if record.pid == 0 {
        Some("its create was killed")
    } else if is_missing(&record.bundle) {
        Some("its bundle is gone")
    } else {
        options.stopped.then_some("stopped")
    }
}

fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
}

/// Nobody is in its cgroups, and no other container has them for its own.
fn is_free(record: &Record, container: &Container, terms: &Terms) -> Result<bool> {
    let dirs = |paths: &Paths| paths.places().map(|place| place.dir.clone()).collect::<Vec<_>>();
    let own = dirs(&record.cgroup);
    let shared =
        terms.used.iter().filter(|(id, _)| *id != container.id).any(|(_, paths)| {
            dirs(paths).iter().any(|dir| own.iter().any(|own| dir.starts_with(own)))
        });
    Ok(!shared && Cgroup::open(record.cgroup.clone()).pids()?.is_empty())
}

fn remove_entry(container: &Container, terms: &Terms) -> Result<bool> {
    let entry = match container.entry() {
        Err(Error::NotFound) => return Ok(false),
        other => other?,
    };
    let Some(verdict) = judge(&entry, container, terms)? else { return Ok(false) };
    let Some(record) = &verdict.record else { return entry.remove().map(|()| true) };
    if !record.origin.is_earlier_boot() {
        remove_groups(container, record)?;
    }
    delete::forget(container, entry, record).map(|()| true)
}

/// Unlike `delete`, without signals: a cgroup that someone has entered since cannot be removed.
fn remove_groups(container: &Container, record: &Record) -> Result<()> {
    let cgroup = Cgroup::open(record.cgroup.clone());
    if record.pid == 0 {
        // Not yet looked at by its create: another's, if anything is in it.
        cgroup
            .remove_if_empty()
            .map_err(|e| Error::system("rmdir", "the container's cgroup", e))?;
        cgroup.forget_unit()?;
    } else {
        delete::stop_unit(container, &cgroup);
        cgroup.remove()?;
    }
    record.resctrl.as_ref().map_or(Ok(()), Group::remove)
}
