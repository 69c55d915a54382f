//! `--no-pivot`: on a host whose root is an initramfs, in a chroot, and where it is not needed.

use std::path::Path;

use integration_tests::{Bundle, Cmd, Outcome, json, known_difference, probe, require};

/// A container with masks on its /proc, as engines make them, whose processes may make user namespaces.
fn masked() -> Bundle {
    let mut b = Bundle::new();
    b.set("/linux/maskedPaths", json!(["/proc/kcore", "/proc/keys", "/proc/scsi"]))
        .set("/linux/readonlyPaths", json!(["/proc/bus", "/proc/sys"]))
        .set("/process/noNewPrivileges", json!(false));
    b
}

fn on_ramdisk(cmd: Cmd) -> Outcome {
    cmd.wrapped([probe().as_os_str(), "on-ramdisk".as_ref()]).run()
}

fn in_chroot(cmd: Cmd, dir: &Path) -> Outcome {
    cmd.wrapped([probe().as_os_str(), "in-chroot".as_ref(), dir.as_os_str()]).run()
}

#[test]
fn an_initramfs_cannot_be_pivoted_away_but_covered() {
    require!("root");
    let mut b = masked();
    b.args(&["seq", "ls", "/", "--", "read", "/proc/self/mountinfo"]);
    on_ramdisk(b.run_cmd(&[])).fails_with(&["pivot_root"]);
    b.assert_clean();

    let points = |outcome: Outcome| {
        let text = outcome.ok().stdout;
        let (names, mounts) = text.split_once('\n').unwrap();
        let points = mounts.lines().map(|line| line.split(' ').nth(4).unwrap().to_owned());
        (names.to_owned(), points.collect::<Vec<_>>())
    };
    let usual = points(b.run_cmd(&[]).run());
    let moved = points(on_ramdisk(b.run_cmd(&["--no-pivot"])));
    b.assert_clean();
    assert_eq!(moved, usual);
    assert!(usual.1.contains(&"/proc/keys".to_owned()), "{usual:?}");
    // Where pivot_root works the flag makes no difference.
    assert_eq!(points(b.run_cmd(&["--no-pivot"]).run()), usual);
    b.assert_clean();
}

#[test]
fn no_process_can_mount_a_procfs_without_masks() {
    require!("root");
    let mut b = masked();
    b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    b.args(&["nested", "mount", "proc", "/proc", "proc"]);
    assert_eq!(b.run().exits(1).out(), "EPERM", "without the flag");
    assert_eq!(on_ramdisk(b.run_cmd(&["--no-pivot"])).exits(1).out(), "EPERM", "on a ramdisk");
    let chrooted = in_chroot(b.run_cmd(&["--no-pivot"]), &b.scratch("jail"));
    assert_eq!(chrooted.clone().exits(1).out(), "EPERM", "{chrooted:?}");
    // It is the masks that forbid it.
    b.set("/linux/maskedPaths", json!([])).set("/linux/readonlyPaths", json!([]));
    assert_eq!(b.run().ok().out(), "ok", "without the flag");
    assert_eq!(on_ramdisk(b.run_cmd(&["--no-pivot"])).ok().out(), "ok", "on a ramdisk");
    b.assert_clean();
}

#[test]
fn nobody_breaks_out_of_the_new_root() {
    require!("root");
    let mut b = masked();
    let set = json!(["CAP_SYS_CHROOT"]);
    b.capabilities(&json!({ "bounding": set, "effective": set, "permitted": set }));
    b.args(&["break-out", "/tmp/inner", "ls", "/"]);
    let usual = b.run_cmd(&[]).run().ok().stdout;
    assert!(usual.contains("probe") && !usual.contains("usr"), "{usual}");
    assert_eq!(on_ramdisk(b.run_cmd(&["--no-pivot"])).ok().stdout, usual, "on a ramdisk");
    known_difference!("no-pivot-chroot");
    let dir = b.scratch("jail");
    assert_eq!(in_chroot(b.run_cmd(&["--no-pivot"]), &dir).ok().stdout, usual, "in a chroot");
    b.assert_clean();
}

