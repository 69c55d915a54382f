//! What a profile means, written down as directly as possible: entry by entry for one call, with no
//! thought of speed. x86_64 kernels only.

#![allow(dead_code, reason = "seccomp-oracle uses all of it")]

use std::cmp::Reverse;

use libteu::seccomp::Arch;
use oci_spec::runtime::{
    Arch as SpecArch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompArg,
    LinuxSeccompArgBuilder, LinuxSeccompOperator as Op, LinuxSyscall,
};

use crate::interpreter::Data;

const X32_BIT: u32 = 1 << 30;
const ENOSYS: u32 = 0x0005_0000 + 38;
const KILL_THREAD: u32 = 0;

/// The value a filter has to return.
pub fn evaluate(profile: &LinuxSeccomp, call: &Data) -> u32 {
    let default = value(profile.default_action(), profile.default_errno_ret());
    match abi(profile, call) {
        Abi::Foreign => KILL_THREAD,
        Abi::New => ENOSYS,
        Abi::Known(arch) => decide(profile, arch, call, default),
    }
}

/// Several rules with conditions hold, and they do not agree.
pub fn is_contested(profile: &LinuxSeccomp, call: &Data) -> bool {
    let default = value(profile.default_action(), profile.default_errno_ret());
    let Abi::Known(arch) = abi(profile, call) else { return false };
    let found = candidates(profile, arch, call, default);
    let settled = found.iter().any(|(rank, _)| rank.is_empty());
    !settled && found.windows(2).any(|pair| pair[0].1 != pair[1].1)
}

/// The conditions of all rules about the call, whether or not they hold.
pub fn conditions(profile: &LinuxSeccomp, call: &Data) -> Vec<Vec<LinuxSeccompArg>> {
    let default = value(profile.default_action(), profile.default_errno_ret());
    let Abi::Known(arch) = abi(profile, call) else { return Vec::new() };
    let entries = profile.syscalls().iter().flatten();
    let counting = entries.filter(|entry| value(entry.action(), entry.errno_ret()) != default);
    let of_entry = |entry: &LinuxSyscall| {
        entry.names().iter().flat_map(|name| rules(entry, name, arch, call)).collect::<Vec<_>>()
    };
    counting.flat_map(of_entry).collect()
}

enum Abi {
    /// Not one of the profile's.
    Foreign,
    /// A call that is newer than all that the profile names.
    New,
    Known(Arch),
}

fn abi(profile: &LinuxSeccomp, call: &Data) -> Abi {
    let listed = |arch| profile.architectures().iter().flatten().any(|listed| *listed == arch);
    let x32 = listed(SpecArch::ScmpArchX32);
    let arch = if call.arch == Arch::X86.audit() && listed(SpecArch::ScmpArchX86) {
        Arch::X86
    } else if call.arch != Arch::X86_64.audit() {
        return Abi::Foreign;
    } else if call.number & X32_BIT != 0 {
        Arch::X32
    } else {
        Arch::X86_64
    };
    if arch != Arch::X32 || x32 {
        let permissive = [Action::ScmpActAllow, Action::ScmpActLog, Action::ScmpActTrace];
        let newest = newest(profile, arch).is_some_and(|newest| call.number > newest);
        if newest && !permissive.contains(&profile.default_action()) {
            return Abi::New;
        }
    }
    // A tracer skips a call by making its number -1.
    if !x32 && call.number >= X32_BIT && arch != Arch::X86 && call.number != u32::MAX {
        return Abi::Foreign;
    }
    Abi::Known(arch)
}

/// The highest number that the profile's names have, of calls that are reached directly.
fn newest(profile: &LinuxSeccomp, arch: Arch) -> Option<u32> {
    let names = profile.syscalls().iter().flatten().flat_map(|entry| entry.names());
    let direct = names.filter(|name| arch != Arch::X86 || selector(name).is_none());
    direct.filter_map(|name| arch.number(name)).max().filter(|newest| *newest != 0)
}

fn decide(profile: &LinuxSeccomp, arch: Arch, call: &Data, default: u32) -> u32 {
    // The first of those with the lowest rank; a rule without conditions has the lowest of all.
    let found = candidates(profile, arch, call, default);
    found.into_iter().min_by(|a, b| a.0.cmp(&b.0)).map_or(default, |(_, action)| action)
}

