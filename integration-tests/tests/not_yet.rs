//! teu alone: its own commands.

use integration_tests::{Bundle, json, require};

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
