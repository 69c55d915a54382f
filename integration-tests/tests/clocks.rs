//! Time namespaces, and the offsets of their clocks.

use integration_tests::{
    Bundle, Cmd, Value, json, known_difference, own_namespace, probe, require,
};

const DAY: i64 = 86_400;

/// A bundle with a time namespace of its own, and these offsets in seconds.
fn shifted(mut b: Bundle, monotonic: i64, boottime: i64) -> Bundle {
    b.args(&["clocks"]).namespace(json!({ "type": "time" }));
    b.set("/linux/timeOffsets/monotonic", json!({ "secs": monotonic }));
    b.set("/linux/timeOffsets/boottime", json!({ "secs": boottime, "nanosecs": 999_999_999 }));
    b
}

/// How far the clocks are ahead of the host's, to within some seconds.
#[track_caller]
fn assert_ahead(clocks: &Value, monotonic: i64, boottime: i64) {
    let host = Cmd::new(probe()).arg("clocks").run().ok().json();
    for (clock, wanted) in [("monotonic", monotonic), ("boottime", boottime), ("uptime", boottime)]
    {
        let ahead = clocks[clock].as_i64().unwrap() - host[clock].as_i64().unwrap();
        assert!((ahead - wanted).abs() < 30, "{clock}: {ahead} for {wanted}");
    }
}

#[test]
fn clocks_are_as_far_ahead_as_configured() {
    require!("root", "timens");
    known_difference!("time-offsets");
    let b = shifted(Bundle::new(), 3 * DAY, 7 * DAY);
    assert_ahead(&b.run().ok().json(), 3 * DAY, 7 * DAY);
    let c = b.start_sleeper();
    assert_ahead(&c.exec(&["clocks"]).ok().json(), 3 * DAY, 7 * DAY);
    let r = c.report();
    assert_ne!(r.namespace("time"), own_namespace("time"));
    c.finish();
}

#[test]
fn clocks_of_a_user_namespace_and_of_an_ordinary_user_are_shifted_as_well() {
    require!("root", "timens", "userns");
    known_difference!("time-offsets");
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "user" }));
    for map in ["/linux/uidMappings", "/linux/gidMappings"] {
        b.set(map, json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]));
    }
    std::fs::set_permissions(b.rootfs(), std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    assert_ahead(&shifted(b, DAY, 2 * DAY).run().ok().json(), DAY, 2 * DAY);
    assert_ahead(&shifted(Bundle::rootless(), DAY, 2 * DAY).run().ok().json(), DAY, 2 * DAY);
}

#[test]
fn a_time_namespace_without_offsets_has_the_hosts_clocks() {
    require!("root", "timens");
    known_difference!("time-offsets");
    let mut b = Bundle::probe(&["clocks"]);
    b.namespace(json!({ "type": "time" }));
    assert_ahead(&b.run().ok().json(), 0, 0);
    b.args(&["report"]);
    assert_ne!(b.report().namespace("time"), own_namespace("time"));
}

#[test]
fn a_time_namespace_is_joined_with_its_clocks() {
    require!("root", "timens");
    known_difference!("time-offsets");
    let first = shifted(Bundle::new(), DAY, DAY);
    let owner = first.start_sleeper();
    let mut b = Bundle::probe(&["clocks"]);
    b.namespace(json!({ "type": "time", "path": format!("/proc/{}/ns/time", owner.pid()) }));
    assert_ahead(&b.run().ok().json(), DAY, DAY);
    let c = b.start_sleeper();
    assert_ahead(&c.exec(&["clocks"]).ok().json(), DAY, DAY);
    c.finish();
    b.set("/linux/timeOffsets/boottime", json!({ "secs": 1 }));
    b.run().fails_with(&["both namespace path and time offsets"]);
}

#[test]
fn offsets_that_cannot_be_are_refused() {
    require!("root", "timens");
    known_difference!("time-offsets");
    let b = shifted(Bundle::new(), -400 * 365 * DAY, 0);
    b.run().fails_with(&["linux.timeOffsets"]);
    let mut b = Bundle::new();
    b.set("/linux/timeOffsets/boottime", json!({ "secs": 1 }));
    b.run().fails_with(&["time namespace isn't enabled"]);
    let mut b = shifted(Bundle::new(), 0, 0);
    b.set("/linux/timeOffsets/realtime", json!({ "secs": 1 }));
    b.run().fails_with(&["realtime"]);
}
