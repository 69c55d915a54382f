//! Mounts, their options, their targets, the root file system.

use std::fs;

use integration_tests::{Bundle, json, known_difference, require};

#[test]
fn every_configured_mount_is_there_and_nothing_else() {
    require!("root");
    let r = Bundle::new().report();
    let mut at: Vec<&str> =
        r["mounts"].as_array().unwrap().iter().filter_map(|m| m["mountpoint"].as_str()).collect();
    at.sort_unstable();
    assert_eq!(at, ["/", "/dev", "/dev/mqueue", "/dev/pts", "/dev/shm", "/proc", "/sys"]);
}

#[test]
fn the_file_system_types_are_the_configured_ones() {
    require!("root");
    let r = Bundle::new().report();
    for (at, kind) in [
        ("/proc", "proc"),
        ("/dev", "tmpfs"),
        ("/dev/pts", "devpts"),
        ("/dev/mqueue", "mqueue"),
        ("/sys", "sysfs"),
    ] {
        assert_eq!(r.mount(at)["fstype"], kind, "{at}");
    }
}

#[test]
fn mount_options_take_effect() {
    require!("root");
    let mut b = Bundle::new();
    b.mount(
        "/tmp",
        "tmpfs",
        "tmpfs",
        &["nosuid", "nodev", "noexec", "ro", "noatime", "size=1m", "mode=700"],
    );
    let r = b.report();
    for option in ["nosuid", "nodev", "noexec", "ro", "noatime", "size=1024k", "mode=700"] {
        assert!(r.mount_has("/tmp", option), "{option}: {}", r.mount("/tmp"));
    }
    assert!(r.mount_has("/dev", "mode=755") && r.mount_has("/dev", "nosuid"));
    assert!(!r.mount_has("/dev", "nodev"));
    assert!(r.mount_has("/sys", "ro"));
}

#[test]
fn a_later_option_overrides_an_earlier_one() {
    require!("root");
    known_difference!("option-order");
    let mut b = Bundle::new();
    b.mount("/tmp", "tmpfs", "tmpfs", &["ro", "nosuid", "suid", "rw"]);
    let r = b.report();
    assert!(r.mount_has("/tmp", "rw") && !r.mount_has("/tmp", "nosuid"), "{}", r.mount("/tmp"));
}

#[test]
fn a_read_only_root_cannot_be_written() {
    require!("root");
    let mut b = Bundle::new();
    b.set("/root/readonly", true).args(&[
        "seq",
        "write",
        "/x",
        "1",
        "--",
        "write",
        "/dev/shm/x",
        "1",
    ]);
    assert_eq!(b.run().out(), "EROFS\nok");
    assert!(!b.rootfs().join("x").exists());
}

#[test]
fn a_writable_root_is_the_bundles() {
    require!("root");
    let mut b = Bundle::new();
    assert_eq!(b.run_probe(&["write", "/x", "from inside"]), "ok");
    assert_eq!(fs::read_to_string(b.rootfs().join("x")).unwrap(), "from inside");
}

#[test]
fn a_directory_can_be_bound_and_written() {
    require!("root");
    let mut b = Bundle::new();
    let source = b.scratch("volume");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("a"), "from outside").unwrap();
    b.bind(&source, "/data/deep", &["bind", "rw"]);
    b.args(&["seq", "read", "/data/deep/a", "--", "write", "/data/deep/b", "x"]);
    assert_eq!(b.run().ok().out(), "from outside\nok");
    assert!(source.join("b").exists());
}

#[test]
fn a_bind_mount_can_be_read_only_and_more() {
    require!("root");
    let mut b = Bundle::new();
    let source = b.scratch("volume");
    fs::create_dir(&source).unwrap();
    b.bind(&source, "/data", &["rbind", "ro", "nosuid", "nodev", "noexec"]);
    let r = b.report();
    for option in ["ro", "nosuid", "nodev", "noexec"] {
        assert!(r.mount_has("/data", option), "{option}: {}", r.mount("/data"));
    }
    b.args(&["write", "/data/x", "1"]);
    assert_eq!(b.run().out(), "EROFS");
}

#[test]
fn a_bind_without_the_type_but_with_the_option_is_a_bind() {
    require!("root");
    let mut b = Bundle::new();
    let source = b.scratch("volume");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("a"), "bound").unwrap();
    b.push("/mounts", json!({ "destination": "/data", "source": source, "options": ["rbind"] }));
    assert_eq!(b.run_probe(&["read", "/data/a"]), "bound");
}

#[test]
fn mounts_are_made_in_the_configured_order() {
    require!("root");
    let mut b = Bundle::new();
    let source = b.scratch("volume");
    fs::create_dir_all(source.join("sub")).unwrap();
    b.mount("/tmp", "tmpfs", "tmpfs", &[]).bind(&source, "/tmp/inner", &["bind"]);
    b.mount("/tmp/inner/sub", "tmpfs", "tmpfs", &["size=64k"]);
    let r = b.report();
    assert_eq!(r.mount("/tmp")["fstype"], "tmpfs");
    assert_ne!(r.mount("/tmp/inner")["fstype"], "tmpfs");
    assert_eq!(r.mount("/tmp/inner/sub")["fstype"], "tmpfs");
}

#[test]
fn the_roots_propagation_is_private_or_slave_unless_configured() {
    require!("root");
    let r = Bundle::new().report();
    let propagation = r.mount("/")["propagation"].as_array().unwrap();
    let shared = propagation.iter().any(|p| p.as_str().unwrap().starts_with("shared:"));
    assert!(!shared, "{propagation:?}");
}

