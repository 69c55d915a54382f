//! Filters, as a process in the container meets them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use integration_tests::{Bundle, Value, json, known_difference, require};

const SIGSYS: i32 = 128 + libc::SIGSYS;
/// Calls of x86_64 that change nothing.
const GETPID: &str = "39";
const GETUID: &str = "102";

/// A bundle whose profile allows everything but what these entries say.
fn allowing(entries: &Value) -> Bundle {
    filtered(Bundle::new(), entries)
}

fn filtered(mut b: Bundle, entries: &Value) -> Bundle {
    b.set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": entries,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"] }),
    );
    b
}

fn entry(name: &str, action: &str) -> Value {
    json!({ "names": [name], "action": action })
}

#[test]
fn every_action_does_what_it_says() {
    require!("root");
    for (action, status, out) in [
        ("SCMP_ACT_ERRNO", 1, "EPERM"),
        ("SCMP_ACT_TRACE", 1, "ENOSYS"), // nobody traces
        ("SCMP_ACT_LOG", 0, "ok"),
        ("SCMP_ACT_KILL", SIGSYS, ""),
        ("SCMP_ACT_KILL_THREAD", SIGSYS, ""),
        ("SCMP_ACT_KILL_PROCESS", SIGSYS, ""),
        ("SCMP_ACT_TRAP", SIGSYS, ""),
    ] {
        let mut b = allowing(&json!([entry("mkdir", action)]));
        b.args(&["mkdir", "/tmp/d"]);
        let outcome = b.run().exits(status);
        assert_eq!(outcome.out(), out, "{action}");
    }
}

#[test]
fn every_architecture_of_this_byte_order_may_be_listed() {
    require!("root", "teu");
    let features = integration_tests::Runtime::get().bare().arg("features").run().ok().json();
    let all = features["linux"]["seccomp"]["archs"].clone();
    assert!(all.as_array().unwrap().len() > 5, "{all}");
    let mut b = allowing(&json!([entry("mkdir", "SCMP_ACT_ERRNO")]));
    b.set("/linux/seccomp/architectures", all);
    b.args(&["mkdir", "/tmp/d"]);
    assert_eq!(b.run().exits(1).out(), "EPERM");
}

