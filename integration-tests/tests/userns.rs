//! User namespaces, made by root.

use integration_tests::cgroup::is_v2;
use integration_tests::{Bundle, json, known_difference, require};

fn mapped() -> Bundle {
    let mut b = Bundle::new();
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    b.namespace(json!({ "type": "user" }))
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map);
    b
}

#[test]
fn the_process_is_root_inside_and_nobody_outside() {
    require!("root", "userns");
    let b = mapped();
    let c = b.start_sleeper();
    let r = c.report();
    assert_eq!(json!([r["uid"], r["gid"]]), json!([0, 0]));
    assert_eq!(r["uid_map"], json!([[0, 100_000, 65536]]));
    assert_eq!(r["gid_map"], json!([[0, 100_000, 65536]]));
    let status = std::fs::read_to_string(format!("/proc/{}/status", c.pid())).unwrap();
    assert!(status.contains("Uid:\t100000\t100000\t100000\t100000"), "{status}");
    assert!(status.contains("Gid:\t100000\t100000\t100000\t100000"), "{status}");
}

#[test]
fn every_other_namespace_belongs_to_the_new_user_namespace() {
    require!("root", "userns");
    let mut b = mapped();
    // Mounting needs CAP_SYS_ADMIN over the owner of the mount namespace, a mqueue over that of the IPC namespace.
    let caps = json!(["CAP_SYS_ADMIN"]);
    b.capabilities(&json!({ "bounding": caps, "effective": caps, "permitted": caps }));
    b.args(&["seq", "mount", "none", "/tmp", "tmpfs", "--", "mount", "none", "/run", "mqueue"]);
    assert_eq!(b.run().ok().out(), "ok\nok");
}

#[test]
fn the_mounts_and_devices_are_all_there() {
    require!("root", "userns");
    let r = mapped().report();
    for at in ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"] {
        r.mount(at);
    }
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        assert_eq!(r["dev"][name]["type"], "char", "{name}");
    }
    assert_eq!(r["dev"]["null"]["device"], "1:3");
    assert_eq!(r["interfaces"], json!({ "lo": true }));
}

/// As `ctr run --privileged` has it: all nodes of the host.
#[test]
fn ptmx_is_that_of_the_container_s_devpts_even_if_the_host_s_is_asked_for() {
    require!("root", "userns");
    let mut b = mapped();
    let ptmx = json!({ "path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2, "fileMode": 438 });
    b.set("/linux/devices", json!([ptmx]));
    assert_eq!(b.report()["dev"]["ptmx"]["target"], "pts/ptmx");
}

#[test]
fn the_devices_work() {
    require!("root", "userns");
    assert_eq!(mapped().run_probe(&["write", "/dev/null", "x"]), "ok");
}

#[test]
fn another_user_and_groups_work_inside() {
    require!("root", "userns");
    let mut b = mapped();
    b.set("/process/user", json!({ "uid": 1000, "gid": 1000, "additionalGids": [7] }));
    let r = b.report();
    assert_eq!(json!([r["uid"], r["gid"], r["groups"]]), json!([1000, 1000, [7]]));
}

#[test]
fn a_user_outside_the_map_is_refused() {
    require!("root", "userns");
    let mut b = mapped();
    b.set("/process/user/uid", 70_000);
    b.run().fails();
}

#[test]
fn capabilities_are_the_configured_ones() {
    require!("root", "userns");
    let r = mapped().report();
    assert_eq!(r.caps("effective"), ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
    assert_eq!(r.caps("bounding"), ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
}

#[test]
fn masks_and_read_only_paths_hold() {
    require!("root", "userns");
    let mut b = mapped();
    b.set("/linux/maskedPaths", json!(["/proc/version", "/sys/firmware"]));
    b.set("/linux/readonlyPaths", json!(["/proc/sys"]));
    assert!(b.report().mount_has("/proc/sys", "ro"));
    assert_eq!(b.run_probe(&["seq", "read", "/proc/version", "--", "ls", "/sys/firmware"]), "");
}

#[test]
fn a_user_namespace_can_be_joined() {
    require!("root", "userns");
    known_difference!("join-userns");
    let first = mapped();
    let owner = first.start_sleeper();
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "user", "path": format!("/proc/{}/ns/user", owner.pid()) }));
    let r = b.report();
    assert_eq!(r.namespace("user"), owner.report().namespace("user"));
    assert_eq!(r["uid"], 0);
}

#[test]
fn mappings_without_a_user_namespace_are_refused() {
    require!("root");
    let mut b = Bundle::new();
    b.set("/linux/uidMappings", json!([{ "containerID": 0, "hostID": 100_000, "size": 1 }]));
    integration_tests::known_difference!("mappings-without-userns");
    b.run().fails();
}

#[test]
fn a_user_namespace_without_mappings_is_refused() {
    require!("root", "userns");
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "user" }));
    b.run().fails();
}

#[test]
fn overlapping_mappings_are_refused() {
    require!("root", "userns");
    if is_v2() {
        known_difference!("refused-create-cgroup");
    }
    let mut b = mapped();
    b.push("/linux/uidMappings", json!({ "containerID": 10, "hostID": 200_000, "size": 5 }));
    b.run().fails();
}

#[test]
fn nothing_is_left_behind() {
    require!("root", "userns");
    let b = mapped();
    b.start_sleeper().finish();
}
