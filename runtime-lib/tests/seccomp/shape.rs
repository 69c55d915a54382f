//! How short programs are, and that the kernel can decide allowed calls beforehand.

use libteu::seccomp::{Arch, Filter, Instruction};
use oci_spec::runtime::LinuxSeccomp;

use crate::interpreter::{Data, check, run};

const ALLOW: u32 = 0x7fff_0000;

/// What Docker 20.10 sends for `docker run`.
fn docker() -> LinuxSeccomp {
    serde_json::from_str(include_str!("docker.json")).unwrap()
}

fn filter() -> Filter {
    Filter::compile_for(&docker(), Arch::X86_64).unwrap()
}

/// `seccomp_is_const_allow` of kernel/seccomp.c: follows the program for a number; an argument that is
/// loaded means that it cannot tell.
fn is_const_allow(program: &[Instruction], number: u32, arch: u32) -> bool {
    let looks_at_arguments = |len: usize| {
        // Cut off at each length: the first argument load would be the last instruction reached.
        program.get(len).is_some_and(|i| i.code == 0x20 && i.k >= 8)
    };
    let data = Data { number, arch, args: [0; 6] };
    let (mut accumulator, mut at) = (0, 0);
    loop {
        if looks_at_arguments(at) {
            return false;
        }
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        let skip = |holds: bool| usize::from(if holds { jt } else { jf });
        match code {
            0x20 => accumulator = if k == 0 { data.number } else { data.arch },
            0x05 => at += k as usize,
            0x15 => at += skip(accumulator == k),
            0x25 => at += skip(accumulator > k),
            0x35 => at += skip(accumulator >= k),
            0x06 => return k == ALLOW,
            _ => return false,
        }
    }
}

#[test]
fn a_lookup_in_dockers_profile_is_short() {
    let filter = filter();
    let program = filter.instructions();
    check(program).unwrap();
    let steps = |number| run(program, &Data { number, arch: Arch::X86_64.audit(), args: [0; 6] }).1;
    let longest = (0..470).map(steps).max().unwrap();
    let total: usize = (0..470).map(steps).sum();
    println!("{} instructions; {longest} at most, {} on average", program.len(), total / 470);
    assert!(program.len() < 400, "{}", program.len());
    assert!(longest <= 20, "{longest}");
    assert!(total / 470 <= 12, "{}", total / 470);
}

#[test]
fn calls_that_are_always_allowed_are_known_to_be() {
    let filter = filter();
    for (arch, names) in [
        (Arch::X86_64, ["read", "openat", "futex", "clone3"].as_slice()),
        (Arch::X86, ["read", "openat", "socketcall"].as_slice()),
    ] {
        for name in names {
            let number = arch.number(name).unwrap();
            let data = Data { number, arch: arch.audit(), args: [0; 6] };
            let allowed = run(filter.instructions(), &data).0 == ALLOW;
            assert_eq!(
                is_const_allow(filter.instructions(), number, arch.audit()),
                allowed,
                "{arch} {name}"
            );
        }
    }
    let personality = Arch::X86_64.number("personality").unwrap();
    assert!(!is_const_allow(filter.instructions(), personality, Arch::X86_64.audit()));
}
