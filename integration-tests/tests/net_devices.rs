//! linux.netDevices: interfaces that are moved into the container, and come back if it fails.
//!
//! The runtime runs in a network namespace of the test's own, with a veth pair in it.

use integration_tests::{Bundle, Outcome, Value, json, known_difference, require};

const INTERFACES: &str = "ip link add host0 type veth peer name peer0 &&
    ip address add 192.0.2.7/24 broadcast 192.0.2.255 dev host0 &&
    ip address add 169.254.3.4/16 scope link dev host0 &&
    ip -6 address add 2001:db8::7/64 nodad dev host0 &&
    ip link set host0 up && ip link set peer0 up";

/// Runs the bundle there; what follows on standard output is how `host0` looks afterwards.
fn run(b: &Bundle) -> Outcome {
    let script = format!(
        "{INTERFACES} || exit 99; \"$@\"; status=$?; ip -o link show; ip -o address show dev host0; exit $status"
    );
    let outcome = b.run_cmd(&[]).wrapped(["unshare", "-n", "sh", "-c", &script, "sh"]).run();
    b.assert_clean();
    outcome
}

/// The probe's report is the first line.
fn report(outcome: &Outcome) -> Value {
    serde_json::from_str(outcome.stdout.lines().next().unwrap()).unwrap()
}

#[test]
fn an_interface_moves_with_its_lasting_addresses_and_is_up() {
    require!("root", "veth");
    known_difference!("net-devices");
    let mut b = Bundle::new();
    b.set("/linux/netDevices", json!({ "host0": {} }));
    let outcome = run(&b);
    let r = report(&outcome);
    assert_eq!(r["interfaces"], json!({ "lo": true, "host0": true }));
    let all = r["addresses"]["host0"].as_array().unwrap();
    assert!(all.contains(&json!("192.0.2.7")) && all.contains(&json!("2001:db8::7")), "{all:?}");
    assert!(!all.contains(&json!("169.254.3.4")), "{all:?}");
    assert!(!outcome.stdout.contains(" host0"), "{outcome:#?}");
}

#[test]
fn an_interface_can_have_another_name_inside() {
    require!("root", "veth");
    known_difference!("net-devices");
    let mut b = Bundle::new();
    b.set("/linux/netDevices", json!({ "host0": { "name": "net0" }, "peer0": { "name": "lo%d" } }));
    let r = report(&run(&b));
    assert_eq!(r["interfaces"], json!({ "lo": true, "lo0": true, "net0": true }));
    // The numbers that a template may take are those that are free.
    b.set("/linux/netDevices", json!({ "host0": { "name": "x0" }, "peer0": { "name": "x%d" } }));
    assert_eq!(report(&run(&b))["interfaces"], json!({ "lo": true, "x0": true, "x1": true }));
}

#[test]
fn a_user_namespace_changes_nothing() {
    require!("root", "veth", "userns");
    known_difference!("net-devices");
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "user" }));
    for map in ["/linux/uidMappings", "/linux/gidMappings"] {
        b.set(map, json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]));
    }
    b.set("/linux/netDevices", json!({ "host0": {} }));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(b.rootfs(), mode).unwrap();
    assert_eq!(report(&run(&b))["interfaces"], json!({ "lo": true, "host0": true }));
}

#[test]
fn interfaces_of_a_container_that_fails_come_back() {
    require!("root", "veth", "teu");
    let mut b = Bundle::new();
    b.set("/linux/netDevices", json!({ "host0": { "name": "net0" }, "peer0": {} }));
    b.args(&["x"]).set("/process/args", json!(["/no/such/program"]));
    let outcome = run(&b).fails_with(&["no such file"]);
    for what in ["192.0.2.7/24 brd 192.0.2.255", "2001:db8::7/64", " host0", " peer0"] {
        assert!(outcome.stdout.contains(what), "{what}: {outcome:#?}");
    }
    let up = |name: &str| {
        let line = outcome.stdout.lines().find(|line| line.contains(name)).unwrap();
        line.contains(",UP")
    };
    assert!(up(" host0@") && up(" peer0@"), "{outcome:#?}");
}

#[test]
fn an_interface_that_is_not_there_is_refused_and_the_others_come_back() {
    require!("root", "veth");
    known_difference!("net-devices");
    let mut b = Bundle::new();
    b.set("/linux/netDevices", json!({ "host0": {}, "nosuch0": {} }));
    let outcome = run(&b).fails_with(&["linux.netDevices: nosuch0: ENODEV"]);
    assert!(outcome.stdout.contains("192.0.2.7/24"), "{outcome:#?}");
    b.set("/linux/netDevices", json!({ "host0": { "name": "lo" } }));
    let outcome = run(&b).fails_with(&["has an interface of that name"]);
    assert!(outcome.stdout.contains("192.0.2.7/24"), "{outcome:#?}");
}

#[test]
fn interfaces_are_not_moved_without_a_namespace_to_move_them_to() {
    require!("root", "veth");
    known_difference!("net-devices");
    let mut b = Bundle::new();
    b.unmount("/sys").set("/linux/netDevices", json!({ "host0": { "name": "net0" } }));
    b.without_namespace("network");
    let outcome = run(&b).fails_with(&["without a NET namespace"]);
    assert!(outcome.stdout.contains(" host0"), "{outcome:#?}");
    b.namespace(json!({ "type": "network", "path": "/proc/self/ns/net" }));
    let outcome = run(&b).fails_with(&["network namespace is the runtime's own"]);
    assert!(outcome.stdout.contains(" host0"), "{outcome:#?}");
}