#[test]
fn rootfs_propagation_shared_makes_the_root_a_peer_group() {
    require!("root");
    known_difference!("rootfs-propagation-shared");
    let mut b = Bundle::new();
    b.set("/linux/rootfsPropagation", "shared");
    let r = b.report();
    assert!(r.mount("/")["propagation"].to_string().contains("shared:"), "{}", r.mount("/"));
}

#[test]
fn a_mount_can_be_shared_or_unbindable() {
    require!("root");
    known_difference!("mount-shared");
    let mut b = Bundle::new();
    for name in ["one", "two"] {
        fs::create_dir(b.scratch(name)).unwrap();
    }
    let (one, two) = (b.scratch("one"), b.scratch("two"));
    b.bind(&one, "/one", &["rbind", "rshared"]).bind(&two, "/two", &["rbind", "runbindable"]);
    let r = b.report();
    assert!(r.mount("/one")["propagation"].to_string().contains("shared:"), "{}", r.mount("/one"));
    assert!(
        r.mount("/two")["propagation"].to_string().contains("unbindable"),
        "{}",
        r.mount("/two")
    );
}

#[test]
fn no_mount_reaches_the_host() {
    require!("root");
    let mut b = Bundle::new();
    b.set("/linux/rootfsPropagation", "rshared");
    let source = b.scratch("volume");
    fs::create_dir(&source).unwrap();
    b.bind(&source, "/data", &["rbind", "rshared"]);
    b.start_sleeper();
    assert!(b.leaks().mounts.is_empty(), "{:?}", b.leaks().mounts);
}

#[test]
fn tmpcopyup_brings_the_files_below_along() {
    require!("root");
    let mut b = Bundle::new();
    b.file("data/sub/a", "was there");
    b.mount("/data", "tmpfs", "tmpfs", &["tmpcopyup", "nosuid"]);
    assert_eq!(
        b.run_probe(&["seq", "read", "/data/sub/a", "--", "write", "/data/new", "1"]),
        "was there\nok"
    );
    assert!(!b.rootfs().join("data/new").exists());
}

#[test]
fn recursive_read_only_covers_the_submounts() {
    require!("root");
    let mut b = Bundle::new();
    // The host's /sys has mounts below it: cgroups, at least.
    b.mount("/data", "bind", "/sys", &["rbind", "rro"]);
    let r = b.report();
    let all = r["mounts"].as_array().unwrap().iter();
    let below: Vec<_> =
        all.filter(|m| m["mountpoint"].as_str().unwrap().starts_with("/data")).collect();
    assert!(below.len() > 1, "nothing is mounted below /sys: {}", r["mounts"]);
    for mount in below {
        assert!(mount["options"].as_array().unwrap().iter().any(|o| o == "ro"), "{mount}");
    }
}

#[test]
fn the_kernels_own_options_are_passed_to_the_file_system() {
    require!("root");
    let mut b = Bundle::new();
    b.mount("/tmp", "tmpfs", "tmpfs", &["nr_inodes=77"]);
    assert!(b.report().mount_has("/tmp", "nr_inodes=77"));
}

#[test]
fn the_old_root_is_out_of_reach() {
    require!("root");
    let mut b = Bundle::new();
    let caps = json!(["CAP_SYS_CHROOT", "CAP_DAC_READ_SEARCH"]);
    b.capabilities(&json!({ "bounding": caps, "effective": caps, "permitted": caps }));
    let r = b.report();
    let root: Vec<&str> = r["root"].as_array().unwrap().iter().filter_map(|n| n.as_str()).collect();
    assert_eq!(root, ["dev", "etc", "probe", "proc", "run", "sys", "tmp"]);
    assert_eq!(b.run_probe(&["ls", "/../../.."]), "dev etc probe proc run sys tmp");
}

#[test]
fn a_cgroup_mount_shows_the_containers_own() {
    require!("root", "cgroup1");
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "cgroup" }));
    b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]);
    let r = b.report();
    let pids = r.mount("/sys/fs/cgroup/pids");
    assert_eq!(pids["fstype"], "cgroup");
    assert!(r.mount_has("/sys/fs/cgroup/pids", "ro"), "{pids}");
    assert_eq!(b.run_probe(&["read", "/sys/fs/cgroup/pids/cgroup.procs"]), "1");
}

#[test]
fn without_proc_and_dev_the_process_still_runs() {
    require!("root");
    known_difference!("no-proc");
    let mut b = Bundle::new();
    b.set("/mounts", json!([]));
    let r = b.report();
    assert!(r["mounts"].is_null());
    assert_eq!(r["pid"], 1);
    assert_eq!(r["uid"], 0);
}

#[test]
fn four_hundred_mounts_fit_into_the_usual_limit_of_descriptors() {
    require!("root");
    let mut b = Bundle::new();
    let source = b.scratch("many");
    std::fs::create_dir(&source).unwrap();
    for n in 0..400 {
        b.bind(&source, &format!("/many/{n}"), &["bind", "ro"]);
    }
    let report = b.report();
    for n in 0..400 {
        assert!(report.mount_has(&format!("/many/{n}"), "ro"), "{n}");
    }
}

/// Docker tells people more about it where the error has these words.
#[test]
fn a_file_on_a_directory_is_not_a_directory() {
    require!("container");
    let mut b = Bundle::new();
    let file = b.scratch("file");
    std::fs::write(&file, "").unwrap();
    b.bind(&file, "/etc", &["bind"]);
    b.run().fails_with(&["not a directory"]);
}
