//! What a tmpfs takes over from the directory that it covers.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use integration_tests::{Bundle, Value, json, known_difference, require};

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn stat(b: &mut Bundle, path: &str) -> Value {
    b.run_probe(&["stat", path]).parse().unwrap()
}

#[test]
fn the_permissions_of_what_is_covered_are_kept() {
    require!("root");
    known_difference!("tmpfs-covered-mode");
    let mut b = Bundle::new();
    permit(&b.dir("private"), 0o750);
    b.mount("/private", "tmpfs", "tmpfs", &[]).mount("/wide", "tmpfs", "tmpfs", &["mode=700"]);
    permit(&b.dir("wide"), 0o777);
    assert_eq!(stat(&mut b, "/private")["mode"], 0o750);
    assert_eq!(stat(&mut b, "/wide")["mode"], 0o700);
}

#[test]
fn a_tmpfs_that_covers_nothing_is_open_to_all() {
    require!("root");
    let mut b = Bundle::new();
    b.mount("/made/for/it", "tmpfs", "tmpfs", &[]);
    assert_eq!(stat(&mut b, "/made/for/it")["mode"], 0o1777);
}

#[test]
fn owners_modes_and_links_come_along() {
    require!("root");
    let mut b = Bundle::new();
    let file = b.file("data/deep/er/file", &"content ".repeat(20_000));
    chown(&file, Some(7), Some(8)).unwrap();
    permit(&file, 0o4751);
    let dir = b.dir("data/deep");
    chown(&dir, Some(9), Some(10)).unwrap();
    permit(&dir, 0o711);
    symlink("../where/ever", b.rootfs().join("data/link")).unwrap();
    b.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    assert_eq!(b.run_probe(&["ls", "/data"]), "deep link");
    let of = |stat: Value| json!([stat["type"], stat["mode"], stat["uid"], stat["gid"]]);
    assert_eq!(of(stat(&mut b, "/data/deep")), json!(["dir", 0o711, 9, 10]));
    let copy = stat(&mut b, "/data/deep/er/file");
    assert_eq!(copy["size"], 160_000);
    assert_eq!(of(copy), json!(["file", 0o4751, 7, 8]));
    assert_eq!(stat(&mut b, "/data/link")["target"], "../where/ever");
}

#[test]
fn named_pipes_come_along() {
    require!("root");
    known_difference!("tmpcopyup-fifo");
    let mut b = Bundle::new();
    b.dir("data");
    nix::unistd::mkfifo(&b.rootfs().join("data/fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    b.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    assert_eq!(stat(&mut b, "/data/fifo")["type"], "fifo");
}

#[test]
fn a_tmpfs_with_copies_can_be_read_only() {
    require!("root");
    let mut b = Bundle::new();
    b.file("data/a", "was there");
    b.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup", "ro"]);
    b.args(&["seq", "read", "/data/a", "--", "write", "/data/a", "x"]);
    assert_eq!(b.run().out(), "was there\nEROFS");
}

#[test]
fn copies_are_made_in_a_user_namespace() {
    require!("root", "userns");
    let mut b = Bundle::new();
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    b.namespace(json!({ "type": "user" }))
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map);
    let file = b.file("data/a", "was there");
    for path in [b.rootfs().join("data"), file] {
        chown(path, Some(100_005), Some(100_006)).unwrap();
    }
    b.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    assert_eq!(b.run_probe(&["read", "/data/a"]), "was there");
    let copy = stat(&mut b, "/data/a");
    assert_eq!(json!([copy["uid"], copy["gid"]]), json!([5, 6]));
}

#[test]
fn a_link_in_the_image_leads_nowhere_outside() {
    require!("root");
    let mut b = Bundle::new();
    let secret = b.scratch("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("key"), "of the host").unwrap();
    b.dir("data");
    symlink(&secret, b.rootfs().join("data/out")).unwrap();
    b.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    b.args(&["seq", "ls", "/data", "--", "read", "/data/out/key"]);
    assert_eq!(b.run().out(), "out\nENOENT");
}

#[test]
fn what_is_mounted_below_is_not_copied() {
    require!("root");
    known_difference!("tmpcopyup-mounts");
    let mut b = Bundle::new();
    let other = b.scratch("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("big"), "").unwrap();
    b.file("data/a", "was there");
    b.bind(&other, "/data/mounted", &["bind"]).mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    assert_eq!(b.run_probe(&["ls", "/data"]), "a");
}

#[test]
fn a_tree_without_end_or_too_large_is_an_error() {
    require!("root");
    known_difference!("tmpcopyup-bounds");
    let mut b = Bundle::new();
    b.dir(&format!("data/{}", vec!["d"; 100].join("/")));
    b.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    b.run().fails_with(&["nested too deeply"]);

    let mut b = Bundle::new();
    b.file("data/sub/large one", &"x".repeat(200_000));
    b.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup", "size=64k"]);
    b.run().fails_with(&["/data): copy_tree: ENOSPC: no space left on device: large one"]);
}

/// Runs a tool on a file of the image, then looks at the copy's extended attributes.
#[track_caller]
fn attributes_after(program: &str, argument: &[&str]) -> String {
    let mut b = Bundle::new();
    let file = b.file("data/tool", "");
    let done = Command::new(program).args(argument).arg(&file).status().unwrap();
    assert!(done.success());
    b.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup"]);
    b.run_probe(&["xattrs", "/data/tool"])
}

#[test]
fn file_capabilities_come_along() {
    require!("root", "setcap");
    known_difference!("tmpcopyup-xattrs");
    assert_eq!(attributes_after("setcap", &["cap_net_raw+ep"]), "security.capability");
}

#[test]
fn access_control_lists_come_along() {
    require!("root", "setfacl");
    known_difference!("tmpcopyup-xattrs");
    assert_eq!(attributes_after("setfacl", &["-m", "u:77:r"]), "system.posix_acl_access");
}
