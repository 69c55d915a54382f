//! Random profiles and calls. Few names and values, so that they meet.

#![allow(dead_code, reason = "seccomp-oracle uses all of it")]

use libteu::seccomp::Arch;
use oci_spec::runtime::LinuxSeccomp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::interpreter::Data;

const NAMES: [&str; 20] = [
    "read",
    "open",
    "clone",
    "personality",
    "socket",
    "connect",
    "accept4",
    "semop",
    "shmctl",
    "socketcall",
    "ipc",
    "execve",
    "ioctl",
    "_llseek",
    "clone3",
    "openat2",
    "futex_waitv",
    "mknod",
    "no_such_call",
    "set_tls",
];
const ARCHES: [&str; 4] =
    ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64"];
const OPERATORS: [&str; 7] = [
    "SCMP_CMP_NE",
    "SCMP_CMP_LT",
    "SCMP_CMP_LE",
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_MASKED_EQ",
];
const VALUES: [u64; 12] = [
    0,
    1,
    2,
    5,
    0x7e02_0000,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0005,
    0xffff_ffff_0000_0000,
    u64::MAX - 1,
    u64::MAX,
];

fn action() -> impl Strategy<Value = (&'static str, Option<u32>)> {
    prop_oneof![
        3 => Just(("SCMP_ACT_ALLOW", None)),
        2 => prop_oneof![Just(None), Just(Some(38)), Just(Some(1)), Just(Some(22))]
            .prop_map(|errno| ("SCMP_ACT_ERRNO", errno)),
        1 => prop_oneof![Just(None), Just(Some(7))].prop_map(|data| ("SCMP_ACT_TRACE", data)),
        1 => prop_oneof![
            Just("SCMP_ACT_KILL"), Just("SCMP_ACT_KILL_PROCESS"), Just("SCMP_ACT_TRAP"),
            Just("SCMP_ACT_LOG"),
        ].prop_map(|action| (action, None)),
    ]
}

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![8 => proptest::sample::select(&VALUES[..]), 1 => any::<u64>()]
}

fn argument(indices: usize) -> impl Strategy<Value = Value> {
    (0..indices, proptest::sample::select(&OPERATORS[..]), value(), value()).prop_map(
        |(index, op, one, two)| json!({"index": index, "op": op, "value": one, "valueTwo": two}),
    )
}

fn entry() -> impl Strategy<Value = Value> {
    let names = proptest::collection::vec(proptest::sample::select(&NAMES[..]), 1..6);
    let args = prop_oneof![
        1 => Just(Vec::new()),
        1 => proptest::collection::vec(argument(6), 1..4),
        1 => proptest::collection::vec(argument(2), 1..3),
    ];
    (names, action(), args).prop_map(|(names, (action, errno), args)| {
        let mut entry = json!({"names": names, "action": action, "args": args});
        if let Some(errno) = errno {
            entry["errnoRet"] = errno.into();
        }
        entry
    })
}

/// A profile of up to `entries` entries.
pub fn profile(entries: usize) -> impl Strategy<Value = LinuxSeccomp> {
    let arches = proptest::sample::subsequence(&ARCHES[..], 0..=ARCHES.len());
    let entries = proptest::collection::vec(entry(), 0..entries);
    (action(), arches, entries).prop_map(|((action, errno), arches, entries)| {
        let mut profile =
            json!({"defaultAction": action, "architectures": arches, "syscalls": entries});
        if let Some(errno) = errno {
            profile["defaultErrnoRet"] = errno.into();
        }
        serde_json::from_value(profile).unwrap()
    })
}

/// Rules with different actions for one call on a handful of values: most calls are contested.
pub fn quarrel() -> impl Strategy<Value = (LinuxSeccomp, Data)> {
    const SMALL: [u64; 5] = [0, 1, 2, 3, 6];
    let small = || proptest::sample::select(&SMALL[..]);
    let arg = (0..2usize, proptest::sample::select(&OPERATORS[..]), small(), small()).prop_map(
        |(index, op, one, two)| json!({"index": index, "op": op, "value": one, "valueTwo": two}),
    );
    let entry = (action(), proptest::collection::vec(arg, 1..3)).prop_map(
        |((action, errno), args)| json!({"names": ["read"], "action": action, "args": args, "errnoRet": errno}),
    );
    let arch = prop_oneof![Just((Arch::X86_64.audit(), 0u32)), Just((Arch::X86.audit(), 3))];
    (proptest::collection::vec(entry, 2..4), arch, small(), small()).prop_map(
        |(entries, (arch, number), one, two)| {
            let profile = json!({"defaultAction": "SCMP_ACT_ALLOW",
                "architectures": ["SCMP_ARCH_X86"], "syscalls": entries});
            let args = [one, two, 0, 0, 0, 0];
            (serde_json::from_value(profile).unwrap(), Data { number, arch, args })
        },
    )
}

fn number() -> impl Strategy<Value = u32> {
    let named =
        (proptest::sample::select(&NAMES[..]), 0..3usize, 0..3u32).prop_map(|(name, arch, off)| {
            let arch = [Arch::X86_64, Arch::X86, Arch::X32][arch];
            arch.number(name).unwrap_or(0).wrapping_add(off).wrapping_sub(1)
        });
    let edges = [0, 500, 1000, 1 << 30, (1 << 30) + 1000, 1 << 31, 3 << 30, u32::MAX - 1, u32::MAX];
    prop_oneof![8 => named, 1 => proptest::sample::select(edges.to_vec()), 1 => any::<u32>()]
}

/// A call as a filter sees it.
pub fn call() -> impl Strategy<Value = Data> {
    let arch = proptest::sample::select(vec![
        Arch::X86_64.audit(),
        Arch::X86_64.audit(),
        Arch::X86.audit(),
        Arch::Aarch64.audit(),
    ]);
    let near = (value(), 0..3u64).prop_map(|(value, off)| value.wrapping_add(off).wrapping_sub(1));
    let arg = prop_oneof![near, (1..25u64)];
    (number(), arch, proptest::array::uniform6(arg)).prop_map(|(number, arch, args)| Data {
        number,
        arch,
        args,
    })
}
