//! Docker: one daemon for all tests that do not need one of their own.

use integration_tests::available;
use integration_tests::engine::Docker;
use libtest_mimic::Trial;

use crate::Shared;

/// Lists the tests of a module: functions that take the daemon.
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        pub(crate) fn tests() -> Vec<libtest_mimic::Trial> {
            vec![$(super::trial(module_path!(), stringify!($name), $name)),+]
        }
    };
}

/// Lists the tests of a module that start daemons of their own.
macro_rules! alone {
    ($($name:ident),+ $(,)?) => {
        pub(crate) fn tests() -> Vec<libtest_mimic::Trial> {
            vec![$(super::alone(module_path!(), stringify!($name), $name)),+]
        }
    };
}

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

static DAEMON: Shared<Docker> = Shared::new(|| Docker::start(&[]));

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
    DAEMON.end(Docker::finish)
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

fn trial(module: &str, name: &str, test: fn(&Docker)) -> Trial {
    crate::trial(module, name, move || {
        if available_here() {
            test(&DAEMON.get());
        }
    })
}
