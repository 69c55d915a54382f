//! The same as an ordinary user.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use integration_tests::{Cmd, Runtime, ordinary_user, require};

use crate::place::{Place, unique};

#[test]
fn an_ordinary_user_loads_runs_and_commits() {
    require!("busybox", "userns");
    let place = Place::rootless();
    place.busybox();
    assert!(place.ok(&["run", "--rm", "busybox", "id"]).starts_with("uid=0(root) gid=0(root)"));
    assert!(place.ok(&["run", "--rm", "--net", "host", "busybox", "hostname"]).len() > 1);
    let name = unique("rootless");
    let script = "echo 1 > /tmp/one; rm /bin/cat; rm /etc/passwd";
    place.ok(&["run", "--name", &name, "busybox", "sh", "-c", script]);
    let changes = place.ok(&["diff", &name]);
    for line in ["A /tmp/one", "D /bin/cat", "D /etc/passwd"] {
        assert!(changes.lines().any(|change| change == line), "{line} in {changes}");
    }
    place.ok(&["commit", &name, "changed"]);
    let out =
        place.run(&["run", "--rm", "changed", "sh", "-c", "ls /tmp; ls /bin/cat /etc/passwd"]);
    assert_eq!(out.stdout, "one\n", "{out:#?}");
    place.ok(&["rm", &name]);
    place.ok(&["rmi", "changed", "busybox"]);
}

/// The runtime, as the user, in a directory of its own.
fn runtime(place: &Place, words: &[&str]) -> Cmd {
    let cmd = Cmd::new(Runtime::get().path()).args(["--root", &place.word("state")]).args(words);
    cmd.env("XDG_RUNTIME_DIR", place.path("")).user(Some(ordinary_user()))
}

#[test]
fn an_ordinary_users_bundle_is_run_from_outside_its_user_namespace() {
    require!("root", "busybox", "userns");
    let place = Place::rootless();
    place.busybox();
    let bundle = place.word("bundle");
    let script = "id -u; echo 1 > /tmp/one; rm /etc/group";
    place.ok(&["bundle", "busybox", &bundle, "sh", "-c", script]);
    let out = runtime(&place, &["run", "-b", &bundle, &unique("rootless-bundle")]).run().ok();
    assert_eq!(out.out(), "0");
    assert_eq!(place.ok(&["diff", &bundle]), "C /etc\nD /etc/group\nC /tmp\nA /tmp/one");
    place.ok(&["commit", &bundle, "changed"]);
    assert_eq!(place.ok(&["run", "--rm", "changed", "cat", "/tmp/one"]), "1");
    place.ok(&["rm", &bundle]);
    assert!(!place.path("bundle").exists());
}

/// What newuidmap goes by, whatever this machine grants.
fn with_subids(place: &Place, cmd: Cmd) -> Cmd {
    let name = "teu-image-test";
    let uid = ordinary_user();
    for (file, text) in [
        ("passwd", format!("root:x:0:0::/root:/bin/sh\n{name}:x:{uid}:{uid}::/:/bin/sh\n")),
        ("subuid", format!("{name}:300000:65536\n")),
        ("subgid", format!("{name}:300000:65536\n")),
    ] {
        fs::write(place.path(file), text).unwrap();
    }
    let bind = |cmd: Cmd, file: &str| cmd.bind(place.path(file), format!("/etc/{file}"));
    ["passwd", "subuid", "subgid"].into_iter().fold(cmd, bind)
}

#[test]
fn granted_ids_keep_owners_apart() {
    require!("root", "busybox", "userns", "newuidmap");
    let place = Place::rootless();
    let root = place.busybox_root();
    fs::write(root.join("etc/web"), "").unwrap();
    chown(root.join("etc/web"), Some(33), Some(34)).unwrap();
    let tar = place.word("busybox.tar");
    Cmd::new("tar").arg("-C").arg(&root).args(["--numeric-owner", "-cf", &tar, "."]).run().ok();
    let ours = |words: &[&str]| with_subids(&place, place.command(words)).run();
    ours(&["import", &tar, "busybox"]).ok();
    let seen = ours(&["run", "--rm", "busybox", "stat", "-c", "%u:%g", "/etc/web"]).ok();
    assert_eq!(seen.out(), "33:34");
    let seen = ours(&["run", "--rm", "-u", "web", "busybox", "id", "-u"]).ok();
    assert_eq!(seen.out(), "33");
    let bundle = place.word("bundle");
    ours(&["bundle", "busybox", &bundle, "stat", "-c", "%u:%g", "/etc/web"]).ok();
    let meta = fs::metadata(place.path("bundle/rootfs/etc/web")).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (300_032, 300_033));
    let run = runtime(&place, &["run", "-b", &bundle, &unique("subids")]);
    assert_eq!(with_subids(&place, run).run().ok().out(), "33:34");
    ours(&["rm", &bundle]).ok();
    assert!(!place.path("bundle").exists());
}

#[test]
fn the_store_of_root_is_refused() {
    require!("root", "userns");
    let place = Place::new();
    place.ok(&["images"]);
    let uid = Some(ordinary_user());
    for path in ["", "store"] {
        chown(place.path(path), uid, uid).unwrap();
    }
    let out = place.command(&["images"]).user(uid).run();
    out.fails_with(&["is root's", "permission denied"]);
}
