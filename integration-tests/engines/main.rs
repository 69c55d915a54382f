//! Container engines over the runtime under test: what people do with them.
//!
//! An engine's daemon is shared by its tests, hence a `main` of its own: after the last of them, the daemon is
//! ended, and nothing may be left of what was not there before.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod docker;
mod podman;

use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let tests = docker::tests().into_iter().chain(podman::tests()).collect();
    let conclusion = libtest_mimic::run(&arguments, tests);
    let left = [docker::finish(), podman::finish()].concat();
    for thing in &left {
        eprintln!("left over: {thing}");
    }
    match conclusion.has_failed() || !left.is_empty() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

/// What several tests use. It is dropped after the last of them, as a plain static is not.
struct Shared<T> {
    start: fn() -> T,
    begun: Mutex<Option<Arc<T>>>,
}

impl<T> Shared<T> {
    const fn new(start: fn() -> T) -> Self {
        Self { start, begun: Mutex::new(None) }
    }

    /// Starts it for the first test. If that fails, all others fail at once.
    fn get(&self) -> Arc<T> {
        Arc::clone(self.begun.lock().unwrap().get_or_insert_with(|| Arc::new((self.start)())))
    }

    /// Drops it; before, asks what is left over. Nothing if it was not started.
    fn end(&self, finish: fn(&T) -> Vec<String>) -> Vec<String> {
        let begun = self.begun.lock().ok().and_then(|mut begun| begun.take());
        begun.map(|begun| finish(&begun)).unwrap_or_default()
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