/// The rules that hold, in the order of the profile.
fn candidates(
    profile: &LinuxSeccomp,
    arch: Arch,
    call: &Data,
    default: u32,
) -> Vec<(Vec<Rank>, u32)> {
    let mut found = Vec::new();
    for entry in profile.syscalls().iter().flatten() {
        let action = value(entry.action(), entry.errno_ret());
        for name in entry.names().iter().filter(|_| action != default) {
            let rules = rules(entry, name, arch, call).into_iter();
            let holding = rules.filter(|rule| rule.iter().all(|arg| holds(arg, arch, call)));
            found.extend(
                holding.map(|rule| {
                    (rule.iter().map(|arg| rank(arg, arch)).collect::<Vec<_>>(), action)
                }),
            );
        }
    }
    found
}

/// The conditions under which the entry's name is about the call, one list for each rule.
fn rules(entry: &LinuxSyscall, name: &str, arch: Arch, call: &Data) -> Vec<Vec<LinuxSeccompArg>> {
    let args = entry.args().clone().unwrap_or_default();
    let repeated = (0..6).any(|i| args.iter().filter(|arg| arg.index() == i).count() > 1);
    let mut rules: Vec<Vec<LinuxSeccompArg>> =
        if repeated { args.iter().map(|arg| vec![*arg]).collect() } else { vec![args] };
    for rule in &mut rules {
        rule.retain(|arg| arg.op() != Op::ScmpCmpMaskedEq || word(arg.value(), arch) != 0);
        rule.sort_by_key(|arg| arg.index());
    }
    let direct = if arch.number(name) == Some(call.number) { rules.clone() } else { Vec::new() };
    let by_selector =
        selector(name).filter(|(by, _)| arch == Arch::X86 && arch.number(by) == Some(call.number));
    let muxed = by_selector.into_iter().flat_map(|(_, selector)| {
        rules.iter().map(move |rule| {
            let first = LinuxSeccompArgBuilder::default().value(selector).op(Op::ScmpCmpEq);
            let first = first.build().unwrap();
            let others = rule.iter().filter(|arg| arg.index() != 0);
            std::iter::once(first).chain(others.copied()).collect()
        })
    });
    direct.into_iter().chain(muxed).collect()
}

fn selector(name: &str) -> Option<(&'static str, u64)> {
    let known = [("socket", 1), ("connect", 3), ("accept4", 18)];
    let socket = known.iter().find(|(known, _)| *known == name);
    match name {
        "semop" => Some(("ipc", 1)),
        "shmctl" => Some(("ipc", 24)),
        _ => socket.map(|(_, number)| ("socketcall", *number)),
    }
}

fn word(value: u64, arch: Arch) -> u64 {
    if arch == Arch::X86_64 { value } else { value & 0xffff_ffff }
}

fn holds(arg: &LinuxSeccompArg, arch: Arch, call: &Data) -> bool {
    let (given, value) = (word(call.args[arg.index()], arch), word(arg.value(), arch));
    match arg.op() {
        Op::ScmpCmpEq => given == value,
        Op::ScmpCmpNe => given != value,
        Op::ScmpCmpLt => given < value,
        Op::ScmpCmpLe => given <= value,
        Op::ScmpCmpGe => given >= value,
        Op::ScmpCmpGt => given > value,
        Op::ScmpCmpMaskedEq => given & value == arg.value_two().unwrap_or(0) & value,
    }
}

type Rank = (Reverse<usize>, u8, u64, u8, u64);

/// Of two rules that hold, the one with the lower rank counts.
fn rank(arg: &LinuxSeccompArg, arch: Arch) -> Rank {
    let value = word(arg.value(), arch);
    let (class, place, kind, mask) = match arg.op() {
        Op::ScmpCmpEq => (0, !value, 0, 0),
        Op::ScmpCmpNe => (0, !value, 1, 0),
        Op::ScmpCmpMaskedEq => (0, !(arg.value_two().unwrap_or(0) & value), 2, value),
        Op::ScmpCmpLt => (1, value, 0, 0),
        Op::ScmpCmpLe => (1, value, 1, 0),
        Op::ScmpCmpGt => (2, !value, 0, 0),
        Op::ScmpCmpGe => (2, !value, 1, 0),
    };
    (Reverse(arg.index()), class, place, kind, mask)
}

fn value(action: Action, errno: Option<u32>) -> u32 {
    let data = errno.unwrap_or(1);
    match action {
        Action::ScmpActKill | Action::ScmpActKillThread => KILL_THREAD,
        Action::ScmpActKillProcess => 0x8000_0000,
        Action::ScmpActTrap => 0x0003_0000,
        Action::ScmpActErrno => 0x0005_0000 | data,
        Action::ScmpActNotify => 0x7fc0_0000,
        Action::ScmpActTrace => 0x7ff0_0000 | data,
        Action::ScmpActLog => 0x7ffc_0000,
        Action::ScmpActAllow => 0x7fff_0000,
    }
}
