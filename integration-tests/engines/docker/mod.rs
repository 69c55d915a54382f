//! Docker: one daemon for all tests that do not need one of their own.

use std::sync::OnceLock;

use integration_tests::available;
use integration_tests::engine::Docker;
use libtest_mimic::Trial;

/// Lists the tests of a module: functions that take the daemon.
macro_rules! tests {
    ($($name:ident),+ $(,)?) => {
        pub(crate) fn tests() -> Vec<libtest_mimic::Trial> {
            vec![$(super::trial(module_path!(), stringify!($name), $name)),+]
        }
    };
}

mod process;

static DAEMON: OnceLock<Docker> = OnceLock::new();

pub fn tests() -> Vec<Trial> {
    [process::tests()].into_iter().flatten().collect()
}

/// Ends the daemon, if any test has started it; returns what is left over.
pub fn finish() -> Vec<String> {
    DAEMON.get().map(Docker::finish).unwrap_or_default()
}

fn available_here() -> bool {
    ["root", "docker", "busybox"].into_iter().all(available)
}

fn trial(module: &str, name: &str, test: fn(&Docker)) -> Trial {
    crate::trial(module, name, move || {
        if available_here() {
            test(DAEMON.get_or_init(|| Docker::start(&[])));
        }
    })
}
