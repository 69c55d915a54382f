use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::super::program::compile;
use super::super::rules::{Access, Devices, Kind, Rule, Rules, Source};
use super::super::tests::lists;
use super::*;
use crate::cgroup::{Layout, may_use_real_cgroups, skip};

const READ: Access = Access(2);
const WRITE: Access = Access(4);
const ZERO: Devices = Devices { kind: Kind::Char, major: Some(1), minor: Some(5) };
const FULL: Devices = Devices { kind: Kind::Char, major: Some(1), minor: Some(7) };
const MEMORY: Devices = Devices { kind: Kind::Char, major: Some(1), minor: None };

fn rule(allow: bool, devices: Devices, access: Access) -> Rule {
    Rule { allow, devices, access, source: Source::Default }
}

fn program(allow: bool, list: &[Rule]) -> Vec<Insn> {
    compile(&Rules { allow, list: list.to_vec() }).unwrap()
}

/// A v2 cgroup of this host. Device programs work in the v2 hierarchy of hybrid hosts, too.
struct Real {
    dir: PathBuf,
}

impl Real {
    fn new(name: &str) -> Option<Self> {
        if !may_use_real_cgroups() {
            return None;
        }
        let Some(unified) = Layout::probe().unwrap().unified else {
            skip("SKIP: needs a v2 hierarchy");
            return None;
        };
        let dir = unified.mount.join(format!("teu-test-{name}-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        Some(Self { dir })
    }

    fn put(&self, program: &[Insn]) {
        replace(&self.dir, Some(program)).unwrap();
    }

    fn attached(&self) -> Vec<u32> {
        let cgroup = fs::File::open(&self.dir).unwrap();
        bpf::attached(cgroup.as_fd()).unwrap()
    }

    fn spawn(&self, script: &str) -> Child {
        let join = format!("echo 0 > {}/cgroup.procs || exit 99\n", self.dir.display());
        let mut command = Command::new("sh");
        command.args(["-c", &(join + script)]).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// The exit status of a script in the cgroup.
    fn run(&self, script: &str) -> i32 {
        self.spawn(script).wait().unwrap().code().unwrap()
    }

    fn can(&self, script: &str) -> bool {
        match self.run(&format!("({script}) || exit 1")) {
            0 => true,
            1 => false,
            other => panic!("{other}"),
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        drop(crate::cgroup::remove::remove_dirs(vec![&self.dir]));
    }
}

#[test]
fn real_the_kernel_asks_the_program() {
    let Some(real) = Real::new("bpf") else { return };
    let every = [": < /dev/zero", ": >> /dev/zero", ": <> /dev/zero", ": < /dev/full"];
    let can = |real: &Real| every.map(|script| real.can(script));
    assert_eq!(can(&real), [true; 4]);
    real.put(&program(false, &[rule(true, ZERO, READ)]));
    assert_eq!(can(&real), [true, false, false, false]);
    real.put(&program(false, &[rule(true, MEMORY, Access::ALL), rule(false, ZERO, READ)]));
    assert_eq!(can(&real), [false, true, false, true]);
    real.put(&program(true, &[rule(false, ZERO, WRITE)]));
    assert_eq!(can(&real), [true, false, false, true]);
    replace(&real.dir, None).unwrap();
    assert_eq!(can(&real), [true; 4]);
    assert!(real.attached().is_empty());
}

#[test]
fn real_making_nodes_is_a_kind_of_access() {
    let Some(real) = Real::new("mknod") else { return };
    let dir = tempfile::tempdir().unwrap();
    let node = |name: &str, number: &str| format!("mknod {}/{name} {number}", dir.path().display());
    real.put(&program(false, &[rule(true, ZERO, Access::MKNOD)]));
    assert!(real.can(&node("zero", "c 1 5")));
    assert!(!real.can(&node("full", "c 1 7")));
    assert!(!real.can(&node("block", "b 1 5")));
    assert!(!real.can(": < /dev/zero"));
}

/// A process that runs sees no moment without rules, and none in which what both allow is denied.
#[test]
fn real_replacement_is_one_step() {
    let Some(real) = Real::new("replace") else { return };
    let one = program(false, &[rule(true, ZERO, READ)]);
    let other = program(true, &[rule(false, FULL, Access::ALL)]);
    real.put(&one);
    let mut child = real.spawn(
        "i=0
         while [ $i -lt 20000 ]; do
             : < /dev/zero
             if true < /dev/full; then exit 3; fi
             i=$((i + 1))
         done
         exit 42",
    );
    let mut rounds = 0;
    let status = loop {
        for next in [&other, &one] {
            real.put(next);
        }
        rounds += 1;
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
    };
    assert_eq!(status.code(), Some(42), "after {rounds} rounds");
    assert!(rounds > 10, "{rounds}");
    assert_eq!(real.attached().len(), 1);
}

#[test]
fn real_others_programs_do_not_stay() {
    let Some(real) = Real::new("others") else { return };
    let cgroup = fs::File::open(&real.dir).unwrap();
    let deny = load(&program(false, &[])).unwrap();
    let full = load(&program(false, &[rule(true, FULL, READ)])).unwrap();
    for program in [&deny, &full] {
        bpf::attach(cgroup.as_fd(), program.as_fd(), None).unwrap();
    }
    assert_eq!(real.attached().len(), 2);
    real.put(&program(false, &[rule(true, ZERO, READ)]));
    assert_eq!(real.attached().len(), 1);
    assert!(real.can(": < /dev/zero") && !real.can(": < /dev/full"));
}

#[test]
fn real_a_failure_leaves_the_old_rules() {
    let Some(real) = Real::new("failure") else { return };
    real.put(&program(false, &[rule(true, ZERO, READ)]));
    let before = real.attached();
    let mut broken = program(false, &[]);
    broken.pop();
    let text = replace(&real.dir, Some(&broken)).unwrap_err().to_string();
    let expected = "bpf(BPF_PROG_LOAD) linux.resources.devices (the verifier: ";
    assert!(text.starts_with(expected) && text.contains("): EINVAL: "), "{text}");
    assert!(text.len() < 500 && !text.contains('\n'), "{text}");
    assert_eq!(real.attached(), before);
}

#[test]
fn real_the_verifier_takes_what_is_compiled() {
    if !may_use_real_cgroups() {
        return;
    }
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let taken = TestRunner::new(config).run(&lists(), |list| {
        let program = compile(&Rules::parse(&list).unwrap());
        program.map_or(Ok(()), |program| {
            load(&program).map(drop).map_err(|e| TestCaseError::fail(e.to_string()))
        })
    });
    taken.unwrap();
}

/// `n` rules that each leave something undecided, which is the most work for the verifier.
fn many(n: u32) -> Vec<Insn> {
    let fine = |n: u32| {
        let devices = Devices { kind: Kind::Char, major: Some(n % 100), minor: Some(n) };
        let access = if n.is_multiple_of(2) { READ } else { WRITE };
        rule(n.is_multiple_of(3), devices, access)
    };
    let all = rule(true, Devices { major: None, ..MEMORY }, READ.with(WRITE));
    let list: Vec<_> = std::iter::once(all).chain((0..n).map(fine)).collect();
    program(false, &list)
}

#[test]
fn real_the_verifier_takes_thousands_of_rules() {
    if !may_use_real_cgroups() {
        return;
    }
    load(&many(2500)).unwrap();
    let text = load(&many(6000)).unwrap_err().to_string();
    assert!(text.ends_with("(there are too many device rules)"), "{text}");
}
