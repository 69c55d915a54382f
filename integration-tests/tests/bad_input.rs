//! Configurations and command lines that must be refused, with a word on why, and without a trace.

use std::fs;

use integration_tests::{Bundle, Runtime, Value, json, known_difference, require};

/// `create` fails, does not crash, names the culprit and leaves nothing.
#[track_caller]
fn refused(b: &Bundle, any: &[&str]) {
    let outcome = b.try_create();
    assert!(!outcome.stderr.contains("panic"), "{outcome:#?}");
    outcome.fails_with(any);
    b.assert_clean();
}

#[test]
fn text_that_is_not_json_is_refused() {
    require!("container");
    for text in ["", "{", "[]", "null", "{\"ociVersion\": 7}", "\u{0}"] {
        let b = Bundle::new();
        fs::write(b.path().join("config.json"), text).unwrap();
        let create = b.verb("create").arg("--bundle").arg(b.path()).arg(b.id()).run();
        assert!(!create.stderr.contains("panicked"), "{create:#?}");
        create.fails();
        b.assert_clean();
    }
}

#[test]
fn an_invalid_version_is_refused() {
    require!("container");
    known_difference!("invalid-version");
    for version in ["invalid", "", "2.0.0"] {
        let mut b = Bundle::new();
        b.set("/ociVersion", version);
        refused(&b, &["version"]);
    }
}

#[test]
fn a_process_without_arguments_is_refused() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/process/args", json!([]));
    refused(&b, &["args"]);
}

#[test]
fn a_missing_root_is_refused() {
    require!("container");
    let mut b = Bundle::new();
    b.remove("/root");
    refused(&b, &["root"]);
}

#[test]
fn a_relative_working_directory_is_refused() {
    require!("container");
    known_difference!("relative-cwd");
    let mut b = Bundle::new();
    b.set("/process/cwd", "tmp");
    refused(&b, &["cwd"]);
}

#[test]
fn a_root_that_is_missing_or_a_file_is_refused() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/root/path", "no-such-rootfs");
    refused(&b, &["no-such-rootfs"]);
    fs::write(b.path().join("file"), "").unwrap();
    b.set("/root/path", "file");
    refused(&b, &["file", "not a directory"]);
}

#[test]
fn ids_that_could_be_paths_are_refused() {
    require!("container");
    known_difference!("id-characters");
    let b = Bundle::new();
    b.write();
    for id in ["", ".", "..", "a/b", "../x", "a b", "ä", "a\nb", "-x/"] {
        let create = b.verb("create").arg("--bundle").arg(b.path()).args(["--", id]).run();
        assert!(!create.stderr.contains("panicked"), "{create:#?}");
        create.fails();
    }
    assert!(b.leaks().state.is_empty(), "{:?}", b.leaks());
}

#[test]
fn every_character_that_runc_allows_in_an_id_is_allowed() {
    require!("container");
    let b = Bundle::probe(&["echo", "ok"]);
    b.write();
    // The name of a unit may have no plus (systemd.unit(5)).
    let plus = if Runtime::systemd() { "" } else { "+" };
    let id = format!("{}_A.b{plus}c-D", b.id());
    assert_eq!(b.verb("run").arg("--bundle").arg(b.path()).arg(&id).run().ok().out(), "ok");
}

#[test]
fn the_number_of_arguments_is_checked() {
    require!("container");
    let b = Bundle::new();
    b.write();
    b.verb("create").run().fails();
    b.verb("create").arg("--bundle").arg(b.path()).args(["a", "b"]).run().fails();
    b.verb("start").run().fails();
    b.verb("state").run().fails();
    b.verb("delete").run().fails();
    b.verb("exec").arg("a").run().fails();
    assert!(b.leaks().state.is_empty(), "{:?}", b.leaks());
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    require!("container");
    known_difference!("wrong-types");
    let cases: [(&str, Value); 8] = [
        ("/process/args", json!("sh")),
        ("/process/user/uid", json!("root")),
        ("/process/user/uid", json!(-1)),
        ("/process/user/uid", json!(4_294_967_296_u64)),
        ("/process/env", json!({ "A": "b" })),
        ("/mounts", json!({})),
        ("/linux/namespaces", json!("pid")),
        ("/root/readonly", json!("yes")),
    ];
    for (pointer, value) in cases {
        let mut b = Bundle::new();
        b.set(pointer, value.clone());
        let outcome = b.try_create();
        assert!(
            outcome.status != 0 && !outcome.stderr.contains("panicked"),
            "{pointer} = {value}: {outcome:#?}"
        );
        b.assert_clean();
    }
}

#[test]
fn a_nul_byte_in_a_string_is_refused() {
    require!("container");
    known_difference!("nul-bytes");
    for pointer in
        ["/process/cwd", "/process/args/0", "/process/env/0", "/hostname", "/mounts/0/destination"]
    {
        let mut b = Bundle::new();
        b.set(pointer, "/a\u{0}b");
        let outcome = b.try_create();
        assert!(
            outcome.status != 0 && !outcome.stderr.contains("panicked"),
            "{pointer}: {outcome:#?}"
        );
        b.assert_clean();
    }
}

#[test]
fn a_hostname_that_is_too_long_is_refused() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/hostname", "x".repeat(65));
    refused(&b, &["hostname", "sethostname"]);
}

#[test]
fn a_mount_without_a_destination_is_refused() {
    require!("container");
    let mut b = Bundle::new();
    b.push("/mounts", json!({ "type": "tmpfs", "source": "tmpfs" }));
    refused(&b, &["destination", "mounts"]);
}

#[test]
fn a_huge_argument_list_is_refused_by_the_kernel_and_reported() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/process/env", vec![format!("A={}", "x".repeat(200_000))]);
    let outcome = b.run();
    outcome.fails_with(&["argument list too long", "E2BIG"]);
}

#[test]
fn a_state_root_that_cannot_be_made_is_an_error() {
    require!("container");
    let b = Bundle::new();
    b.write();
    let create = Runtime::get().bare().args(["--root", "/proc/no/such", "create", "--bundle"]);
    create.arg(b.path()).arg(b.id()).run().fails();
    b.assert_clean();
}

#[test]
fn a_damaged_state_file_is_an_error_and_delete_by_force_clears_it() {
    require!("container");
    known_difference!("damaged-state");
    let b = Bundle::new();
    let dir = b.root().join("broken");
    fs::create_dir(&dir).unwrap();
    for name in ["state.json", "status"] {
        fs::write(dir.join(name), "{ not json").unwrap();
    }
    let state = b.verb("state").arg("broken").run();
    assert!(state.status != 0 && !state.stderr.contains("panicked"), "{state:#?}");
    b.verb("delete").args(["--force", "broken"]).run().ok();
    b.assert_clean();
}
