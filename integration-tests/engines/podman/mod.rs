//! podman: one for all tests of root's, one for all of an ordinary user's.

use std::sync::{Arc, Mutex};

use integration_tests::available;
use integration_tests::engine::Podman;
use libtest_mimic::Trial;

/// Lists the tests of a module: functions that take root's podman or an ordinary user's.
macro_rules! tests {
    ($whose:ident: $($name:ident),+ $(,)?) => {
        pub(crate) fn tests() -> Vec<libtest_mimic::Trial> {
            vec![$(super::$whose(module_path!(), stringify!($name), $name)),+]
        }
    };
}

mod build;
mod life;
mod managers;
mod names;
mod pods;
mod rootless;
mod run;
mod spaces;

static ROOTFUL: Shared = Shared::new(Podman::rootful);
static ROOTLESS: Shared = Shared::new(Podman::rootless);

/// What several tests use. It is dropped after the last of them, as a plain static is not.
struct Shared {
    start: fn() -> Podman,
    begun: Mutex<Option<Arc<Podman>>>,
}

impl Shared {
    const fn new(start: fn() -> Podman) -> Self {
        Self { start, begun: Mutex::new(None) }
    }

    /// Starts it for the first test. If that fails, all others fail at once.
    fn get(&self) -> Arc<Podman> {
        Arc::clone(self.begun.lock().unwrap().get_or_insert_with(|| Arc::new((self.start)())))
    }

    /// Drops it; before, asks what is left over. Nothing if it was not started.
    fn end(&self) -> Vec<String> {
        let begun = self.begun.lock().ok().and_then(|mut begun| begun.take());
        begun.map(|podman| podman.finish()).unwrap_or_default()
    }
}

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
    [&ROOTFUL, &ROOTLESS].into_iter().flat_map(|shared| shared.end()).collect()
}

fn rootful(module: &str, name: &str, test: fn(&Podman)) -> Trial {
    crate::trial(module, name, move || {
        if ["root", "podman", "busybox"].into_iter().all(available) {
            test(&ROOTFUL.get());
        }
    })
}

fn rootless(module: &str, name: &str, test: fn(&Podman)) -> Trial {
    crate::trial(module, name, move || {
        if ["podman", "busybox", "uidmap", "setpriv"].into_iter().all(available) {
            test(&ROOTLESS.get());
        }
    })
}
