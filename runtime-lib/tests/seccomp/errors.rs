//! What is refused, and how the error names it.

use libteu::ErrorKind;
use libteu::seccomp::{Filter, explain};
use oci_spec::runtime::LinuxSeccomp;
use serde_json::{Value, json};

fn profile(json: Value) -> LinuxSeccomp {
    serde_json::from_value(json).unwrap()
}

fn with_entry(entry: Value) -> Value {
    json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["close"], "action": "SCMP_ACT_LOG"}, entry]})
}

fn refused(json: Value) -> String {
    let e = Filter::compile(&profile(json)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidInput, "{e}");
    let text = e.to_string();
    text.strip_prefix("config.json: linux.seccomp.").unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn errors_name_the_entry() {
    let arg = |index: u32| json!({"index": index, "value": 1, "op": "SCMP_CMP_EQ"});
    for (json, start) in [
        (
            with_entry(json!({"names": [], "action": "SCMP_ACT_LOG"})),
            "syscalls[1].names: must name",
        ),
        (
            with_entry(json!({"names": ["read", ""], "action": "SCMP_ACT_LOG"})),
            "syscalls[1].names[1]: empty string",
        ),
        (
            with_entry(
                json!({"names": ["read"], "action": "SCMP_ACT_LOG", "args": [arg(0), arg(6)]}),
            ),
            "syscalls[1].args[1].index: system calls have up to 6",
        ),
        (
            with_entry(json!({"names": ["read"], "action": "SCMP_ACT_TRAP", "errnoRet": 1})),
            "syscalls[1].errnoRet: SCMP_ACT_TRAP does not take one",
        ),
        (
            with_entry(json!({"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5000})),
            "syscalls[1].errnoRet: must be at most 4095",
        ),
        (
            with_entry(json!({"names": ["write"], "action": "SCMP_ACT_NOTIFY"})),
            "syscalls[1].names[0]: SCMP_ACT_NOTIFY cannot be used for the write syscall",
        ),
        (json!({"defaultAction": "SCMP_ACT_NOTIFY"}), "defaultAction: SCMP_ACT_NOTIFY cannot"),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}),
            "defaultErrnoRet: SCMP_ACT_ALLOW does not take one",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390X"]}),
            "architectures[0]: SCMP_ARCH_S390X has another byte order",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW",
                "flags": ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]}),
            "flags[0]: needs an entry with SCMP_ACT_NOTIFY",
        ),
        (
            json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["read"], "action": "SCMP_ACT_LOG", "args": [arg(1)]},
                {"names": ["read"], "action": "SCMP_ACT_TRAP", "args": [arg(1)]}]}),
            "syscalls[1].action: contradicts syscalls[0], which has the same conditions for read",
        ),
    ] {
        let text = refused(json);
        assert!(text.starts_with(start), "{text}");
    }
}

#[test]
fn a_program_that_the_kernel_would_not_take_is_refused() {
    let entries: Vec<Value> = (0..3000u32)
        .map(|n| {
            json!({"names": ["ioctl"], "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": n},
                         {"index": 1, "op": "SCMP_CMP_EQ", "value": n}]})
        })
        .collect();
    let text = refused(json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": entries}));
    assert!(text.starts_with("syscalls: needs "), "{text}");
}

#[test]
fn explanations_name_the_entry_and_the_reason() {
    let profile = profile(json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read", "openat2", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}));
    let text = |call: &str| explain(&profile, Some(call)).unwrap().to_string();
    assert!(text("read").ends_with(": allow (linux.seccomp.syscalls[0])"), "{}", text("read"));
    assert_eq!(text("no_such_call").matches("ignored").count(), 1);
    assert!(text("write").contains("fail with EPERM (defaultAction, no entry)"));
    assert!(text("futex_waitv").contains("fail with ENOSYS, newer than every call"));
    let personality = text("personality");
    assert!(personality.contains("if arg0 == 0x8: allow (linux.seccomp.syscalls[1])"));
    assert!(personality.contains("otherwise fail with EPERM (defaultAction)"));
    let whole = explain(&profile, None).unwrap().to_string();
    assert!(whole.contains("ignored, unknown to any kernel: no_such_call"), "{whole}");
}
