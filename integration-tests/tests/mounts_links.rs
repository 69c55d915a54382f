//! crun's options for sources and destinations that are symlinks.

use std::fs;
use std::os::unix::fs::symlink;

use integration_tests::{Bundle, Value, known_difference, require};

#[track_caller]
fn stat(b: &mut Bundle, path: &str) -> Value {
    b.run_probe(&["stat", path]).parse().unwrap()
}

#[test]
fn a_link_is_copied_rather_than_mounted() {
    require!("root");
    known_difference!("nofollow");
    let mut b = Bundle::new();
    let link = b.scratch("localtime");
    symlink("../usr/share/zoneinfo/UTC", &link).unwrap();
    b.bind(&link, "/etc/localtime", &["bind", "ro", "copy-symlink"]);
    let copy = stat(&mut b, "/etc/localtime");
    assert_eq!(copy["target"], "../usr/share/zoneinfo/UTC");
    // Again: the image has it by now.
    assert_eq!(stat(&mut b, "/etc/localtime")["type"], "symlink");
    b.args(&["report"]);
    let r = b.report();
    assert!(r.mounts("/etc/localtime").is_empty(), "{}", r["mounts"]);
}

#[test]
fn a_file_is_mounted_although_links_would_be_copied() {
    require!("root");
    known_difference!("nofollow");
    let mut b = Bundle::new();
    let file = b.scratch("hosts");
    fs::write(&file, "127.0.0.1 me").unwrap();
    b.bind(&file, "/etc/hosts", &["bind", "copy-symlink"]);
    assert_eq!(b.run_probe(&["read", "/etc/hosts"]), "127.0.0.1 me");
}

#[test]
fn a_link_does_not_replace_what_is_there() {
    require!("root");
    known_difference!("nofollow");
    let mut b = Bundle::new();
    let link = b.scratch("link");
    symlink("here", &link).unwrap();
    b.file("etc/file", "x");
    b.symlink("etc/other", "there");
    for destination in ["/etc/file", "/etc/other"] {
        let config = b.config().clone();
        b.bind(&link, destination, &["bind", "copy-symlink"]);
        b.run().fails_with(&["exist", "not a symlink"]);
        b.edit(|c| *c = config);
    }
    assert_eq!(fs::read_to_string(b.rootfs().join("etc/file")).unwrap(), "x");
}

#[test]
fn a_missing_source_is_an_error_also_for_a_link() {
    require!("root");
    known_difference!("nofollow");
    let mut b = Bundle::new();
    b.mount("/data", "bind", "/no/such/source", &["bind", "copy-symlink"]);
    b.run().fails_with(&["/no/such/source"]);
}

#[test]
fn a_source_that_is_a_link_can_be_mounted_itself() {
    require!("root");
    known_difference!("nofollow");
    let mut b = Bundle::new();
    let link = b.scratch("link");
    symlink("/inside", &link).unwrap();
    b.file("inside", "of the container");
    b.bind(&link, "/etc/link", &["bind", "src-nofollow"]);
    let seen = stat(&mut b, "/etc/link");
    assert_eq!(seen["target"], "/inside");
    assert_eq!(b.run_probe(&["read", "/etc/link"]), "of the container");
}

#[test]
fn a_destination_that_is_a_link_can_be_covered_itself() {
    require!("root");
    known_difference!("nofollow");
    let mut b = Bundle::new();
    let link = b.scratch("link");
    symlink("/new", &link).unwrap();
    b.file("old", "old");
    b.file("new", "new");
    b.symlink("etc/link", "/old");
    b.bind(&link, "/etc/link", &["bind", "src-nofollow", "dest-nofollow"]);
    b.args(&["seq", "read", "/etc/link", "--", "read", "/old"]);
    assert_eq!(b.run().ok().out(), "new\nold");
    assert_eq!(fs::read_link(b.rootfs().join("etc/link")).unwrap().to_str(), Some("/old"));
}

#[test]
fn a_destination_not_to_be_followed_has_to_be_there() {
    require!("root");
    known_difference!("nofollow");
    let mut b = Bundle::new();
    let file = b.scratch("file");
    fs::write(&file, "").unwrap();
    b.bind(&file, "/etc/missing", &["bind", "dest-nofollow"]);
    b.run().fails_with(&["/etc/missing", "etc/missing"]);
    assert!(!b.rootfs().join("etc/missing").exists());
}

#[test]
fn a_link_of_the_image_does_not_lead_a_mount_into_proc() {
    require!("root");
    known_difference!("nofollow");
    let mut b = Bundle::new();
    let file = b.scratch("file");
    fs::write(&file, "").unwrap();
    b.symlink("etc/p", "/proc/self");
    b.bind(&file, "/etc/p/environ", &["bind", "dest-nofollow"]);
    b.run().fails_with(&["EPERM", "not allowed"]);
}

#[test]
fn contradicting_wishes_are_refused() {
    require!("root");
    known_difference!("nofollow");
    let mut b = Bundle::new();
    let link = b.scratch("link");
    symlink("/x", &link).unwrap();
    b.bind(&link, "/etc/link", &["bind", "copy-symlink", "src-nofollow"]);
    b.run().fails_with(&["exclude", "exclusive"]);
}
