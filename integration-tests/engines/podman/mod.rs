//! podman: one for all tests of root's, one for all of an ordinary user's.

use std::sync::{PoisonError, RwLock};

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
        vec![alone("engines::podman::rootless", "mappings_of_ids", rootless::mappings_of_ids)],
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

const HAVE_ROOTLESS: [&str; 4] = ["podman", "busybox", "uidmap", "setpriv"];

/// Every start of an ordinary user's podman closes its store to others for a moment: also to a container that is
/// mapped to others.
static STARTS: RwLock<()> = RwLock::new(());

fn rootless(module: &str, name: &str, test: fn(&Podman)) -> Trial {
    crate::trial(module, name, move || {
        if HAVE_ROOTLESS.into_iter().all(available) {
            let _others = STARTS.read().unwrap_or_else(PoisonError::into_inner);
            test(&ROOTLESS.get(Podman::rootless));
        }
    })
}

/// While no other test of that user's runs.
fn alone(module: &str, name: &str, test: fn(&Podman)) -> Trial {
    crate::trial(module, name, move || {
        if HAVE_ROOTLESS.into_iter().all(available) {
            let _alone = STARTS.write().unwrap_or_else(PoisonError::into_inner);
            test(&ROOTLESS.get(Podman::rootless));
        }
    })
}
