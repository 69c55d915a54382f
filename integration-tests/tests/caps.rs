//! Capability sets.

use integration_tests::{Bundle, Value, json, known_difference, require};

const SETS: [&str; 5] = ["effective", "permitted", "inheritable", "bounding", "ambient"];

#[test]
fn every_set_is_exactly_the_configured_one() {
    require!("root");
    let mut b = Bundle::new();
    b.capabilities(&json!({
        "bounding": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_NET_RAW"],
        "permitted": ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"],
        "effective": ["CAP_CHOWN", "CAP_KILL"],
        "inheritable": ["CAP_KILL"],
        "ambient": ["CAP_KILL"],
    }));
    // An ordinary user: the kernel gives root's exec all of the bounding set.
    b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let r = b.report();
    // What execve makes of it: permitted and effective are the ambient set.
    assert_eq!(r.caps("ambient"), ["CAP_KILL"]);
    assert_eq!(r.caps("inheritable"), ["CAP_KILL"]);
    assert_eq!(r.caps("effective"), ["CAP_KILL"]);
    assert_eq!(r.caps("permitted"), ["CAP_KILL"]);
    assert_eq!(r.caps("bounding"), ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW", "CAP_SETUID"]);
}

#[test]
fn ambient_capabilities_that_are_not_inheritable_are_told_of() {
    require!("root");
    known_difference!("ambient-warning");
    let mut b = Bundle::new();
    let ambient = ["CAP_KILL", "CAP_CHOWN"];
    b.capabilities(&json!({
        "bounding": ambient, "permitted": ambient, "inheritable": ["CAP_KILL"], "ambient": ambient,
    }));
    let outcome = b.run().ok();
    assert!(outcome.stderr.contains("can't raise ambient capability CAP_CHOWN: "), "{outcome:?}");
    assert!(!outcome.stderr.contains("CAP_KILL"), "{outcome:?}");
}

#[test]
fn root_gets_the_bounding_set_and_nothing_else() {
    require!("container");
    let r = Bundle::new().report();
    let all = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    assert_eq!(r.caps("bounding"), all);
    assert_eq!(r.caps("effective"), all);
    assert_eq!(r.caps("permitted"), all);
    assert_eq!(r.caps("inheritable"), [""; 0]);
    assert_eq!(r.caps("ambient"), [""; 0]);
}

#[test]
fn without_capabilities_every_set_is_empty() {
    require!("container");
    let mut b = Bundle::new();
    for empty in [json!({}), Value::Null] {
        b.capabilities(&empty);
        let r = b.report();
        for set in SETS {
            assert_eq!(r.caps(set), [""; 0], "{set} for {empty}");
        }
    }
}

#[test]
fn an_unknown_capability_does_not_weaken_the_others() {
    require!("container");
    let mut b = Bundle::new();
    let list = json!(["CAP_KILL", "CAP_NO_SUCH_THING"]);
    b.capabilities(&json!({ "bounding": list, "effective": list, "permitted": list }));
    let outcome = b.run();
    // Refusing is right as well; a set with more or less than CAP_KILL is not.
    if outcome.status == 0 {
        assert_eq!(outcome.json()["capabilities"]["bounding"], json!(["CAP_KILL"]));
    }
}

#[test]
fn an_ordinary_user_keeps_the_bounding_set_only() {
    require!("root");
    let mut b = Bundle::new();
    b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let r = b.report();
    assert_eq!(r.caps("effective"), [""; 0]);
    assert_eq!(r.caps("permitted"), [""; 0]);
    assert_eq!(r.caps("bounding"), ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]);
}

#[test]
fn without_cap_sys_admin_nothing_can_be_mounted() {
    require!("container");
    let mut b = Bundle::new();
    b.args(&["mount", "none", "/tmp", "tmpfs"]);
    assert_eq!(b.run().out(), "EPERM");
}

#[test]
fn without_cap_mknod_no_device_can_be_made() {
    require!("container");
    let mut b = Bundle::new();
    b.args(&["mknod", "/tmp/mem", "c", "1", "1"]);
    assert_eq!(b.run().out(), "EPERM");
}
