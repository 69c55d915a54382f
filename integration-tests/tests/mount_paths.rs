//! Sources and targets of mounts: links, missing files, wrong kinds; and errors that name them.

use std::fs;
use std::os::unix::fs::symlink;

use integration_tests::{Bundle, require};

#[test]
fn a_file_can_be_bound_over_a_missing_file() {
    require!("container");
    let mut b = Bundle::new();
    let source = b.scratch("hosts");
    fs::write(&source, "127.0.0.1 me\n").unwrap();
    b.bind(&source, "/etc/new/hosts", &["bind", "ro"]);
    assert_eq!(b.run_probe(&["read", "/etc/new/hosts"]), "127.0.0.1 me");
}

#[test]
fn a_relative_source_is_relative_to_the_bundle() {
    require!("container");
    let mut b = Bundle::new();
    fs::create_dir(b.path().join("volume")).unwrap();
    fs::write(b.path().join("volume/a"), "beside the config").unwrap();
    b.mount("/data", "bind", "volume", &["bind"]);
    b.args(&["read", "/data/a"]).write();
    // From another working directory than the bundle.
    let out = b.run_cmd(&[]).cwd("/").run().ok();
    assert_eq!(out.out(), "beside the config");
}

#[test]
fn an_option_nobody_knows_is_an_error() {
    require!("container");
    let mut b = Bundle::new();
    b.mount("/tmp", "tmpfs", "tmpfs", &["no-such-option=1"]);
    b.run().fails_with(&["/tmp"]);
}

#[test]
fn an_unknown_file_system_is_an_error_that_names_the_mount() {
    require!("container");
    let mut b = Bundle::new();
    b.mount("/odd", "no-such-fs", "none", &[]);
    b.run().fails_with(&["/odd"]);
}

#[test]
fn a_missing_source_is_an_error_that_names_it() {
    require!("container");
    let mut b = Bundle::new();
    b.mount("/data", "bind", "/no/such/source", &["bind"]);
    b.run().fails_with(&["/no/such/source"]);
}

#[test]
fn a_directory_cannot_be_bound_over_a_file() {
    require!("container");
    let mut b = Bundle::new();
    b.file("etc/file", "x");
    let source = b.scratch("volume");
    fs::create_dir(&source).unwrap();
    b.bind(&source, "/etc/file", &["bind"]);
    b.run().fails_with(&["not a directory"]);
}

#[test]
fn a_target_that_is_a_dangling_link_becomes_a_file_inside_the_rootfs() {
    require!("container");
    let mut b = Bundle::new();
    b.symlink("etc/resolv.conf", "../run/x/resolv.conf");
    let source = b.scratch("resolv.conf");
    fs::write(&source, "nameserver 192.0.2.1\n").unwrap();
    b.bind(&source, "/etc/resolv.conf", &["bind", "ro"]);
    assert_eq!(b.run_probe(&["read", "/etc/resolv.conf"]), "nameserver 192.0.2.1");
}

#[test]
fn a_target_below_a_link_is_made_where_the_link_points_inside() {
    require!("container");
    let mut b = Bundle::new();
    b.dir("real");
    b.symlink("link", "/real");
    let source = b.scratch("volume");
    fs::create_dir(&source).unwrap();
    b.bind(&source, "/link/a/b", &["bind"]);
    assert_eq!(b.report().mount("/real/a/b")["mountpoint"], "/real/a/b");
}

#[test]
fn a_source_that_is_a_link_is_followed() {
    require!("container");
    let mut b = Bundle::new();
    fs::create_dir(b.scratch("volume")).unwrap();
    fs::write(b.scratch("volume/a"), "through the link").unwrap();
    symlink("volume", b.scratch("link")).unwrap();
    let link = b.scratch("link");
    b.bind(&link, "/data", &["bind"]);
    assert_eq!(b.run_probe(&["read", "/data/a"]), "through the link");
}
