//! Keys of the configuration in another case, which mean the same to everybody who reads it in Go.

use integration_tests::{Bundle, Value, json, known_difference, require};

/// Gives what is at a JSON pointer another name.
fn rename(b: &mut Bundle, pointer: &str, name: &str) {
    let value = b.config().pointer(pointer).cloned().unwrap();
    let parent = &pointer[..pointer.rfind('/').unwrap()];
    b.remove(pointer).set(&format!("{parent}/{name}"), value);
}

#[test]
fn what_confines_the_container_counts_in_any_case() {
    require!("root");
    known_difference!("key-case");
    let mut b = Bundle::new();
    b.file("etc/secret", "hidden");
    b.set("/root/readonly", true)
        .set("/process/noNewPrivileges", true)
        .set("/linux/maskedPaths", json!(["/etc/secret"]))
        .set(
            "/linux/seccomp",
            json!({ "DEFAULTACTION": "SCMP_ACT_ALLOW",
                "Syscalls": [{ "Names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errNoRet": 95 }] }),
        );
    let calls = ["seq", "read", "/etc/secret", "--", "write", "/x", "1", "--", "mkdir", "/tmp/d"];
    b.args(&calls);
    for (pointer, name) in [
        ("/root/readonly", "readOnly"),
        ("/process/noNewPrivileges", "nonewprivileges"),
        ("/linux/maskedPaths", "MaskedPaths"),
        ("/linux/seccomp", "Seccomp"),
        ("/linux", "Linux"),
        ("/root", "ROOT"),
        ("/process", "Process"),
    ] {
        rename(&mut b, pointer, name);
    }
    assert_eq!(b.run().out(), "\nEROFS\nEOPNOTSUPP");
    b.set("/Process/args", json!(["/probe", "report"]));
    let report: Value = serde_json::from_str(&b.run().ok().stdout).unwrap();
    assert_eq!(report["no_new_privs"], true);
}

#[test]
fn the_process_of_an_exec_counts_in_any_case() {
    require!("container");
    known_difference!("key-case");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let outcome = c.exec_process(&["report"], |process| {
        process["Env"] = json!(["A=b"]);
        process["NoNewPrivileges"] = json!(true);
        process["CWD"] = json!("/tmp");
        for exact in ["env", "noNewPrivileges", "cwd"] {
            process.as_object_mut().unwrap().remove(exact);
        }
    });
    let report = integration_tests::Report(serde_json::from_str(&outcome.ok().stdout).unwrap());
    assert_eq!((report.env("A"), &report["no_new_privs"]), (Some("b"), &json!(true)));
    assert_eq!(report["cwd"], "/tmp");
}

#[test]
fn limits_count_in_any_case() {
    require!("container", "delegation");
    known_difference!("key-case");
    let mut b = Bundle::new();
    b.set("/linux/Resources", json!({ "PIDs": { "Limit": 20 }, "CPU": { "Shares": 100 } }));
    let c = b.start_sleeper();
    c.cgroup().is(("pids.max", "20"), ("pids.max", "20"));
    let update = json!({ "Pids": { "LIMIT": 30 } }).to_string();
    b.verb("update").args(["-r", "-", b.id()]).stdin(update).run().ok();
    c.cgroup().is(("pids.max", "30"), ("pids.max", "30"));
}

#[test]
fn names_in_maps_are_not_keys() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/annotations", json!({ "Process": "a", "process": "b", "Linux": "c" }));
    let c = b.start_sleeper();
    assert_eq!(c.state()["annotations"], *b.config().pointer("/annotations").unwrap());
}

#[test]
fn a_key_in_two_spellings_is_refused() {
    require!("container");
    known_difference!("key-twice");
    let mut b = Bundle::new();
    let linux = b.config().pointer("/linux").cloned().unwrap();
    b.set("/Linux", linux);
    b.try_create().fails_with(&["duplicate field `linux`"]);
    b.assert_clean();
}
