//! containerd with its shim `io.containerd.runc.v2`, whose option BinaryName names the runtime: one daemon for all
//! tests but those that restart it.

use integration_tests::available;
use integration_tests::engine::{Containerd, Shared};
use libtest_mimic::Trial;

mod daemon;
mod run;
mod tasks;

static DAEMON: Shared<Containerd> = Shared::new();

pub fn tests() -> Vec<Trial> {
    [daemon::tests(), run::tests(), tasks::tests()].into_iter().flatten().collect()
}

/// Ends the daemon, if any test has started it; returns what is left over.
pub fn finish() -> Vec<String> {
    DAEMON.finish()
}

fn available_here() -> bool {
    ["root", "containerd", "busybox"].into_iter().all(available)
}

fn shared(module: &str, name: &str, test: fn(&Containerd)) -> Trial {
    crate::trial(module, name, move || {
        if available_here() {
            test(&DAEMON.get(Containerd::start));
        }
    })
}

fn alone(module: &str, name: &str, test: fn()) -> Trial {
    crate::trial(module, name, move || {
        if available_here() {
            test();
        }
    })
}
