//! What cannot be done is told in one line; a checkpoint then leaves the container, a restore nothing.

use std::fs;

use integration_tests::checkpoint::{
    checkpoint, count, counted, counter, images, restore_cmd, start,
};
use integration_tests::{Bundle, json, known_difference, probe, require};

#[test]
fn a_container_that_does_not_run_is_not_checkpointed() {
    require!("root", "criu");
    let b = Bundle::probe(&["sleep"]);
    let c = b.create();
    checkpoint(&b, &[]).fails();
    assert_eq!(c.status(), "created");
    c.kill("KILL").ok();
    c.wait_status("stopped");
    checkpoint(&b, &[]).fails();
    c.delete().ok();
    b.assert_clean();
}

#[test]
fn the_error_says_what_criu_says() {
    require!("root", "criu");
    let b = counter();
    // A file of the host's, which no restore could find in the container.
    b.run_cmd(&["--detach"]).run().ok();
    let before = counted(&b);
    let refused = checkpoint(&b, &[]);
    assert_ne!(refused.status, 0);
    assert_eq!(counted(&b).0, before.0, "it goes on");
    assert_eq!(b.container().status(), "running");
    known_difference!("criu-error");
    let error = refused.stderr.lines().last().unwrap();
    for word in ["checkpoint failed: criu failed: type DUMP", "Error (criu/", "work/dump.log"] {
        assert!(error.contains(word), "{word}: {error}");
    }
    b.container().finish();
}

#[test]
fn images_that_are_missing_or_broken_leave_nothing() {
    require!("root", "criu");
    let b = counter();
    b.write();
    restore_cmd(&b, &["--detach"]).run().fails();
    b.assert_clean();
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    fs::write(images(&b).join("pstree.img"), "broken").unwrap();
    let refused = restore_cmd(&b, &["--detach"]).run();
    assert_ne!(refused.status, 0);
    b.assert_clean();
    known_difference!("criu-error");
    let error = refused.stderr.lines().last().unwrap();
    for word in ["restore failed: criu failed: type RESTORE", "Error (criu/", "work/restore.log"] {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[test]
fn a_failing_hook_takes_the_restore_back() {
    require!("root", "criu");
    let mut b = counter();
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    b.push("/hooks/createRuntime", json!({ "path": probe(), "args": ["hook", "exit", "3"] }));
    b.write();
    let stopped = count(&b);
    let refused = restore_cmd(&b, &["--detach"]).run();
    assert_ne!(refused.status, 0);
    b.assert_clean();
    assert_eq!(count(&b), stopped, "it has not run");
    known_difference!("criu-error");
    assert!(refused.stderr.contains("createRuntime hook #0"), "{}", refused.stderr);
}

#[test]
fn a_parent_path_is_relative_and_a_directory() {
    require!("root", "criu");
    let b = counter();
    start(&b);
    counted(&b);
    for parent in ["/tmp", "../none"] {
        checkpoint(&b, &["--parent-path", parent]).fails_with(&["--parent-path"]);
    }
    assert_eq!(b.container().status(), "running");
}

#[test]
fn without_criu_the_error_says_what_is_missing() {
    require!("root", "teu");
    let mut b = counter();
    start(&b);
    let before = counted(&b);
    b.env("PATH", "/nonexistent");
    let refused = checkpoint(&b, &[]).fails_with(&["criu: is not in $PATH; checkpoint and restore need it (in most distributions, package criu)"]);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    assert!(!images(&b).exists());
    assert_eq!(counted(&b).0, before.0);
}

#[test]
fn a_criu_that_is_too_old_or_broken_is_told() {
    require!("root", "teu");
    let mut b = counter();
    start(&b);
    counted(&b);
    let bin = b.scratch("bin");
    fs::create_dir(&bin).unwrap();
    b.env("PATH", &format!("{}:/usr/bin:/bin", bin.display()));
    // Takes the request, and answers: type VERSION, success, version 3.14.
    let old = "dd bs=4096 count=1 <&3 >/dev/null 2>&1; printf '\\010\\012\\020\\001\\122\\004\\010\\003\\020\\016' >&3";
    for (script, words) in [
        (old, "criu: version 3.14 is too old: checkpoint needs 3.15 or newer"),
        ("exit 7", "criu failed: type VERSION unexpected EOF"),
        ("kill -9 $$", "criu failed: type VERSION killed by signal 9"),
    ] {
        let program = bin.join("criu");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        checkpoint(&b, &[]).fails_with(&[words]);
    }
    assert_eq!(b.container().status(), "running");
}

#[test]
fn ordinary_users_are_told_that_it_needs_root() {
    require!("container", "teu");
    let b = Bundle::rootless();
    let c = b.start_sleeper();
    c.verb("checkpoint", &[]).fails_with(&["not supported for rootless containers"]);
    assert_eq!(c.status(), "running");
    let restored = b.verb("restore").arg("--bundle").arg(b.path()).arg("other").run();
    restored.fails_with(&["not supported for rootless containers"]);
}
