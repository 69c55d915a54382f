//! teu alone: its own commands, and what this version refuses by name rather than do in part.
//! A test here goes away when its feature arrives.

use integration_tests::{Bundle, Value, json, require};

#[test]
fn plan_prints_what_would_be_done_without_doing_it() {
    require!("container", "teu");
    let b = Bundle::probe(&["write", "/ran", "1"]);
    b.write();
    let plan = b.verb("plan").arg("--bundle").arg(b.path()).run().ok();
    for word in ["pivot_root", "/proc", "mqueue", "/probe"] {
        assert!(plan.stdout.contains(word), "{word}: {}", plan.stdout);
    }
    assert!(!b.rootfs().join("ran").exists());
    b.assert_clean();
}

#[test]
fn plan_hides_the_values_of_the_environment() {
    require!("container", "teu");
    let mut b = Bundle::new();
    b.push("/process/env", json!("PASSWORD=hunter2-secret"));
    b.write();
    let plan = b.verb("plan").arg("--bundle").arg(b.path()).run().ok();
    assert!(plan.stdout.contains("PASSWORD"), "{}", plan.stdout);
    assert!(!plan.stdout.contains("hunter2-secret"), "{}", plan.stdout);
}

#[test]
fn settings_of_later_versions_are_refused_by_name() {
    require!("container", "teu");
    let cases: [(&str, Value, &str); 1] =
        [("/linux/intelRdt", json!({ "closID": "guaranteed" }), "intelRdt")];
    for (pointer, value, name) in cases {
        let mut b = Bundle::new();
        b.set(pointer, value);
        b.try_create().fails_with(&[name]);
        b.assert_clean();
    }
}
