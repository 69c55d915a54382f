//! Rules as an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE, which cgroup v2 asks at every open
//! and mknod of a device (Linux 4.15; what it is told: struct bpf_cgroup_dev_ctx in
//! include/uapi/linux/bpf.h). Pure; the kernel's part is in `attach`.
//!
//! The rules stand in the program from the last to the first. Each that speaks of the device decides
//! the kinds of access that it names. One denied denies the whole request; once none is left undecided,
//! the request is allowed. (Comparing a rule with the request as a whole would let a request for `rw`
//! pass by a rule that denies `w`.)
//!
//! A rule reads the device's numbers anew rather than from registers that keep them: the verifier
//! then knows nothing of them at the next rule, all ways there are alike to it, and its work grows
//! with the number of rules and not with its square.

use super::rules::{Access, Rule, Rules};
use super::simplify::simplify;

/// struct bpf_insn, in the byte order that all supported architectures have.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Insn {
    pub(super) code: u8,
    /// Source and destination, four bits each.
    pub(super) registers: u8,
    pub(super) offset: i16,
    pub(super) value: i32,
}

// Operations in 32 bits (BPF_ALU, BPF_JMP32 of Linux 5.1), since numbers above i32::MAX would be
// extended by their sign in 64.
const LOAD_WORD: u8 = 0x61;
const SET: u8 = 0xb4;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const COPY: u8 = 0xbc;
const JUMP: u8 = 0x05;
const JUMP_IF_EQUAL: u8 = 0x16;
const JUMP_UNLESS_EQUAL: u8 = 0x56;
const JUMP_IF_SET: u8 = 0x46;
const EXIT: u8 = 0x95;

const VERDICT: u8 = 0;
const CONTEXT: u8 = 1;
const KIND: u8 = 2;
const UNDECIDED: u8 = 3;
const NUMBER: u8 = 4;

/// Offsets in struct bpf_cgroup_dev_ctx. The kind is in the lower half of the first.
const ACCESS_TYPE: i16 = 0;
const MAJOR: i16 = 4;
const MINOR: i16 = 8;

/// Labels: where a block's decision begins, and behind the block, until these places are known.
const DECISION: i16 = i16::MAX - 1;
const NEXT: i16 = i16::MAX;
/// How many minor numbers a block may have, so that no real jump is as far.
const MINORS: usize = 1000;

fn insn(code: u8, to: u8, from: u8, offset: i16, value: i32) -> Insn {
    Insn { code, registers: from << 4 | to, offset, value }
}

fn with_value(code: u8, to: u8, value: i32) -> Insn {
    insn(code, to, 0, 0, value)
}

fn load(to: u8, at: i16) -> Insn {
    insn(LOAD_WORD, to, CONTEXT, at, 0)
}

fn jump(code: u8, register: u8, label: i16, number: u32) -> Insn {
    insn(code, register, 0, label, number.cast_signed())
}

fn next_unless_equal(register: u8, number: u32) -> Insn {
    jump(JUMP_UNLESS_EQUAL, register, NEXT, number)
}

const EXIT_INSN: Insn = Insn { code: EXIT, registers: 0, offset: 0, value: 0 };
const ALLOW: Insn = Insn { code: SET, registers: VERDICT, offset: 0, value: 1 };

/// `None`: all devices are allowed, which needs no program.
pub(super) fn compile(rules: &Rules) -> Option<Vec<Insn>> {
    let list = simplify(rules);
    if rules.allow && list.is_empty() {
        return None;
    }
    let mut program = vec![
        with_value(SET, VERDICT, 0),
        load(KIND, ACCESS_TYPE),
        insn(COPY, UNDECIDED, KIND, 0, 0),
        with_value(AND, KIND, 0xffff),
        with_value(SHIFT_RIGHT, UNDECIDED, 16),
    ];
    let alike = list.chunk_by(differ_in_minor).rev();
    program.extend(alike.flat_map(|rules| rules.chunks(MINORS)).flat_map(block));
    program.extend(rules.allow.then_some(ALLOW));
    program.push(EXIT_INSN);
    Some(program)
}

fn differ_in_minor(a: &Rule, b: &Rule) -> bool {
    let rest = |rule: &Rule| (rule.allow, rule.access, rule.devices.kind, rule.devices.major);
    rest(a) == rest(b) && a.devices.minor.is_some() && b.devices.minor.is_some()
}

/// The code of rules that differ in the minor number alone.
fn block(rules: &[Rule]) -> Vec<Insn> {
    let Some((rule, others)) = rules.split_last() else { return Vec::new() };
    let mut block = vec![next_unless_equal(KIND, rule.devices.kind as u32)];
    if let Some(major) = rule.devices.major {
        block.extend([load(NUMBER, MAJOR), next_unless_equal(NUMBER, major)]);
    }
    if let Some(minor) = rule.devices.minor {
        let others = others.iter().filter_map(|rule| rule.devices.minor);
        block.push(load(NUMBER, MINOR));
        block.extend(others.map(|minor| jump(JUMP_IF_EQUAL, NUMBER, DECISION, minor)));
        block.push(next_unless_equal(NUMBER, minor));
    }
    let decision = block.len();
    block.extend(decide(rule.allow, rule.access));
    let next = block.len();
    place(&mut block, DECISION, decision);
    place(&mut block, NEXT, next);
    block
}

/// Makes the jumps to a label lead to the instruction at `target`.
fn place(block: &mut [Insn], label: i16, target: usize) {
    for (at, insn) in block.iter_mut().enumerate().filter(|(_, insn)| insn.offset == label) {
        insn.offset = i16::try_from(target - at - 1).unwrap_or(label);
    }
}

fn decide(allow: bool, access: Access) -> Vec<Insn> {
    match (allow, access) {
        (true, Access::ALL) => vec![ALLOW, EXIT_INSN],
        (true, Access(bits)) => vec![
            with_value(AND, UNDECIDED, !i32::from(bits)),
            next_unless_equal(UNDECIDED, 0),
            ALLOW,
            EXIT_INSN,
        ],
        (false, Access::ALL) => vec![EXIT_INSN],
        (false, Access(bits)) => vec![
            insn(JUMP_IF_SET, UNDECIDED, 0, 1, i32::from(bits)),
            insn(JUMP, 0, 0, NEXT, 0),
            EXIT_INSN,
        ],
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
