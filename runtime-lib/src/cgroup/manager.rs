//! A container's cgroup: made, joined, asked, frozen, killed, removed.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::signal::Signal;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode as FileMode;
use nix::unistd::{getpid, mkdir};

use super::freezer::{self, Freeze};
use super::inherit::{enable_controllers, inherit_cpuset};
use super::layout::Mode;
use super::paths::{Paths, Place};
use super::remove::{Made, remove_dirs, remove_empty, remove_made};
use super::{kill, oom, systemd, tree};
use crate::error::{Error, Result};

const FREEZE_PATIENCE: Duration = Duration::from_secs(10);
const LIST_PATIENCE: Duration = Duration::from_secs(2);

/// Where a process joins a v1 hierarchy.
#[derive(Debug)]
pub(crate) struct TasksFile {
    pub(crate) path: PathBuf,
    /// The container can do without it.
    pub(crate) dispensable: bool,
    /// Processes in it are counted, and can be limited in number.
    pub(crate) counted: bool,
}

/// A container's directories in all hierarchies.
#[derive(Debug)]
pub(crate) struct Cgroup {
    pub(super) paths: Paths,
    made: Vec<Made>,
    /// systemd has made it.
    pub(super) unit_started: bool,
}

/// The words are runc's.
const MKDIR: &str = "unable to apply cgroup configuration: mkdir";

impl Cgroup {
    /// The cgroup of a container that exists.
    pub(crate) fn open(paths: Paths) -> Self {
        Self { paths, made: Vec::new(), unit_started: false }
    }

    /// Makes what is missing. A cgroup that exists must be empty and not frozen. On failure
    /// nothing that was made is left. That of a unit is made by [`Cgroup::start_unit`].
    pub(crate) fn create(wanted: Paths) -> Result<Self> {
        if wanted.unit.is_some() {
            return Self::of_future_unit(wanted);
        }
        let Paths { v1, unified, .. } = wanted;
        let mut cgroup = Self::open(Paths { v1: Vec::new(), unified: None, ..wanted });
        match cgroup.make_all(v1, unified) {
            Ok(()) => Ok(cgroup),
            Err(e) => {
                let _ = cgroup.undo();
                Err(e)
            }
        }
    }

