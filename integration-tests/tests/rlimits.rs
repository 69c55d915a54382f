//! Resource limits.

use integration_tests::{Bundle, json, known_difference, require};

#[test]
fn the_limits_are_the_configured_ones() {
    require!("container");
    let mut b = Bundle::new();
    b.set(
        "/process/rlimits",
        json!([
            { "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 },
            { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 },
            { "type": "RLIMIT_NPROC", "soft": 1000, "hard": 2000 },
        ]),
    );
    let r = b.report();
    assert_eq!(r.rlimit("RLIMIT_NOFILE"), (100, 200));
    assert_eq!(r.rlimit("RLIMIT_CORE"), (0, 0));
    assert_eq!(r.rlimit("RLIMIT_NPROC"), (1000, 2000));
}

#[test]
fn limits_that_are_not_configured_are_the_callers() {
    require!("container");
    let host: integration_tests::Value =
        integration_tests::Cmd::new(integration_tests::probe()).arg("report").run().ok().json();
    let r = Bundle::new().report();
    assert_eq!(r["rlimits"], host["rlimits"]);
}

#[test]
fn a_low_nofile_limit_does_not_get_in_the_way_of_the_setup() {
    require!("container");
    known_difference!("low-nofile");
    let mut b = Bundle::new();
    b.push("/process/rlimits", json!({ "type": "RLIMIT_NOFILE", "soft": 4, "hard": 4 }));
    b.args(&["echo", "alive"]);
    assert_eq!(b.run().ok().out(), "alive");
}

#[test]
fn an_unknown_limit_is_refused() {
    require!("container");
    let mut b = Bundle::new();
    b.push("/process/rlimits", json!({ "type": "RLIMIT_TEST", "soft": 1, "hard": 1 }));
    b.run().fails_with(&["RLIMIT_TEST"]);
}

#[test]
fn a_limit_given_twice_is_refused() {
    require!("container");
    integration_tests::known_difference!("duplicate-rlimit");
    let mut b = Bundle::new();
    b.push("/process/rlimits", json!({ "type": "RLIMIT_NOFILE", "soft": 10, "hard": 20 }));
    b.push("/process/rlimits", json!({ "type": "RLIMIT_NOFILE", "soft": 11, "hard": 20 }));
    b.run().fails_with(&["RLIMIT_NOFILE"]);
}

#[test]
fn a_soft_limit_above_the_hard_one_is_refused() {
    require!("container");
    let mut b = Bundle::new();
    b.push("/process/rlimits", json!({ "type": "RLIMIT_NOFILE", "soft": 20, "hard": 10 }));
    b.run().fails();
}
