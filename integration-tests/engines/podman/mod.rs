//! podman: one for all tests of root's, one for all of an ordinary user's.

use integration_tests::available;
use integration_tests::engine::Podman;
use libtest_mimic::Trial;

use crate::Shared;

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

static ROOTFUL: Shared<Podman> = Shared::new(Podman::rootful);
static ROOTLESS: Shared<Podman> = Shared::new(Podman::rootless);

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
    [&ROOTFUL, &ROOTLESS].into_iter().flat_map(|shared| shared.end(Podman::finish)).collect()
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
