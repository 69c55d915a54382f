//! podman: one for all tests of root's, one for all of an ordinary user's.

use integration_tests::available;
use integration_tests::engine::{Podman, Shared};
use libtest_mimic::Trial;

mod build;
mod life;
mod managers;
mod names;
mod pods;
mod rootless;
mod run;
mod spaces;

static ROOTFUL: Shared<Podman> = Shared::new();
static ROOTLESS: Shared<Podman> = Shared::new();

pub fn tests() -> Vec<Trial> {
    [
        build::tests(),
        life::tests(),
        managers::tests(),
        names::tests(),
        pods::tests(),
        rootless::tests(),
        run::tests(),
        spaces::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Ends them, if any test has begun them; returns what is left over.
pub fn finish() -> Vec<String> {
    [&ROOTFUL, &ROOTLESS].into_iter().flat_map(Shared::finish).collect()
}

fn rootful(module: &str, name: &str, test: fn(&Podman)) -> Trial {
    crate::trial(module, name, move || {
        if ["root", "podman", "busybox"].into_iter().all(available) {
            test(&ROOTFUL.get(Podman::rootful));
        }
    })
}

fn rootless(module: &str, name: &str, test: fn(&Podman)) -> Trial {
    crate::trial(module, name, move || {
        if ["podman", "busybox", "uidmap", "setpriv"].into_iter().all(available) {
            test(&ROOTLESS.get(Podman::rootless));
        }
    })
}
