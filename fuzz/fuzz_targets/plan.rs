//! Whatever is in a plan, the executor stays within its memory and comes to an end; and what the checker
//! has accepted uses no descriptor that is not open, and tells of its failure.
//!
//! Input: `{`: a config, whose plan is compiled, then after a NUL the bytes to change in it, then answers
//! of the kernel. `s`: steps for the checker. Anything else is a plan as it stands.

#![no_main]

#[path = "../../runtime-lib/executor/copy.rs"]
mod copy;
#[path = "../../runtime-lib/executor/files.rs"]
mod files;
#[path = "../../runtime-lib/executor/ids.rs"]
mod ids;
#[path = "../src/kernel.rs"]
mod kernel;
#[path = "../../runtime-lib/executor/machine.rs"]
mod machine;
#[path = "../../runtime-lib/executor/mounts.rs"]
mod mounts;
#[allow(dead_code)]
#[path = "../../runtime-lib/executor/op.rs"]
mod op;
#[path = "../../runtime-lib/executor/process.rs"]
mod process;
#[allow(dead_code)]
#[path = "../../runtime-lib/executor/record.rs"]
mod record;
#[path = "../../runtime-lib/executor/root.rs"]
mod root;
#[path = "../../runtime-lib/executor/sys/mod.rs"]
mod sys;
#[path = "../../runtime-lib/executor/terminal.rs"]
mod terminal;

use kernel::{End, Walked};
use libfuzzer_sys::fuzz_target;
use libteu::fuzzing;
use machine::Machine;

/// As in the executor's main.rs.
fn decimal(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'))?.parse().ok()
}

fuzz_target!(|data: &[u8]| match data.split_first() {
    Some((b'{', _)) => compiled(data),
    Some((b's', steps)) => checked(steps),
    _ => drop(walk(data.to_vec(), &[])),
});

/// A plan of a config, as it is or with some bytes changed.
fn compiled(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (json, rest) = data.split_at(end);
    let mut rest = rest.iter().copied().skip(1);
    let changes: Vec<[u8; 3]> = (0..rest.next().unwrap_or(0) & 15)
        .map(|_| [(); 3].map(|()| rest.next().unwrap_or(0)))
        .collect();
    let answers: Vec<u8> = rest.collect();
    for (mut plan, fds) in fuzzing::plans(json) {
        for [low, high, byte] in &changes {
            let at = usize::from(u16::from_ne_bytes([*low, *high])) % plan.len();
            plan[at] = *byte;
        }
        let walked = walk_with(plan, &answers, &fds);
        if changes.is_empty() {
            assert_sound(&walked);
        }
    }
}

/// Steps that the checker has let pass, with answers of the kernel behind them.
fn checked(data: &[u8]) {
    let Some((count, data)) = data.split_first() else { return };
    let steps = data.len().min(usize::from(*count) * op::Step::SIZE);
    let (steps, answers) = data.split_at(steps);
    if let Some((plan, fds)) = fuzzing::checked_plan(steps) {
        assert_sound(&walk_with(plan, answers, &fds));
    }
}

fn assert_sound(walked: &Walked) {
    assert!(walked.stray.is_empty(), "(call, descriptor): {:?}", walked.stray);
    // A peer that has gone away would be the other reason for status 1; ours stays.
    assert_eq!(walked.end == End::Exit(1), walked.reported, "{:?}", walked.end);
}

fn walk(plan: Vec<u8>, answers: &[u8]) -> Walked {
    walk_with(plan, answers, &[100])
}

fn walk_with(plan: Vec<u8>, answers: &[u8], fds: &[i32]) -> Walked {
    // Exactly as long as the plan: what lies behind it is AddressSanitizer's.
    let plan = Box::leak(plan.into_boxed_slice());
    let memory: *mut [u8] = plan;
    let walked = kernel::walk(answers, fds, || match Machine::new(plan, &mut []) {
        Some(machine) => machine.walk(),
        None => sys::exit(1),
    });
    // SAFETY: it came from a box, and the machine, which alone had it, is gone.
    drop(unsafe { Box::from_raw(memory) });
    walked
}
