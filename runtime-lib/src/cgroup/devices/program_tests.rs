use proptest::prelude::*;

use super::super::rules::{Devices, Kind, Source};
use super::super::tests::{Listed, Request, config, lists, meaning, requests};
use super::*;

/// What the kernel does with the program, as far as programs made here go.
fn run(program: &[Insn], request: Request) -> bool {
    let Request { kind, major, minor, access } = request;
    let context = [u32::from(access.0) << 16 | kind as u32, major, minor];
    let mut registers = [0xdead_beef_u32; 11];
    let mut at = 0_usize;
    loop {
        let Insn { code, registers: pair, offset, value } = program[at];
        let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
        let value = value.cast_unsigned();
        at += 1;
        let mut jump = |condition: bool| {
            assert!(offset >= 0, "a loop");
            at += if condition { usize::try_from(offset).unwrap() } else { 0 };
        };
        match code {
            LOAD_WORD if from == 1 => {
                registers[to] = context[usize::try_from(offset).unwrap() / 4];
            }
            SET => registers[to] = value,
            COPY => registers[to] = registers[from],
            AND => registers[to] &= value,
            SHIFT_RIGHT => registers[to] >>= value,
            JUMP => jump(true),
            JUMP_IF_EQUAL => jump(registers[to] == value),
            JUMP_UNLESS_EQUAL => jump(registers[to] != value),
            JUMP_IF_SET => jump(registers[to] & value != 0),
            EXIT => return registers[0] == 1,
            _ => panic!("{code:#x}"),
        }
    }
}

fn program(rules: &[Listed]) -> Vec<Insn> {
    compile(&Rules::parse(&config(rules)).unwrap()).unwrap()
}

#[test]
fn all_devices_need_no_program() {
    let all = Rules::parse(&config(&[(true, None, None, None, "rwm")])).unwrap();
    assert_eq!(compile(&all), None);
}

#[test]
fn what_is_listed_twice_is_compiled_once() {
    let defaults = program(&[]);
    assert_eq!(defaults.len(), 5 + 2 * 5 + 11 + 8 + 5 + 7 + 1);
    let docker = program(&[
        (false, None, None, None, "rwm"),
        (true, Some('c'), Some(1), Some(5), "rwm"),
        (true, Some('c'), Some(1), Some(3), "r"),
        (true, Some('c'), None, None, "m"),
        (false, Some('c'), Some(10), Some(229), "rw"),
    ]);
    assert_eq!(docker.len(), defaults.len());
}

#[test]
fn minor_numbers_are_looked_for_in_blocks() {
    let devices = |minor| Devices { kind: Kind::Block, major: Some(8), minor: Some(minor) };
    let rule = |minor| Rule {
        allow: true,
        devices: devices(minor),
        access: Access(2),
        source: Source::Default,
    };
    let list = (0..2500).map(rule).collect();
    let program = compile(&Rules { allow: false, list }).unwrap();
    assert_eq!(program.len(), 6 + 2500 + 3 * 8);
    for (minor, allowed) in [(0, true), (999, true), (1000, true), (2499, true), (2500, false)] {
        let request = Request { kind: Kind::Block, major: 8, minor, access: Access(2) };
        assert_eq!(run(&program, request), allowed, "{minor}");
    }
}

#[test]
fn a_request_for_several_kinds_does_not_pass_by_a_rule_for_one() {
    let program =
        program(&[(true, None, None, None, "rwm"), (false, Some('c'), Some(3), None, "w")]);
    let request = |bits| {
        run(&program, Request { kind: Kind::Char, major: 3, minor: 1, access: Access(bits) })
    };
    let (read, write) = (2, 4);
    assert!(request(read));
    assert!(!request(write) && !request(read | write));
}

#[test]
fn several_rules_together_allow_a_request() {
    let program =
        program(&[(true, Some('c'), Some(3), None, "w"), (true, Some('c'), None, Some(1), "r")]);
    let request =
        |minor| run(&program, Request { kind: Kind::Char, major: 3, minor, access: Access(2 | 4) });
    assert!(request(1) && !request(0));
}

/// How long a compilation takes, for docs/design-notes.md:
/// `cargo test --release -p libteu -- --ignored --nocapture compilation_takes`.
#[test]
#[ignore = "a measurement"]
fn compilation_takes() {
    let docker = config(&[
        (false, None, None, None, "rwm"),
        (true, Some('c'), Some(1), Some(5), "rwm"),
        (true, Some('c'), Some(1), Some(3), "rwm"),
        (true, Some('c'), Some(1), Some(9), "rwm"),
        (true, Some('c'), Some(1), Some(8), "rwm"),
        (true, Some('c'), Some(5), Some(0), "rwm"),
        (true, Some('c'), Some(5), Some(1), "rwm"),
        (false, Some('c'), Some(10), Some(229), "rwm"),
    ]);
    let rounds = 100_000;
    let started = std::time::Instant::now();
    for _ in 0..rounds {
        std::hint::black_box(compile(&Rules::parse(std::hint::black_box(&docker)).unwrap()));
    }
    eprintln!("{} ns", started.elapsed().as_nanos() / rounds);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_last_rule_wins(list in lists()) {
        let rules = Rules::parse(&list).unwrap();
        let program = compile(&rules);
        for request in requests() {
            let verdict = program.as_ref().is_none_or(|program| run(program, request));
            prop_assert_eq!(verdict, meaning(&rules, request), "{:?}", request);
        }
    }
}
