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

mod calls;
mod point;
mod scene;
mod site;
mod spawn;
mod tracer;
mod traces;
mod worker;

use std::process::ExitCode;
use std::time::Duration;

use integration_tests::{Cmd, available};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    if let Ok(scene) = std::env::var("TEU_FAULTS_SCENE") {
        return worker::main(&scene);
    }
    let arguments = Arguments::from_args();
    let scenes = scene::CONFIGS.iter().flat_map(|config| scene::VERBS.map(|verb| (*config, verb)));
    let trials = scenes
        .map(|(config, verb)| Trial::test(format!("{config}::{verb}"), move || run(config, verb)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn run(config: &str, verb: &str) -> Result<(), Failed> {
    if !available("teu") || !available("root") || !available("userns") {
        return Ok(());
    }
    let exe = std::env::current_exe()?;
    let cmd = Cmd::new(exe).env("TEU_FAULTS_SCENE", format!("{config}/{verb}"));
    let outcome = cmd.limit(Duration::from_secs(7200)).run();
    eprint!("{}", outcome.stdout);
    match outcome.status {
        0 => Ok(()),
        _ => Err(format!("{}{}", outcome.stdout, outcome.stderr).into()),
    }
}
