//! checkpoint and restore: what CRIU does not take along unless a flag says so.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;

use integration_tests::checkpoint::{
    NOWHERE, checkpoint, counted, counter, images, log, pre_dump, restore_cmd, start,
};
use integration_tests::{Bundle, json, require};
use nix::fcntl::{Flock, FlockArg};

/// A container that holds something.
fn holder(words: &[&str]) -> Bundle {
    let mut args = vec!["hold"];
    args.extend(words);
    Bundle::probe(&args)
}

/// Without the flag the checkpoint fails and the container goes on, with it the container is back.
#[track_caller]
fn needs(b: &Bundle, flag: &str) {
    start(b);
    let before = counted(b);
    checkpoint(b, &[]).fails();
    assert_eq!(counted(b).0, before.0, "it goes on without {flag}");
    assert_eq!(checkpoint(b, &[flag]).status, 0, "{}", log(b, "dump.log"));
    let restored = restore_cmd(b, &["--detach", flag]).through_shell(NOWHERE).run();
    assert_eq!(restored.status, 0, "{}", log(b, "restore.log"));
    assert_eq!(counted(b).0, before.0, "what is held works still");
}

#[test]
fn locks_of_files_come_back() {
    require!("root", "criu");
    let b = holder(&["lock", "/locked"]);
    needs(&b, "--file-locks");
    let file = File::open(b.rootfs().join("locked")).unwrap();
    assert!(Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err());
    b.container().finish();
}

#[test]
fn connections_go_on() {
    require!("root", "criu");
    let b = holder(&["connection"]);
    needs(&b, "--tcp-established");
    b.container().finish();
}

#[test]
fn sockets_outside_are_connected_to_again() {
    require!("root", "criu");
    let mut b = Bundle::new();
    let dir = b.scratch("outside");
    fs::create_dir(&dir).unwrap();
    let path = dir.join("socket");
    let outside = UnixDatagram::bind(&path).unwrap();
    // CRIU finds sockets of its own network namespace alone, and connects to the name that they were bound to.
    b.without_namespace("network").bind(&dir, dir.to_str().unwrap(), &["bind"]);
    b.args(&["hold", "socket", path.to_str().unwrap()]);
    needs(&b, "--ext-unix-sk");
    outside.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    outside.recv(&mut [0; 8]).unwrap();
    b.container().finish();
}

#[test]
fn a_file_is_found_by_its_other_name() {
    require!("root", "criu");
    let b = holder(&["unlinked", "/first", "/second"]);
    start(&b);
    let before = counted(&b);
    checkpoint(&b, &[]).fails();
    assert_eq!(checkpoint(&b, &["--link-remap"]).status, 0, "{}", log(&b, "dump.log"));
    let size = fs::metadata(b.rootfs().join("second")).unwrap().len();
    let restored = restore_cmd(&b, &["--detach"]).through_shell(NOWHERE).run();
    assert_eq!(restored.status, 0, "{}", log(&b, "restore.log"));
    assert_eq!(counted(&b).0, before.0);
    assert!(fs::metadata(b.rootfs().join("second")).unwrap().len() > size, "it is the same file");
    b.container().finish();
}

#[test]
fn memory_that_was_written_again_is_not_kept_twice() {
    require!("root", "criu", "dirty-memory");
    let b = counter();
    start(&b);
    let before = counted(&b);
    pre_dump(&b, "parent").ok();
    let kept = || {
        let files = fs::read_dir(b.scratch("parent")).unwrap().map(|f| f.unwrap().path());
        let pages = files.filter(|f| f.to_str().unwrap().contains("/pages-"));
        pages.map(|f| fs::metadata(f).unwrap().blocks()).sum::<u64>()
    };
    let first = kept();
    counted(&b);
    let flags = ["--parent-path", "../parent", "--auto-dedup"];
    assert_eq!(checkpoint(&b, &flags).status, 0, "{}", log(&b, "dump.log"));
    assert!(kept() < first, "{first}: pages of the parent that have changed since are holes");
    assert!(images(&b).join("parent").exists());
    let restored = restore_cmd(&b, &["--detach"]).through_shell(NOWHERE).run();
    assert_eq!(restored.status, 0, "{}", log(&b, "restore.log"));
    assert_eq!(counted(&b).0, before.0);
    b.container().finish();
}

#[test]
fn a_user_namespace_comes_back_if_its_root_may_search_the_images() {
    require!("root", "criu");
    let mut b = counter();
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    b.namespace(json!({ "type": "user" }));
    b.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    std::os::unix::fs::chown(b.rootfs(), Some(100_000), Some(100_000)).unwrap();
    start(&b);
    let before = counted(&b);
    assert_eq!(checkpoint(&b, &[]).status, 0, "{}", log(&b, "dump.log"));
    fs::set_permissions(images(&b), fs::Permissions::from_mode(0o711)).unwrap();
    fs::set_permissions(b.scratch("work"), fs::Permissions::from_mode(0o711)).unwrap();
    let restored = restore_cmd(&b, &["--detach"]).through_shell(NOWHERE).run();
    assert_eq!(restored.status, 0, "{}", log(&b, "restore.log"));
    assert_eq!(counted(&b).0, before.0);
    let seen = b.container().exec(&["read", "/proc/self/uid_map"]).ok();
    assert_eq!(seen.stdout.split_whitespace().collect::<Vec<_>>(), ["0", "100000", "65536"]);
    b.container().finish();
}
