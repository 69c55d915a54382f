//! Masked and read-only paths.

use integration_tests::{Bundle, json, known_difference, require};

#[test]
fn a_masked_file_is_empty_and_swallows_writes() {
    require!("container");
    let mut b = Bundle::new();
    b.file("etc/secret", "hidden");
    b.set("/linux/maskedPaths", json!(["/etc/secret", "/proc/version"]));
    b.args(&["seq", "read", "/etc/secret", "--", "stat", "/proc/version"]);
    let out = b.run().ok().stdout;
    let (first, second) = out.split_once('\n').unwrap();
    assert_eq!(first, "");
    assert!(second.contains("\"device\":\"1:3\""), "{second}");
}

#[test]
fn a_masked_directory_is_empty_and_cannot_be_written() {
    require!("container");
    let mut b = Bundle::new();
    b.file("secret/key", "hidden");
    b.set("/linux/maskedPaths", json!(["/secret", "/sys/firmware"]));
    b.args(&["seq", "ls", "/secret", "--", "write", "/secret/x", "1", "--", "ls", "/sys/firmware"]);
    assert_eq!(b.run().stdout, "\nEROFS\n\n");
    assert!(!b.rootfs().join("secret/x").exists());
}

#[test]
fn a_masked_path_that_does_not_exist_is_no_error() {
    require!("container");
    let mut b = Bundle::probe(&["echo", "fine"]);
    b.set("/linux/maskedPaths", json!(["/no/such/path"]))
        .set("/linux/readonlyPaths", json!(["/none/either"]));
    assert_eq!(b.run().ok().out(), "fine");
}

#[test]
fn a_read_only_path_can_be_read_but_not_written() {
    require!("root");
    let mut b = Bundle::new();
    b.file("data/a", "text");
    b.set("/linux/readonlyPaths", json!(["/data", "/proc/sys"]));
    let write = [
        "seq",
        "read",
        "/data/a",
        "--",
        "append",
        "/data/a",
        "x",
        "--",
        "append",
        "/proc/sys/kernel/hostname",
        "x",
    ];
    b.args(&write);
    assert_eq!(b.run().out(), "text\nEROFS\nEROFS");
}

#[test]
fn a_read_only_path_keeps_the_other_flags_of_its_mount() {
    require!("container");
    known_difference!("readonly-path-flags");
    let mut b = Bundle::new();
    b.mount("/tmp", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec"]);
    b.set("/linux/readonlyPaths", json!(["/tmp"]));
    let r = b.report();
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(r.mount_has("/tmp", option), "{option}: {}", r.mount("/tmp"));
    }
}

#[test]
fn a_path_that_is_masked_twice_is_covered_once() {
    require!("container");
    known_difference!("mask-twice");
    let mut b = Bundle::new();
    b.dir("secret");
    b.set("/linux/maskedPaths", json!(["/secret", "/secret"]));
    assert_eq!(b.report().mounts("/secret").len(), 1);
}

#[test]
fn masks_hold_for_exec() {
    require!("container");
    let mut b = Bundle::new();
    b.file("etc/secret", "hidden");
    b.set("/linux/maskedPaths", json!(["/etc/secret"]));
    let c = b.start_sleeper();
    assert_eq!(c.exec(&["read", "/etc/secret"]).ok().out(), "");
}
