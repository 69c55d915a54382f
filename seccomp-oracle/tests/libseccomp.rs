//! Our programs beside libseccomp's on random profiles and calls.

#[path = "../../runtime-lib/tests/seccomp/interpreter.rs"]
mod interpreter;
#[path = "../../runtime-lib/tests/seccomp/profiles.rs"]
mod profiles;
#[path = "../../runtime-lib/tests/seccomp/reference.rs"]
mod reference;

use std::cell::Cell;
use std::sync::mpsc;
use std::time::Duration;

use libteu::seccomp::{Arch, Filter, Instruction};
use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompOperator as Op};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use seccomp_oracle::{Order, export, filter, is_new};

use interpreter::{Data, check, run};

const ENOSYS: u32 = 0x0005_0000 + 38;

/// What runc's filter returns.
fn runc(profile: &LinuxSeccomp, theirs: &[Instruction], call: &Data) -> u32 {
    if is_new(profile, call.arch, call.number) { ENOSYS } else { run(theirs, call).0 }
}

fn both(profile: &LinuxSeccomp) -> Option<(Filter, Vec<Instruction>)> {
    let ours = Filter::compile_for(profile, Arch::X86_64).ok()?;
    check(ours.instructions()).unwrap();
    Some((ours, theirs(profile)?))
}

/// Libseccomp's program, if it makes one. 2.5.4 runs in circles for one of 12,000 random profiles
/// (`_db_tree_put`), and nothing stops it: that thread is left to itself.
fn theirs(profile: &LinuxSeccomp) -> Option<Vec<Instruction>> {
    let (sender, receiver) = mpsc::channel();
    let profile = profile.clone();
    std::thread::spawn(move || {
        let made = filter(&profile, Order::Tree).ok();
        sender.send(made.map(|filter| export(&filter).unwrap()))
    });
    receiver.recv_timeout(Duration::from_secs(10)).ok().flatten()
}

/// Libseccomp 2.5.4 goes wrong where several rules for one call compare by order or by inequality: of
/// `arg0 < 1 << 32` and `arg0 < 0`, and of `arg0 == 0` and `arg1 == 0 && arg0 != 1`, it forgets the first.
fn is_beyond_libseccomp(profile: &LinuxSeccomp, call: &Data) -> bool {
    is_of_several(profile, call, |op| !matches!(op, Op::ScmpCmpEq | Op::ScmpCmpMaskedEq))
}

/// Whether one of several rules for the call compares like that.
fn is_of_several(profile: &LinuxSeccomp, call: &Data, how: impl Fn(Op) -> bool) -> bool {
    let rules = reference::conditions(profile, call);
    rules.len() > 1 && rules.iter().flatten().any(|arg| how(arg.op()))
}

/// The same profiles each time, since what others turn up is libseccomp's as a rule. `PROPTEST_RNG_SEED`
/// takes others.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let rng_seed =
        if asked.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { asked.rng_seed };
    ProptestConfig { cases: 1500, failure_persistence: None, rng_seed, ..asked }
}

#[test]
fn we_agree() {
    let compared = Cell::new(0);
    let cases = (profiles::profile(8), proptest::collection::vec(profiles::call(), 60));
    let agree = |(profile, calls): (LinuxSeccomp, Vec<Data>)| {
        let Some((ours, theirs)) = both(&profile) else { return Ok(()) };
        compared.set(compared.get() + 1);
        for call in calls {
            if reference::is_contested(&profile, &call) || is_beyond_libseccomp(&profile, &call) {
                continue;
            }
            let (ours, theirs) =
                (run(ours.instructions(), &call).0, runc(&profile, &theirs, &call));
            prop_assert!(ours == theirs, "{call:x?}: {ours:#x}, libseccomp: {theirs:#x}");
        }
        Ok(())
    };
    TestRunner::new(config()).run(&cases, agree).unwrap();
    assert!(compared.get() > 1000, "libseccomp has made {} programs", compared.get());
}

fn is_by_order(op: Op) -> bool {
    matches!(op, Op::ScmpCmpLt | Op::ScmpCmpLe | Op::ScmpCmpGe | Op::ScmpCmpGt)
}

/// Where rules with conditions disagree libseccomp's order depends on how its tree grew. Ours is that
/// order as far as it can be put in words; how far that is shows here.
#[test]
fn contested_calls_are_decided_as_libseccomp_does() {
    use proptest::strategy::ValueTree;
    let mut runner = TestRunner::deterministic();
    let mut counts = [[0; 4]; 2];
    for _ in 0..1500 {
        let (profile, call) = profiles::quarrel().new_tree(&mut runner).unwrap().current();
        if !reference::is_contested(&profile, &call) {
            continue;
        }
        let class = usize::from(is_of_several(&profile, &call, is_by_order));
        let outcome =
            match (Filter::compile_for(&profile, Arch::X86_64), filter(&profile, Order::Tree)) {
                (Ok(ours), Ok(theirs)) => {
                    let theirs = export(&theirs).unwrap();
                    let agree = run(ours.instructions(), &call).0 == runc(&profile, &theirs, &call);
                    if agree { 0 } else { 1 }
                }
                (Ok(_), Err(_)) => 2,
                (Err(_), _) => 3,
            };
        counts[class][outcome] += 1;
    }
    let mut decided = [0, 0];
    for (what, [same, other, theirs, ours]) in ["equalities", "with order"].iter().zip(counts) {
        println!(
            "contested, {what}: {same} agree, {other} do not; refused by libseccomp alone {theirs}, by us {ours}"
        );
        decided = [decided[0] + same, decided[1] + other];
    }
    // Nine of ten; it was 137 of 143.
    assert!(decided[0] > 9 * decided[1], "{decided:?}");
}