#[test]
fn taking_mounts_away_is_not_told_to_the_host() {
    require!("root");
    known_difference!("no-pivot-shared");
    for propagation in ["shared", "rslave", "rprivate"] {
        let mut b = masked();
        b.set("/linux/rootfsPropagation", json!(propagation));
        b.args(&["echo", "fine"]);
        // The runtime's mount namespace is the host here: its mounts are shared with the container's.
        let script = r#"mount --make-rshared / && before=$(cat /proc/self/mountinfo) && "$@" &&
            [ "$before" = "$(cat /proc/self/mountinfo)" ] && echo unchanged"#;
        let cmd = b.run_cmd(&["--no-pivot"]).through_shell(script);
        assert_eq!(on_ramdisk(cmd).ok().out(), "fine\nunchanged", "{propagation}");
        b.assert_clean();
    }
}

#[test]
fn a_mount_under_another_is_not_taken_away_from_the_host() {
    require!("root", "teu");
    for (propagation, done) in [("rslave", true), ("rshared", false)] {
        let mut b = masked();
        b.set("/linux/rootfsPropagation", json!(propagation));
        b.args(&["echo", "fine"]);
        let script = r#"mount --make-rshared / && mount -t tmpfs one /mnt && mount -t tmpfs two /mnt &&
            before=$(cat /proc/self/mountinfo) && { "$@" || true; } && [ "$before" = "$(cat /proc/self/mountinfo)" ] &&
            echo unchanged"#;
        let cmd = b.run_cmd(&["--no-pivot"]).through_shell(script);
        let outcome = on_ramdisk(cmd).ok();
        if done {
            assert_eq!(outcome.out(), "fine\nunchanged");
        } else {
            assert_eq!(outcome.out(), "unchanged");
            assert!(outcome.stderr.contains("a mount of the host's covers another"), "{outcome:?}");
        }
        b.assert_clean();
    }
}

#[test]
fn exec_gets_the_containers_root_too() {
    require!("root");
    let mut b = masked();
    b.args(&["sleep"]);
    on_ramdisk(b.run_cmd(&["--no-pivot", "--detach"])).ok();
    let inside = b.verb("exec").args([b.id(), "/probe", "ls", "/"]).run().ok().stdout;
    assert!(inside.contains("probe") && !inside.contains("usr"), "{inside}");
    b.verb("delete").args(["--force", b.id()]).run().ok();
    b.assert_clean();
}

#[test]
fn what_cannot_be_taken_away_is_not_left_there() {
    require!("root", "teu");
    let mut b = masked();
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    b.namespace(json!({ "type": "user" }));
    b.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    b.args(&["echo", "fine"]);
    let words = ["in a user namespace the host's mounts cannot be taken away"];
    on_ramdisk(b.run_cmd(&["--no-pivot"])).fails_with(&words);
    b.assert_clean();
    // pivot_root works elsewhere.
    assert_eq!(b.run_cmd(&["--no-pivot"]).run().ok().out(), "fine");
    b.assert_clean();
}

#[test]
fn a_joined_mount_namespace_is_not_emptied() {
    require!("root", "teu");
    let mut b = masked();
    let sleeper = Cmd::new("unshare").args(["-m", "sleep", "60"]).spawn();
    integration_tests::wait_until("a mount namespace", || {
        let link = |pid: String| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        link(sleeper.pid().to_string()) != link("self".into())
    });
    let path = format!("/proc/{}/ns/mnt", sleeper.pid());
    b.namespace(json!({ "type": "mount", "path": path }));
    b.run_cmd(&["--no-pivot"]).run().fails_with(&["--no-pivot: needs a new mount namespace"]);
    b.assert_clean();
}
