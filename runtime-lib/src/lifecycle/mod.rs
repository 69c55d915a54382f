//! The verbs: create, start, exec, kill, delete, and what they work on.

mod checkpoint;
mod console;
mod create;
mod delete;
mod entering;
mod events;
mod exec;
mod files;
mod gc;
mod hooks;
mod host_namespaces;
mod kill;
mod limits;
mod links;
mod notify;
mod options;
mod owner;
mod places;
mod process;
mod seccomp;
mod start;
mod sub_cgroup;
mod update;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use checkpoint::CRIU_CONFIG;
pub use checkpoint::{
    CgroupsMode, CheckpointOptions, CriuOptions, NetworkLock, PageServer, RestoreOptions,
};
pub use events::{OomEvent, OomEvents};
pub use gc::{Garbage, GarbageKind, GcOptions};
pub use notify::Readiness;
pub use options::{
    CacheShares, CgroupManager, Console, CreateOptions, ExecOptions, KillTarget, RuntimeOptions,
    Stdio, SubCgroup, Warn, WindowSize,
};
pub use process::Process;

use oci_spec::runtime::{LinuxResources, Process as SpecProcess, Spec};

use crate::cgroup::stats::Stats;
use crate::compile;
use crate::error::{Error, Result};
use crate::host::HostFacts;
use crate::id::ContainerId;
use crate::signal::{Signal, open_pidfd};
use crate::state::{Entry, Record, State, Status, Store, find_init, status};

/// All containers whose state is kept under one root directory.
///
/// Cheap to clone; may be used from any number of threads at once. No call changes the calling
/// process: its working directory, umask, environment, limits, signal mask and handlers stay.
#[derive(Debug, Clone)]
pub struct Runtime {
    root: PathBuf,
    options: Arc<RuntimeOptions>,
}

impl Runtime {
    /// Uses `root` for state; nothing is created until a container is. It should be on a file
    /// system that a reboot empties (`/run`).
    pub fn new(root: impl Into<PathBuf>, options: RuntimeOptions) -> Self {
        Self { root: root.into(), options: Arc::new(options) }
    }

    /// The state root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Creates a container from the bundle directory; its process waits for [`Container::start`].
    /// The process is a child of the calling program, which may exit before it; one that stays reaps
    /// it with [`Process::wait`].
    ///
    /// # Errors
    /// Anything from a wrong config to a refused system call. Nothing is left behind then.
    pub fn create(
        &self,
        id: &ContainerId,
        bundle: &Path,
        options: CreateOptions,
    ) -> Result<(Container, Process)> {
        let init = create::create(self, id, bundle, options, create::Mode::Create)?;
        Ok((self.known(id), init))
    }

    /// Creates and starts in one go, without the detour over the start socket. The caller is the
    /// init's parent and gets it back as a [`Process`] to wait for.
    ///
    /// # Errors
    /// As [`Runtime::create`] and [`Container::start`].
    pub fn run(
        &self,
        id: &ContainerId,
        bundle: &Path,
        options: CreateOptions,
    ) -> Result<(Container, Process)> {
        let init = create::create(self, id, bundle, options, create::Mode::Run)?;
        Ok((self.known(id), init))
    }

    /// Creates a container from a checkpoint, in a bundle like the one of the checkpoint. Its processes
    /// go on where they were. The init is a child of the calling program; its pid is another one outside.
    /// Needs root, and CRIU 3.15 or newer in `PATH`.
    ///
    /// # Errors
    /// As [`Runtime::create`]; [`Error::Criu`] if CRIU fails. Nothing is left behind then but CRIU's log.
    pub fn restore(
        &self,
        id: &ContainerId,
        bundle: &Path,
        options: RestoreOptions,
    ) -> Result<(Container, Process)> {
        let init = checkpoint::restore(self, id, bundle, options)?;
        Ok((self.known(id), init))
    }

    /// The plan that [`Runtime::create`] would walk, as text for people. Environment values are
    /// redacted. Nothing is changed on the host.
    ///
    /// # Errors
    /// If the config cannot be loaded, validated or compiled.
    pub fn plan(&self, id: &ContainerId, bundle: &Path) -> Result<String> {
        create::plan(self, id, bundle)
    }