    /// Where it is. After `create` without what permissions forbade.
    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Whether `create` made all of it: nothing in it is limited yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.made.iter().filter(|made| made.leaf).count() == self.paths.places().count()
    }

    fn make_all(&mut self, v1: Vec<Place>, unified: Option<Place>) -> Result<()> {
        for place in v1 {
            if self.make_or_skip(&place)? {
                self.paths.v1.push(place);
            }
        }
        if let Some(place) = unified
            && self.make_or_skip(&place)?
        {
            self.paths.unified = Some(place);
        }
        refuse_frozen(&self.paths)
    }

    /// False if it may not be made and the container can do without.
    fn make_or_skip(&mut self, place: &Place) -> Result<bool> {
        let before = self.made.len();
        match self.make(place) {
            Ok(()) => Ok(true),
            Err(e) if is_denied(&e) && self.can_do_without(place) => {
                let _ = remove_made(self.made.split_off(before));
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    /// Besides what rootless containers do without, hierarchies that limit nothing, as in runc.
    fn can_do_without(&self, place: &Place) -> bool {
        let companion = place.controllers.is_empty() && self.paths.mode == Mode::V1;
        self.paths.best_effort || companion || place.is_systemd()
    }

    /// One that systemd has not made for the container's unit.
    pub(super) fn make_beside_unit(&mut self, place: &Place) -> Result<()> {
        let fresh = self.make_dir(place)?;
        if place.has("cpuset") { inherit_cpuset(place, fresh) } else { Ok(()) }
    }

    fn make(&mut self, place: &Place) -> Result<()> {
        let fresh = self.make_dir(place)?;
        if place.has("cpuset") {
            inherit_cpuset(place, fresh)?;
        }
        if place.controllers.is_empty() && self.paths.mode == Mode::V2 {
            enable_controllers(place)?;
        }
        if fresh { Ok(()) } else { refuse_populated(place) }
    }

    /// True if the directory was not there. The usual case is one system call.
    fn make_dir(&mut self, place: &Place) -> Result<bool> {
        let made = match make_one(&place.dir) {
            Err(Errno::ENOENT) => {
                self.make_parents(place)?;
                make_one(&place.dir)
            }
            other => other,
        };
        let fresh = made.map_err(|e| Error::system(MKDIR, place.dir.display(), e))?;
        if fresh {
            self.made.push(Made { dir: place.dir.clone(), leaf: true });
        }
        Ok(fresh)
    }

    fn make_parents(&mut self, place: &Place) -> Result<()> {
        for dir in place.parents() {
            let fresh = make_one(dir).map_err(|e| Error::system(MKDIR, dir.display(), e))?;
            if fresh {
                self.made.push(Made { dir: dir.to_owned(), leaf: false });
            }
        }
        Ok(())
    }

    /// Removes what [`Cgroup::create`] made, with the sub-cgroups a container made in it; not what
    /// was there before, nor parents that others use by now.
    ///
    /// # Errors
    /// If something of it is still in use.
    pub(crate) fn undo(&mut self) -> Result<()> {
        if self.unit_started
            && let Some(unit) = &self.paths.unit
        {
            systemd::try_stop(unit);
        }
        remove_made(std::mem::take(&mut self.made))
    }

    /// The `tasks` file of every v1 hierarchy.
    pub(crate) fn tasks(&self) -> Vec<TasksFile> {
        let of = |place: &Place| TasksFile {
            path: place.dir.join("tasks"),
            dispensable: self.can_do_without(place),
            counted: place.has("pids"),
        };
        self.paths.v1.iter().map(of).collect()
    }

    /// The directory in the v2 hierarchy, also a hybrid host's, for `CLONE_INTO_CGROUP`.
    pub(crate) fn unified_fd(&self) -> Result<Option<OwnedFd>> {
        let Some(place) = &self.paths.unified else { return Ok(None) };
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = open(&place.dir, flags, FileMode::empty());
        fd.map(Some).map_err(|e| Error::system("open", place.dir.display(), e))
    }

    /// All processes in it and below it, sorted.
    pub(crate) fn pids(&self) -> Result<Vec<i32>> {
        self.paths.main().map_or(Ok(Vec::new()), list)
    }

    /// Whether the kernel killed one of its processes for want of memory.
    pub(crate) fn had_oom_kill(&self) -> bool {
        oom::has_killed(&self.paths)
    }

    /// Kills every process in it and below it, with those that appear meanwhile, and thaws it. No
    /// error if the cgroup is gone. Does nothing if the container has no cgroup (rootless): see
    /// [`Paths::is_empty`].
    pub(crate) fn kill_all(&self) -> Result<()> {
        kill::kill_all(&self.paths)
    }

    /// Signals every process in it and below it, frozen ones for later. It `may_freeze` them
    /// meanwhile only if nobody else can freeze or thaw: who pauses holds the container's lock.
    pub(crate) fn signal_all(&self, signal: Signal, may_freeze: bool) -> Result<()> {
        kill::signal_all(&self.paths, signal, may_freeze)
    }

    /// Stops every process; if that cannot be done in time, none.
    pub(crate) fn freeze(&self) -> Result<()> {
        // It would stop the caller half way, and nobody would be there to thaw it.
        if self.pids()?.contains(&getpid().as_raw()) {
            let text = "cannot freeze: the calling process is in the container's cgroup";
            return Err(Error::WrongStatus(text.into()));
        }
        freezer::freeze(&self.paths, FREEZE_PATIENCE)
    }

    /// Whether nothing can end its processes: in the freezer of v1, SIGKILL waits for the thaw of
    /// every ancestor that was frozen. (In a frozen cgroup of v2 processes can be killed.)
    pub(crate) fn is_kept_by_frozen_ancestor(&self) -> Result<bool> {
        let v1 = self.paths.mode == Mode::V1;
        Ok(v1 && freezer::state(&self.paths)? == Freeze::Inherited)
    }

    /// Lets all processes run on.
    pub(crate) fn thaw(&self) -> Result<()> {
        freezer::thaw(&self.paths)
    }

    /// Removes it if no process is in it and nothing below it, without waiting.
    pub(crate) fn remove_if_empty(&self) -> Result<(), Errno> {
        self.paths.places().try_for_each(|place| remove_empty(&place.dir))
    }

    /// Removes it and all below it from every hierarchy. Waits a little for processes that are
    /// about to end; what is gone already is no error.
    pub(crate) fn remove(&self) -> Result<()> {
        remove_dirs(self.paths.places().map(|place| place.dir.as_path()).collect())
    }
}

fn make_one(dir: &Path) -> Result<bool, Errno> {
    match mkdir(dir, FileMode::from_bits_truncate(0o755)) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(e) => Err(e),
    }
}

pub(super) fn denies(errno: Errno) -> bool {
    matches!(errno, Errno::EACCES | Errno::EPERM | Errno::EROFS)
}

fn is_denied(e: &Error) -> bool {
    e.errno().is_some_and(denies)
}

pub(super) fn list(place: &Place) -> Result<Vec<i32>> {
    let pids = tree::pids(&place.dir, Instant::now() + LIST_PATIENCE);
    pids.map_err(|e| Error::system("list processes of", place.dir.display(), e))
}

/// Under a frozen ancestor the container's first process would never get to run.
pub(super) fn refuse_frozen(paths: &Paths) -> Result<()> {
    match freezer::state(paths)? {
        Freeze::No => Ok(()),
        Freeze::Own | Freeze::Inherited => {
            Err(Error::WrongStatus("container's cgroup unexpectedly frozen".into()))
        }
    }
}

pub(super) fn refuse_populated(place: &Place) -> Result<()> {
    match list(place)?.len() {
        0 => Ok(()),
        n => {
            let text = format!("container's cgroup is not empty: {n} process(es) found");
            Err(Error::WrongStatus(text))
        }
    }
}

#[cfg(test)]
#[path = "manager_tests.rs"]
mod tests;
