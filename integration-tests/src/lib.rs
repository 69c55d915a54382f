//! Drives an OCI runtime binary against the kernel and asserts what a process in the container sees.
//!
//! The runtime is the workspace's own `teu`, or whatever `RUNTIME` names (a path, or a name on `PATH`): the same tests
//! run against `runc` and `crun` as oracles. Where those differ from what teu promises, [`differences`] says so.
//!
//! ```no_run
//! # use integration_tests::Bundle;
//! let mut bundle = Bundle::new();
//! bundle.set("/hostname", "box");
//! assert_eq!(bundle.report()["hostname"], "box");
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test harness fails by panicking"
)]

mod bundle;
pub mod cgroup;
pub mod checkpoint;
mod command;
mod config;
mod container;
pub mod differences;
mod edit;
pub mod engine;
mod host_devices;
mod leaks;
mod outcome;
mod report;
mod require;
pub mod resctrl;
mod runtime;
mod terminal;
mod user;

pub use bundle::Bundle;
pub use command::{Cmd, Running, patience, wait_until};
pub use container::{Container, wait_ready};
pub use leaks::Leaks;
pub use outcome::Outcome;
pub use report::{Report, own_namespace};
pub use require::{available, kernel, say};
pub use runtime::{Kind, Runtime, probe};
pub use serde_json::{Value, json};
pub use terminal::{Receiver, Terminal};
pub use user::{is_root, ordinary_user};