    /// A known container.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn container(&self, id: &ContainerId) -> Result<Container> {
        let container = self.known(id);
        container.entry().map(|_| container)
    }

    fn known(&self, id: &ContainerId) -> Container {
        Container { runtime: self.clone(), id: id.clone() }
    }

    /// All containers under the root, sorted by id. Ones that vanish meanwhile, or are not created
    /// yet, are left out.
    ///
    /// # Errors
    /// If the root cannot be read, or a container's state is damaged.
    pub fn list(&self) -> Result<Vec<State>> {
        let mut states = Vec::new();
        for id in self.store().ids()? {
            let container = Container { runtime: self.clone(), id };
            match container.state() {
                Ok(state) => states.push(state),
                Err(Error::NotFound) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(states)
    }

    /// What killed runs, reboots and engines that are gone have left under the root, and in the cache
    /// beside it. Nothing is changed: [`Garbage::remove`] does that. Running, created and paused containers
    /// are never garbage, nor is what cannot be proved to be teu's, of this user, and without a process.
    ///
    /// # Errors
    /// If the root cannot be read. What is strange about one container goes to [`RuntimeOptions::warn`].
    pub fn garbage(&self, options: &GcOptions) -> Result<Vec<Garbage>> {
        gc::garbage(self, options)
    }

    fn store(&self) -> Store {
        Store::new(&self.root)
    }

    fn host(&self) -> HostFacts {
        let by_systemd = self.options.cgroup_manager == CgroupManager::Systemd;
        HostFacts::probe(self.options.rootless, by_systemd)
    }

    /// With what a process of that container depends on.
    fn host_for(&self, spec: &Spec, process: Option<&SpecProcess>) -> HostFacts {
        self.host().with_lsm(compile::wants_labels(spec, process))
    }

    fn warn(&self, message: &str) {
        if let Some(warn) = &self.options.warn {
            warn(message);
        }
    }
}

/// A container known to a [`Runtime`].
#[derive(Debug, Clone)]
pub struct Container {
    runtime: Runtime,
    id: ContainerId,
}

impl Container {
    /// The container's id.
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// What `teu state` prints, as of now.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such container (any more, or yet).
    pub fn state(&self) -> Result<State> {
        let entry = self.entry()?;
        let record = entry.read_record()?.ok_or(Error::NotFound)?;
        let status = status(&entry, Some(&record), None)?;
        let mut state = record.to_state(status);
        if state.owner.is_empty() {
            state.owner = files::user_name(record.owner_uid);
        }
        Ok(state)
    }

    /// Lets a created container's process run its program.
    ///
    /// # Errors
    /// If the container is not `created`, or a hook fails. [`Error::ExecRefused`] if the kernel refuses the program:
    /// the container has been started then, and has stopped. (`teu start` does not count that as an error.)
    pub fn start(&self) -> Result<()> {
        start::start(self, false).map(drop)
    }

    /// The same, and gives a way to learn when the process is ready; `None` if it was created without
    /// [`CreateOptions::notify`].
    ///
    /// # Errors
    /// As [`Container::start`].
    pub fn start_and_listen(&self) -> Result<Option<Readiness>> {
        start::start(self, true)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// [`Error::NotRunning`] if the container has no process.
    pub fn kill(&self, signal: impl Into<Signal>, target: KillTarget) -> Result<()> {
        kill::kill(self, signal.into(), target)
    }

    /// Removes a stopped (or created) container; with `force` kills it first.
    ///
    /// # Errors
    /// If the container runs and `force` is not given, or something cannot be removed.
    pub fn delete(&self, force: bool) -> Result<()> {
        delete::delete(self, force)
    }

    /// Runs a further process in the container. It is a child of the calling program. In a paused
    /// container, which [`ExecOptions::ignore_paused`] allows, this does not return before it is resumed.
    ///
    /// # Errors
    /// If the container does not run, or the program cannot be executed.
    pub fn exec(&self, options: ExecOptions) -> Result<Process> {
        exec::exec(self, options)
    }

    /// Stops all processes of the container until [`Container::resume`], and returns when they are
    /// stopped. A `created` container can be paused, too.
    ///
    /// # Errors
    /// [`Error::NotRunning`] if it is stopped or paused already; if it has no cgroup of its own, or
    /// cannot be frozen in time: then it runs on.
    pub fn pause(&self) -> Result<()> {
        kill::pause(self)
    }

    /// Writes the processes of a running (or paused) container into images that [`Runtime::restore`] makes
    /// a container from, and removes it, unless that is not wished
    /// ([`CheckpointOptions::leave_running`], [`CheckpointOptions::pre_dump`]). Needs root, and CRIU 3.15
    /// or newer in `PATH`.
    ///
    /// # Errors
    /// [`Error::Criu`] if CRIU fails, which names the log: then the container goes on.
    pub fn checkpoint(&self, options: CheckpointOptions) -> Result<()> {
        checkpoint::checkpoint(self, options)
    }

    /// Lets the processes of a paused container go on.
    ///
    /// # Errors
    /// If the container is not paused.
    pub fn resume(&self) -> Result<()> {
        kill::resume(self)
    }

    /// Changes limits. What `resources` does not set (absent, 0, "") stays as it is; -1 takes a limit
    /// away, and a `pids.limit` of 0 is one. What is changed is kept: the next update goes on from it.
    /// Of `devices` the list as a whole replaces the one before.
    ///
    /// # Errors
    /// [`Error::NotRunning`] if the container has stopped; otherwise which value of which field the
    /// kernel does not take. Values that had been changed by then are changed back to those of the
    /// config or the update before.
    pub fn update(&self, resources: &LinuxResources) -> Result<()> {
        update::update(self, resources, &CacheShares::default())
    }

    /// The same, and other shares of the container's resctrl group (`linux.intelRdt`).
    ///
    /// # Errors
    /// As [`Container::update`]; [`Error::Unsupported`] if the container was created without a group.
    pub fn update_with(&self, resources: &LinuxResources, shares: &CacheShares) -> Result<()> {
        update::update(self, resources, shares)
    }

    /// All processes in the container's cgroup and below it, by their pids in the caller's pid
    /// namespace, sorted; ones outside of that are left out. Unless the container is paused, some may
    /// have ended when this returns. None if it is stopped.
    ///
    /// # Errors
    /// If the cgroup cannot be read, or the container has none of its own (rootless).
    pub fn pids(&self) -> Result<Vec<i32>> {
        events::pids(self)
    }

    /// What the container uses. Zeros if it has no cgroup of its own (rootless).
    ///
    /// # Errors
    /// If the cgroup cannot be read, as after the container's end.
    pub fn stats(&self) -> Result<Stats> {
        let record = start::record_of(&self.entry()?)?;
        let mut stats = Stats::read(&record.cgroup)?;
        if let Some(group) = &record.resctrl {
            stats.intel_rdt = group.stats()?;
        }
        Ok(stats)
    }

    /// From now on, tells when the container runs out of memory, and when it stops.
    ///
    /// # Errors
    /// [`Error::NotRunning`]; [`Error::Unsupported`] or ENOENT if the memory controller is not there.
    pub fn oom_events(&self) -> Result<OomEvents> {
        events::oom_events(self)
    }

    fn entry(&self) -> Result<Entry> {
        self.runtime.store().open(&self.id)
    }
}

/// A pidfd of the container's init, or `None` if it has ended. The pid is checked after the pidfd is
/// opened, so that the pidfd cannot be another process's that got the same pid.
fn init_pidfd(record: &Record) -> Result<Option<std::os::fd::OwnedFd>> {
    match open_pidfd(record.pid) {
        Ok(pidfd) => Ok(find_init(record)?.map(|_| pidfd)),
        Err(nix::errno::Errno::ESRCH | nix::errno::Errno::EINVAL) => Ok(None),
        Err(e) => Err(Error::system("pidfd_open", record.pid, e)),
    }
}

fn status_name(status: Status) -> &'static str {
    match status {
        Status::Creating => "creating",
        Status::Created => "created",
        Status::Running => "running",
        Status::Paused => "paused",
        Status::Stopped => "stopped",
    }
}
