//! Compiled filters against what profiles mean. (Against libseccomp and seccompiler: `seccomp-oracle`.)

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]
#![allow(clippy::cast_possible_truncation, reason = "words of seccomp_data")]

mod errors;
mod interpreter;
mod profiles;
mod reference;
mod shape;

use libteu::seccomp::{Arch, Filter};
use oci_spec::runtime::LinuxSeccomp;
use proptest::prelude::*;

use interpreter::Data;

/// The program, or `None` if the profile contradicts itself.
fn compiled(profile: &LinuxSeccomp) -> Option<Filter> {
    match Filter::compile_for(profile, Arch::X86_64) {
        Ok(filter) => Some(filter),
        Err(e) => {
            assert!(e.to_string().contains("contradicts syscalls["), "{e}");
            None
        }
    }
}

fn agree(profile: &LinuxSeccomp, calls: &[Data]) -> Result<(), TestCaseError> {
    let Some(filter) = compiled(profile) else { return Ok(()) };
    interpreter::check(filter.instructions()).map_err(TestCaseError::fail)?;
    for call in calls {
        let (returned, _) = interpreter::run(filter.instructions(), call);
        let meant = reference::evaluate(profile, call);
        prop_assert!(returned == meant, "{call:x?}: {returned:#x}, meant is {meant:#x}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn programs_do_what_profiles_mean(
        profile in profiles::profile(8),
        calls in proptest::collection::vec(profiles::call(), 60),
    ) {
        agree(&profile, &calls)?;
    }

    #[test]
    fn long_programs_too(
        profile in profiles::profile(80),
        calls in proptest::collection::vec(profiles::call(), 60),
    ) {
        agree(&profile, &calls)?;
    }
}
