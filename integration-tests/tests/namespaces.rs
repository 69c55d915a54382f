//! New, shared and joined namespaces.

use integration_tests::cgroup::is_v2;
use integration_tests::{Bundle, json, known_difference, own_namespace, require};

const KINDS: [(&str, &str); 6] = [
    ("pid", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("uts", "uts"),
    ("mount", "mnt"),
    ("cgroup", "cgroup"),
];

#[test]
fn configured_namespaces_are_new_and_the_others_are_the_callers() {
    require!("root");
    let r = Bundle::new().report();
    for kind in ["pid", "net", "ipc", "uts", "mnt"] {
        assert_ne!(r.namespace(kind), own_namespace(kind), "{kind}");
    }
    assert_eq!(r.namespace("user"), own_namespace("user"));
    assert_eq!(r.namespace("cgroup"), own_namespace("cgroup"));
}

#[test]
fn each_namespace_can_be_left_out() {
    require!("root");
    for (kind, file) in KINDS {
        if kind == "mount" {
            continue;
        }
        let mut b = Bundle::new();
        b.without_namespace(kind);
        if kind == "uts" {
            b.remove("/hostname");
        }
        if kind == "network" {
            // sysfs belongs to a network namespace; the host's may be mounted as well.
            b.unmount("/sys");
        }
        assert_eq!(b.report().namespace(file), own_namespace(file), "{kind}");
    }
}

#[test]
fn a_cgroup_namespace_hides_the_path_of_the_cgroup() {
    require!("container");
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "cgroup" }));
    let r = b.report();
    assert_ne!(r.namespace("cgroup"), own_namespace("cgroup"));
    let lines = r["cgroup"].to_string();
    assert!(!lines.contains(b.id()), "{lines}");
}

#[test]
fn each_namespace_can_be_joined_by_path() {
    require!("root");
    let mut first = Bundle::new();
    first.namespace(json!({ "type": "cgroup" }));
    let pid = first.start_sleeper().pid();
    for (kind, file) in KINDS {
        if kind == "mount" {
            continue;
        }
        let path = format!("/proc/{pid}/ns/{file}");
        let mut b = Bundle::new();
        b.namespace(json!({ "type": kind, "path": path }));
        if kind == "uts" {
            b.remove("/hostname");
        }
        let wanted = std::fs::read_link(&path).unwrap();
        let found = b.report().namespace(file);
        assert!(
            wanted.to_str().unwrap().contains(&format!("[{found}]")),
            "{kind}: {wanted:?} {found}"
        );
    }
}

#[test]
fn several_namespaces_can_be_joined_at_once() {
    require!("root");
    let first = Bundle::new();
    let c = first.start_sleeper();
    let pid = c.pid();
    let mut b = Bundle::new();
    for (kind, file) in [("pid", "pid"), ("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
        b.namespace(json!({ "type": kind, "path": format!("/proc/{pid}/ns/{file}") }));
    }
    b.remove("/hostname");
    let r = b.report();
    assert_eq!(r["hostname"], "teu-test");
    assert_ne!(r["pid"], 1);
    assert_eq!(c.report().namespace("net"), r.namespace("net"));
}

#[test]
fn deleting_a_container_that_joined_a_pid_namespace_spares_the_owner() {
    require!("root");
    let first = Bundle::new();
    let owner = first.start_sleeper();
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "pid", "path": format!("/proc/{}/ns/pid", owner.pid()) }));
    b.start_sleeper().finish();
    assert_eq!(owner.status(), "running");
}

#[test]
fn loopback_is_up_in_a_new_network_namespace() {
    require!("container");
    let r = Bundle::new().report();
    assert_eq!(r["interfaces"], json!({ "lo": true }));
}

#[test]
fn a_namespace_path_of_the_wrong_kind_is_refused() {
    require!("container");
    if is_v2() {
        known_difference!("refused-create-cgroup");
    }
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "network", "path": "/proc/self/ns/ipc" }));
    b.run().fails();
    b.namespace(json!({ "type": "network", "path": "/etc/passwd" }));
    b.run().fails();
}

#[test]
fn a_namespace_path_that_is_missing_is_refused_by_name() {
    require!("container");
    if is_v2() {
        known_difference!("refused-create-cgroup");
    }
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "network", "path": "/run/netns/no-such-one" }));
    b.run().fails_with(&["/run/netns/no-such-one"]);
}

#[test]
fn a_namespace_given_twice_is_refused() {
    require!("container");
    known_difference!("duplicate-namespace");
    let mut b = Bundle::new();
    b.push("/linux/namespaces", json!({ "type": "pid" }));
    b.run().fails_with(&["pid"]);
}

#[test]
fn an_unknown_namespace_is_refused() {
    require!("container");
    if is_v2() {
        known_difference!("refused-create-cgroup");
    }
    let mut b = Bundle::new();
    b.push("/linux/namespaces", json!({ "type": "no-such-kind" }));
    b.run().fails_with(&["no-such-kind"]);
}

#[test]
fn a_hostname_without_a_uts_namespace_is_refused() {
    require!("container");
    let mut b = Bundle::new();
    let before = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    b.without_namespace("uts").set("/hostname", before.trim());
    // The host's own name, so that a runtime that takes it does no harm.
    b.run().fails();
}