#[test]
fn an_errno_is_the_configured_one() {
    require!("root");
    let entries = json!([{ "names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 18 }]);
    assert_eq!(allowing(&entries).run_probe_failing(&["mkdir", "/tmp/d"]), "EXDEV");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn what_no_entry_names_has_the_default_errno() {
    require!("root");
    known_difference!("calls-behind-the-filter");
    #[rustfmt::skip]
    const CODE: [u8; 18] = [
        0xb8, 39, 0, 0, 0, 0x0f, 0x05, // getpid
        0xf7, 0xd8, 0x89, 0xc7, 0xb8, 231, 0, 0, 0, 0x0f, 0x05, // exit_group(-eax)
    ];
    let mut b = Bundle::new();
    tiny(&b, &CODE);
    b.set("/process/args", json!(["/tiny"]));
    let allowed = [entry("execve", "SCMP_ACT_ALLOW"), entry("exit_group", "SCMP_ACT_ALLOW")];
    b.set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 18, "syscalls": allowed }),
    );
    b.run().exits(libc::EXDEV);
}

#[test]
fn arguments_are_compared_with_64_bits() {
    require!("root");
    for (op, value, two, given, matches) in [
        ("EQ", 0x1_0000_0005u64, 0u64, "0x100000005", true),
        ("EQ", 0x1_0000_0005, 0, "5", false),
        ("NE", 0x1_0000_0005, 0, "5", true),
        ("LT", 0x1_0000_0000, 0, "0xffffffff", true),
        ("LE", 0x1_0000_0000, 0, "0x100000001", false),
        ("GE", 0x2_0000_0000, 0, "0x1ffffffff", false),
        ("GT", 0xffff_ffff, 0, "0x100000000", true),
        ("MASKED_EQ", 0xf_0000_0000, 0x2_0000_0000, "0x1234200000005", true),
        ("MASKED_EQ", 0xf_0000_0000, 0x2_0000_0000, "0x200000000f", false),
    ] {
        let arg =
            json!({ "index": 0, "op": format!("SCMP_CMP_{op}"), "value": value, "valueTwo": two });
        let entries = json!([{ "names": ["getuid"], "action": "SCMP_ACT_ERRNO", "args": [arg] }]);
        let mut b = allowing(&entries);
        b.args(&["call", "native", GETUID, given]);
        let out = b.run().out().to_owned();
        assert_eq!(out, if matches { "EPERM" } else { "0" }, "{given} {op} {value:#x}");
    }
}

#[test]
fn all_conditions_of_an_entry_and_any_of_several_entries() {
    require!("root");
    let arg =
        |index: u32, value: u32| json!({ "index": index, "op": "SCMP_CMP_EQ", "value": value });
    let entries = json!([
        { "names": ["getuid"], "action": "SCMP_ACT_ERRNO", "args": [arg(0, 1), arg(1, 2)] },
        { "names": ["getuid"], "action": "SCMP_ACT_ERRNO", "args": [arg(5, 7)] },
    ]);
    let mut b = allowing(&entries);
    let mut call = |args: &[&str]| {
        b.args(&[&["call", "native", GETUID], args].concat());
        b.run().out().to_owned()
    };
    assert_eq!(call(&["1", "2"]), "EPERM");
    assert_eq!(call(&["1", "3"]), "0");
    assert_eq!(call(&["0", "0", "0", "0", "0", "7"]), "EPERM");
}

/// The other ways into an x86_64 kernel are filtered, too.
#[test]
#[cfg(target_arch = "x86_64")]
fn int_0x80_and_x32_have_numbers_of_their_own() {
    require!("root");
    let mut b = allowing(&json!([entry("getuid", "SCMP_ACT_ERRNO")]));
    // i386: getuid is 24, geteuid32 is 201; x86_64's 102 is socketcall there.
    for (path, number, out) in [
        ("native", GETUID, "EPERM"),
        ("int80", "24", "EPERM"),
        ("int80", "201", "0"),
        ("x32", GETUID, "EPERM"),
    ] {
        b.args(&["call", path, number]);
        assert_eq!(b.run().out(), out, "{path} {number}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn architectures_that_are_not_listed_are_killed() {
    require!("root");
    let mut b = allowing(&json!([entry("mkdir", "SCMP_ACT_ERRNO")]));
    b.set("/linux/seccomp/architectures", json!(["SCMP_ARCH_X86_64"]));
    for (path, number) in [("int80", "24"), ("x32", GETUID)] {
        b.args(&["call", path, number]);
        b.run().exits(SIGSYS);
    }
    b.args(&["call", "native", GETUID]);
    b.run().ok();
}

#[test]
fn calls_newer_than_the_profile_do_not_exist() {
    require!("root");
    known_difference!("enosys-for-new-calls");
    let mut b = Bundle::new();
    let known: Vec<&str> = MOST.split_whitespace().collect();
    b.set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{ "names": known, "action": "SCMP_ACT_ALLOW" }] }),
    );
    // mkdir is older than clone3, the newest that is named.
    for (number, out) in [("83", "EPERM"), ("440", "ENOSYS"), ("1000", "ENOSYS")] {
        b.args(&["call", "native", number]);
        assert_eq!(b.run().out(), out, "{number}");
    }
}

/// What the probe needs, with runc's own start around it.
const MOST: &str = "arch_prctl brk capget capset chdir clone clone3 close close_range dup dup3 epoll_create1 \
    epoll_ctl epoll_pwait eventfd2 execve exit exit_group faccessat2 fchdir fcntl fstat fstatfs futex getcwd getdents64 \
    getpid getppid getrandom gettid ioctl lseek lstat madvise mmap mprotect munmap nanosleep newfstatat \
    openat pipe2 poll prctl prlimit64 pread64 read readlink readlinkat recvfrom rseq rt_sigaction rt_sigprocmask \
    rt_sigreturn sched_getaffinity sched_yield sendto set_robust_list set_tid_address setgid setgroups \
    setresgid setresuid setuid sigaltstack stat statx tgkill umask uname unlinkat write writev";

