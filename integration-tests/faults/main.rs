//! Every moment is the one in which teu is killed, and every system call the one that fails: see docs/faults.md.
//!
//! A test is one verb of one configuration, in a process of its own, which traces teu and adopts all that it leaves
//! behind. `TEU_FAULTS=all` tries every point, else a sample, the same each time; `TEU_FAULTS=docker/run/0/55/EIO` is
//! one point, as a failure names it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests"
)]

/// Registers and system calls are those of this architecture.
#[cfg(target_arch = "x86_64")]
mod x86_64;

use std::process::ExitCode;

#[cfg(target_arch = "x86_64")]
fn main() -> ExitCode {
    x86_64::main()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() -> ExitCode {
    eprintln!("faults: SKIP: the tracer knows x86_64 only");
    ExitCode::SUCCESS
}
