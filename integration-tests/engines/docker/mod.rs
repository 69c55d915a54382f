//! Docker: one daemon for all tests that do not need one of their own.

use integration_tests::available;
use integration_tests::engine::{Docker, Shared};
use libtest_mimic::Trial;

mod daemon;
mod exec;
mod health;
mod images;
mod lifecycle;
mod limits;
mod namespaces;
mod network;
mod process;
mod storage;
mod terminal;

static DAEMON: Shared<Docker> = Shared::new();

pub fn tests() -> Vec<Trial> {
    let modules = [
        daemon::tests(),
        exec::tests(),
        health::tests(),
        images::tests(),
        lifecycle::tests(),
        limits::tests(),
        namespaces::tests(),
        network::tests(),
        process::tests(),
        storage::tests(),
        terminal::tests(),
    ];
    modules.into_iter().flatten().collect()
}

/// Ends the daemon, if any test has started it; returns what is left over.
pub fn finish() -> Vec<String> {
    DAEMON.finish()
}

fn alone(module: &str, name: &str, test: fn()) -> Trial {
    crate::trial(module, name, move || {
        if available_here() {
            test();
        }
    })
}

fn available_here() -> bool {
    ["root", "docker", "busybox"].into_iter().all(available)
}

fn shared(module: &str, name: &str, test: fn(&Docker)) -> Trial {
    crate::trial(module, name, move || {
        if available_here() {
            test(&DAEMON.get(|| Docker::start(&[])));
        }
    })
}
