//! Kernel parameters.

use std::fs;

use integration_tests::{Bundle, json, known_difference, require};

#[test]
fn namespaced_parameters_are_set_inside_and_only_there() {
    require!("container");
    let host = || fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    let before = host();
    let mut b = Bundle::new();
    b.set(
        "/linux/sysctl",
        json!({ "net.ipv4.ip_unprivileged_port_start": "7", "kernel.shmmni": "77" }),
    );
    let paths = ["/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/kernel/shmmni"];
    let out = b.run_probe(&["seq", "read", paths[0], "--", "read", paths[1]]);
    assert_eq!(out, "7\n77");
    assert_eq!(host(), before);
}

#[test]
fn parameters_of_a_user_namespace_are_set_in_a_new_one() {
    require!("root", "userns");
    known_difference!("user-sysctl");
    let mut b = Bundle::new();
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    b.namespace(json!({ "type": "user" }))
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map);
    b.set("/linux/sysctl", json!({ "user.max_ipc_namespaces": "7" }));
    assert_eq!(b.run_probe(&["read", "/proc/sys/user/max_ipc_namespaces"]), "7");
    let mut b = Bundle::new();
    b.set("/linux/sysctl", json!({ "user.max_ipc_namespaces": "7" }));
    b.run().fails_with(&["user.max_ipc_namespaces"]);
}

#[test]
fn slashes_separate_as_well() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/linux/sysctl", json!({ "net/ipv4/ip_forward": "1" }));
    assert_eq!(b.run_probe(&["read", "/proc/sys/net/ipv4/ip_forward"]), "1");
}

#[test]
fn a_parameter_of_the_host_is_refused() {
    require!("container");
    let before = fs::read_to_string("/proc/sys/vm/swappiness").unwrap();
    let mut b = Bundle::new();
    b.set("/linux/sysctl", json!({ "vm.swappiness": before.trim() }));
    b.run().fails_with(&["vm.swappiness"]);
}

#[test]
fn a_parameter_of_a_namespace_that_is_not_new_is_refused() {
    require!("container");
    let before = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").unwrap();
    let mut b = Bundle::new();
    b.without_namespace("network")
        .set("/linux/sysctl", json!({ "net.ipv4.ip_forward": before.trim() }));
    b.run().fails_with(&["net.ipv4.ip_forward", "network namespace", "new network"]);
    let before = fs::read_to_string("/proc/sys/kernel/shmmni").unwrap();
    let mut b = Bundle::new();
    b.without_namespace("ipc").set("/linux/sysctl", json!({ "kernel.shmmni": before.trim() }));
    b.run().fails_with(&["kernel.shmmni", "ipc namespace", "new ipc"]);
}

#[test]
fn a_parameter_cannot_climb_out_of_proc_sys() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/linux/sysctl", json!({ "net/../../self/comm": "pwned" }));
    b.run().fails();
}