/// A program that only exits, with status 42.
#[cfg(target_arch = "x86_64")]
fn tiny(b: &Bundle, code: &[u8]) {
    const BASE: u64 = 0x40_0000;
    let mut elf = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0");
    for word in [BASE + 120, 64, 0, 0x0038_0040_0000_0000, 1] {
        elf.extend_from_slice(&word.to_le_bytes());
    }
    let size = 120 + code.len() as u64;
    for word in [1 | 5 << 32, 0, BASE, BASE, size, size, 0x1000] {
        elf.extend_from_slice(&word.to_le_bytes());
    }
    elf.extend_from_slice(code);
    let path = b.rootfs().join("tiny");
    fs::write(&path, elf).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whatever the profile says of other calls, the runtime needs none of them behind the filter.
#[test]
#[cfg(target_arch = "x86_64")]
fn the_runtime_needs_next_to_nothing_behind_the_filter() {
    #[rustfmt::skip]
    const CODE: [u8; 12] = [0xbf, 42, 0, 0, 0, 0xb8, 231, 0, 0, 0, 0x0f, 0x05]; // exit_group(42)
    require!("root");
    known_difference!("calls-behind-the-filter");
    for (no_new_privileges, names) in [
        (true, json!(["execve", "exit_group"])),
        (false, json!(["execve", "exit_group", "capset"])),
    ] {
        let mut b = Bundle::new();
        tiny(&b, &CODE);
        b.set("/process/args", json!(["/tiny"]));
        b.set("/process/noNewPrivileges", json!(no_new_privileges));
        let profile = |names: &Value| {
            json!({ "defaultAction": "SCMP_ACT_KILL_PROCESS",
                "syscalls": [{ "names": names, "action": "SCMP_ACT_ALLOW" }] })
        };
        b.set("/linux/seccomp", profile(&names));
        b.run().exits(42);
        let mut names = names;
        names.as_array_mut().unwrap().extend([json!("write"), json!("close")]);
        b.set("/linux/seccomp", profile(&names));
        let container = b.create();
        container.start().ok();
        container.wait_status("stopped");
        container.finish();
    }
}

#[test]
fn the_process_has_its_own_capabilities_and_no_more() {
    require!("root");
    for (uid, no_new_privileges) in [(0, false), (0, true), (1000, false), (1000, true)] {
        let mut b = allowing(&json!([entry("mkdir", "SCMP_ACT_ERRNO")]));
        b.set("/process/user", json!({ "uid": uid, "gid": uid }));
        b.set("/process/noNewPrivileges", json!(no_new_privileges));
        let r = b.report();
        let all = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
        let held: &[&str] = if uid == 0 { &all } else { &[] };
        assert_eq!(r.caps("effective"), held);
        assert_eq!(r.caps("permitted"), held);
        assert_eq!(r.caps("bounding"), all);
        assert_eq!(r.0["seccomp"], json!(2));
    }
}

#[test]
fn an_exec_has_the_filter_of_the_container_as_it_was_at_create() {
    require!("root");
    let mut b = allowing(&json!([entry("mkdir", "SCMP_ACT_ERRNO")]));
    let container = b.start_sleeper();
    assert_eq!(container.exec(&["mkdir", "/tmp/d"]).exits(1).out(), "EPERM");
    let nobody = container.exec_process(&["mkdir", "/tmp/d"], |process| {
        process["user"] = json!({ "uid": 1000, "gid": 1000 });
        process["noNewPrivileges"] = json!(true);
    });
    assert_eq!(nobody.exits(1).out(), "EPERM");
    container.finish();
    b.remove("/linux/seccomp");
    let container = b.start_sleeper();
    container.exec(&["mkdir", "/tmp/d"]).ok();
    container.finish();
}

#[test]
fn a_damaged_filter_is_an_error_and_never_none() {
    require!("root", "teu");
    let b = allowing(&json!([entry("mkdir", "SCMP_ACT_ERRNO")]));
    let container = b.start_sleeper();
    let file = b.root().join(b.id()).join("seccomp.bpf");
    let program = fs::read(&file).unwrap();
    for damaged in [&program[..8], &[program.as_slice(), &[0; 8]].concat(), &vec![0; program.len()]]
    {
        fs::write(&file, damaged).unwrap();
        container
            .exec(&["echo", "hi"])
            .exits(255)
            .fails_with(&["is not what was stored at create"]);
    }
    fs::remove_file(&file).unwrap();
    container.exec(&["echo", "hi"]).exits(255).fails_with(&["seccomp.bpf: is missing"]);
    container.finish();
}

#[test]
fn start_container_hooks_are_under_the_filter() {
    require!("root");
    let mut b = allowing(&json!([entry("mkdir", "SCMP_ACT_ERRNO")]));
    let hook = json!([{ "path": "/probe", "args": ["/probe", "mkdir", "/tmp/d"] }]);
    b.set("/hooks", json!({ "startContainer": hook }));
    b.run().fails_with(&["hook"]);
}

#[test]
fn an_ordinary_user_can_have_a_filter() {
    require!("root", "userns");
    for no_new_privileges in [true, false] {
        let mut b = filtered(Bundle::rootless(), &json!([entry("mkdir", "SCMP_ACT_ERRNO")]));
        b.set("/process/noNewPrivileges", json!(no_new_privileges));
        b.args(&["mkdir", "/tmp/d"]);
        assert_eq!(b.run().exits(1).out(), "EPERM");
    }
}

#[test]
fn names_that_no_kernel_has_are_ignored() {
    require!("root");
    let mut b = allowing(&json!([
        { "names": ["no_such_call", "mkdir"], "action": "SCMP_ACT_ERRNO" }]));
    b.args(&["mkdir", "/tmp/d"]);
    assert_eq!(b.run().exits(1).out(), "EPERM");
}

#[test]
fn flags_are_taken() {
    require!("root");
    known_difference!("seccomp-flags");
    let all = ["LOG", "SPEC_ALLOW", "TSYNC"].map(|name| format!("SECCOMP_FILTER_FLAG_{name}"));
    for flags in [json!([]), json!(all)] {
        let mut b = allowing(&json!([entry("mkdir", "SCMP_ACT_ERRNO")]));
        b.set("/linux/seccomp/flags", flags);
        b.args(&["call", "native", GETPID]);
        assert_eq!(b.run().ok().out(), "1");
    }
}

#[test]
fn wrong_profiles_are_refused_with_the_entry_named() {
    require!("root");
    known_difference!("seccomp-strict");
    for (path, value, text) in [
        ("/action", json!("SCMP_ACT_NONSENSE"), "linux.seccomp.syscalls[0].action"),
        ("/errnoRet", json!(5000), "linux.seccomp.syscalls[0].errnoRet"),
        ("/names", json!([]), "linux.seccomp.syscalls[0].names"),
        (
            "/args",
            json!([{ "index": 6, "op": "SCMP_CMP_EQ", "value": 0 }]),
            "syscalls[0].args[0].index",
        ),
        (
            "/args",
            json!([{ "index": 0, "op": "SCMP_CMP_X", "value": 0 }]),
            "syscalls[0].args[0].op",
        ),
        ("/action", json!("SCMP_ACT_NOTIFY"), "linux.seccomp.listenerPath"),
    ] {
        let mut b = allowing(&json!([entry("mkdir", "SCMP_ACT_ERRNO")]));
        b.set(&format!("/linux/seccomp/syscalls/0{path}"), value);
        b.try_create().fails_with(&[text]);
        b.assert_clean();
    }
}

#[test]
fn explain_says_what_happens_and_why() {
    require!("root", "teu");
    let b = allowing(&json!([entry("mkdir", "SCMP_ACT_ERRNO")]));
    b.write();
    let explain = |words: &[&str]| {
        let cmd = b.verb("seccomp").arg("explain").arg("--bundle").arg(b.path());
        cmd.args(words).run().ok().stdout
    };
    let text = explain(&["mkdir"]);
    assert!(text.contains("mkdir (83): fail with EPERM (linux.seccomp.syscalls[0])"), "{text}");
    assert!(explain(&[]).contains("allow (defaultAction)"));
    assert!(explain(&["--emit"]).contains("ret #0x7fff0000"));
}

/// Shorthand for one probe that fails.
trait Failing {
    fn run_probe_failing(self, args: &[&str]) -> String;
}

impl Failing for Bundle {
    fn run_probe_failing(mut self, args: &[&str]) -> String {
        self.args(args);
        self.run().exits(1).out().to_owned()
    }
}
