//! Our programs beside seccompiler's, for what that can say: one action, one architecture, no ENOSYS.

#[path = "../../runtime-lib/tests/seccomp/interpreter.rs"]
mod interpreter;
#[path = "../../runtime-lib/tests/seccomp/profiles.rs"]
mod profiles;

use std::collections::BTreeMap;

use libteu::seccomp::{Arch, Filter, Instruction};
use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator as Op,
};
use proptest::prelude::*;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use interpreter::{check, run};

/// The profile with nothing in it but what seccompiler has words for: what an entry is about is
/// trapped, all else is allowed.
fn simplified(mut profile: LinuxSeccomp) -> LinuxSeccomp {
    profile.set_default_action(LinuxSeccompAction::ScmpActAllow).set_default_errno_ret(None);
    profile.set_architectures(None);
    let mut entries = profile.syscalls().clone().unwrap_or_default();
    for entry in &mut entries {
        entry.set_action(LinuxSeccompAction::ScmpActTrap).set_errno_ret(None);
    }
    profile.set_syscalls(Some(entries));
    profile
}

fn theirs(profile: &LinuxSeccomp) -> Vec<Instruction> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    let mut always = Vec::new();
    for entry in profile.syscalls().iter().flatten() {
        for number in entry.names().iter().filter_map(|name| Arch::X86_64.number(name)) {
            let number = i64::from(number);
            let list = rules.entry(number).or_default();
            for conditions in alternatives(entry.args().as_deref().unwrap_or_default()) {
                if conditions.is_empty() {
                    always.push(number); // an empty list of rules is how it says so
                } else {
                    list.push(SeccompRule::new(conditions).unwrap());
                }
            }
        }
    }
    for number in always {
        rules.insert(number, Vec::new());
    }
    let (allow, trap) = (SeccompAction::Allow, SeccompAction::Trap);
    let filter = SeccompFilter::new(rules, allow, trap, TargetArch::x86_64).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    program.iter().map(|i| Instruction { code: i.code, jt: i.jt, jf: i.jf, k: i.k }).collect()
}

fn alternatives(args: &[LinuxSeccompArg]) -> Vec<Vec<SeccompCondition>> {
    let repeated = (0..6).any(|i| args.iter().filter(|arg| arg.index() == i).count() > 1);
    let condition = |arg: &LinuxSeccompArg| {
        let (op, value) = match arg.op() {
            Op::ScmpCmpNe => (SeccompCmpOp::Ne, arg.value()),
            Op::ScmpCmpLt => (SeccompCmpOp::Lt, arg.value()),
            Op::ScmpCmpLe => (SeccompCmpOp::Le, arg.value()),
            Op::ScmpCmpEq => (SeccompCmpOp::Eq, arg.value()),
            Op::ScmpCmpGe => (SeccompCmpOp::Ge, arg.value()),
            Op::ScmpCmpGt => (SeccompCmpOp::Gt, arg.value()),
            Op::ScmpCmpMaskedEq => {
                (SeccompCmpOp::MaskedEq(arg.value()), arg.value_two().unwrap_or(0))
            }
        };
        SeccompCondition::new(arg.index() as u8, SeccompCmpArgLen::Qword, op, value).unwrap()
    };
    if repeated {
        args.iter().map(|arg| vec![condition(arg)]).collect()
    } else {
        vec![args.iter().map(condition).collect()]
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn we_agree(
        profile in profiles::profile(8),
        calls in proptest::collection::vec(profiles::call(), 60),
    ) {
        let profile = simplified(profile);
        let ours = Filter::compile_for(&profile, Arch::X86_64).unwrap();
        check(ours.instructions()).map_err(TestCaseError::fail)?;
        let theirs = theirs(&profile);
        for call in calls.iter().filter(|call| {
            // It knows nothing of x32.
            call.arch == Arch::X86_64.audit() && call.number < 1 << 30
        }) {
            let (ours, theirs) = (run(ours.instructions(), call).0, run(&theirs, call).0);
            prop_assert!(ours == theirs, "{call:x?}: {ours:#x}, seccompiler: {theirs:#x}");
        }
    }
}
