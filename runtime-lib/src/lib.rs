//! libteu: an OCI container runtime as a library.
//!
//! ```no_run
//! use std::fs::File;
//! use std::path::Path;
//!
//! use libteu::{
//!     ContainerId, CreateOptions, ErrorKind, ExecOptions, KillTarget, Runtime, RuntimeOptions,
//!     Signal, Stdio,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::new("/run/example", RuntimeOptions::default());
//! let id: ContainerId = "web-1".parse()?;
//!
//! let log = File::create("/var/log/web-1.log")?;
//! let mut options = CreateOptions::default();
//! options.stdio = Stdio::Fds([File::open("/dev/null")?.into(), log.try_clone()?.into(), log.into()]);
//! let (container, init) = match runtime.create(&id, Path::new("/bundles/web"), options) {
//!     Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(()),
//!     created => created?,
//! };
//! container.start()?;
//!
//! let mut reload = ExecOptions::default();
//! reload.args = vec!["/bin/reload".into(), "--all".into()];
//! let status = container.exec(reload)?.wait()?;
//! println!("reloaded: {status}");
//!
//! container.kill(Signal::TERM, KillTarget::Init)?;
//! println!("ended: {}", init.wait()?);
//! container.delete(false)?;
//! # Ok(())
//! # }
//! ```
//!
//! # Threads
//!
//! Every type is `Send` and `Sync`, every call may be made from any thread, at any time, and there is
//! no global state: two [`Runtime`]s with different roots do not know each other. Calls that change a
//! container's status exclude each other by a lock in its state directory, among threads as among
//! programs: of several that create, start or delete it at once, one does. All calls block: an asynchronous program makes them on a pool for blocking work. For the end of a
//! process it watches the pidfd instead ([`Process`] is `AsFd`, readable at the end; [`Process::wait`]
//! then does not block).
//!
//! # The caller
//!
//! No call changes the calling program: working directory, umask, environment, limits, signal mask
//! and handlers, credentials, oom score, descriptors and the rest stay, whether it succeeds or not.
//! It is not forked either. What the library starts is never this program but a small static one,
//! the executor, so that no memory, descriptor or lock of the program gets into a container: there
//! arrive the standard streams, [`CreateOptions::preserve_fds`], and nothing else. Processes begin
//! with an empty signal mask and with SIGCHLD and SIGPIPE at their defaults; other signals that the
//! caller ignores stay ignored.
//!
//! # Who reaps
//!
//! What [`Runtime::create`], [`Runtime::run`] and [`Container::exec`] start are children of the
//! calling program (the thread that made them may end before). They are its zombies after their end
//! until [`Process::wait`], also if the [`Process`] was dropped, which ends nothing: a program that
//! stays waits for each, one that exits leaves them to init or a subreaper. Zombies do not matter to
//! [`Container::state`] and [`Container::delete`]: they count as stopped. But as long as that of an exec
//! is there, the kernel keeps the container's pid namespace and with it its init, whose `wait`
//! returns only afterwards.
//!
//! # Errors
//!
//! [`Error`] says in one line what was done to which object and why it failed; [`Error::kind`] is what
//! programs decide by, [`Error::errno`] what the kernel said. Nothing is logged; what deserves
//! attention but is no error goes to [`RuntimeOptions::warn`]. A `create` or `run` that fails leaves
//! nothing behind; if the program itself is killed meanwhile, [`Container::delete`] with `force`
//! removes what is left. If a process is killed by others after its container is set up but before its
//! own program runs, `run`, `start` and `exec` succeed, and its status tells.
//!
//! # Inside
//!
//! A start is a pipeline of values, each stage a module of its own:
//!
//! ```text
//! config.json -> spec::load -> validate -> compile (with host::HostFacts) -> plan::Plan
//!             -> prepare::Prepared (owns fds, cgroup, state) -> launch -> Container
//! ```
//!
//! `spec`, `validate`, `plan` and `compile` are pure; effects live in `prepare`, `launch`,
//! `cgroup`, `state` and `lifecycle`. What enters the container is the sealed executor
//! (`executor/`), which walks the plan.

mod cgroup;
mod compile;
mod criu;
mod error;
mod fdio;
pub mod features;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod host;
mod id;
mod launch;
mod lifecycle;
mod plan;
mod prepare;
mod resctrl;
pub mod seccomp;
mod signal;
mod spec;
mod state;
mod timings;
mod validate;

pub use cgroup::stats;
pub use error::{Error, ErrorKind, Result};
pub use id::ContainerId;
pub use lifecycle::{
    CacheShares, CgroupManager, CgroupsMode, CheckpointOptions, Console, Container, CreateOptions,
    CriuOptions, ExecOptions, Garbage, GarbageKind, GcOptions, KillTarget, NetworkLock, OomEvent,
    OomEvents, PageServer, Process, Readiness, RestoreOptions, Runtime, RuntimeOptions, Stdio,
    SubCgroup, Warn, WindowSize,
};
pub use resctrl::{CacheOccupancy, IntelRdt, L3CacheInfo, MemoryBandwidth, MemoryBandwidthInfo};
pub use signal::Signal;
pub use spec::{load_process, read_resources};
pub use state::{State, Status};
pub use timings::{StageTime, StepTime, Timings};
