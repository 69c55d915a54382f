//! Container engines over the runtime under test: what people do with them.
//!
//! An engine's daemon is shared by its tests, hence a `main` of its own: after the last of them, the daemon is
//! ended, and nothing may be left of what was not there before.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

/// Lists the tests of a module; `super::$how` makes one of a function.
macro_rules! tests {
    ($how:ident: $($name:ident),+ $(,)?) => {
        pub(crate) fn tests() -> Vec<libtest_mimic::Trial> {
            vec![$(super::$how(module_path!(), stringify!($name), $name)),+]
        }
    };
}

mod containerd;
mod docker;
mod podman;

use std::process::ExitCode;

use integration_tests::engine::Machine;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests mostly wait for engines.
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    arguments.test_threads.get_or_insert(2 * processors);
    let before = Machine::now();
    let tests = [containerd::tests(), docker::tests(), podman::tests()];
    let conclusion = libtest_mimic::run(&arguments, tests.into_iter().flatten().collect());
    let left =
        [containerd::finish(), docker::finish(), podman::finish(), before.new_things()].concat();
    for thing in &left {
        eprintln!("left over: {thing}");
    }
    match conclusion.has_failed() || !left.is_empty() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// A test of this name (with the path of its module, as [`module_path`] has it).
fn trial(module: &str, name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    let module = module.strip_prefix("engines::").unwrap_or(module);
    let name = format!("{module}::{name}");
    // What is printed about a test goes by the name of its thread.
    let thread = std::thread::Builder::new().name(name.clone());
    Trial::test(name, || thread.spawn(test).unwrap().join().map_err(|_| Failed::without_message()))
}
