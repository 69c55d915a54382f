//! libteu: an OCI container runtime as a library.
//!
//! A start is a pipeline of values, each stage a module of its own:
//!
//! ```text
//! config.json -> spec::load -> validate -> compile (with host::HostFacts) -> plan::Plan
//!             -> prepare::Prepared (owns fds, cgroup, state) -> launch -> Container
//! ```
//!
//! `spec`, `validate`, `plan` and `compile` are pure; effects live in `prepare`, `launch`,
//! `cgroup`, `state` and `lifecycle`. What enters the container is never this program but the
//! sealed executor (`executor/`), which walks the plan.

mod cgroup;
mod compile;
mod error;
mod fdio;
mod host;
mod id;
mod launch;
mod lifecycle;
mod plan;
mod prepare;
mod signal;
mod spec;
mod state;
mod validate;

pub use error::{Error, ErrorKind, Result};
pub use id::ContainerId;
pub use lifecycle::{
    Container, CreateOptions, ExecOptions, KillTarget, Process, Runtime, RuntimeOptions, Stdio,
    Warn,
};
pub use signal::Signal;
pub use spec::{load_process, mount_options};
pub use state::{State, Status};
