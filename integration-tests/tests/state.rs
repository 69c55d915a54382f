//! `state`: what engines read.

use std::fs;

use integration_tests::{Bundle, json, known_difference, require};

#[test]
fn state_has_every_field_of_the_specification() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/annotations", json!({ "org.example.a": "1", "org.example.b": "zwei" }));
    let c = b.start_sleeper();
    let state = c.state();
    assert!(state["ociVersion"].as_str().unwrap().starts_with("1."), "{state}");
    assert_eq!(state["id"], b.id());
    assert_eq!(state["status"], "running");
    assert_eq!(state["bundle"], b.path().to_str().unwrap());
    assert_eq!(state["annotations"], json!({ "org.example.a": "1", "org.example.b": "zwei" }));
}

#[test]
fn state_has_what_runc_adds() {
    require!("container");
    known_difference!("state-rootfs");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let state = c.state();
    assert_eq!(state["rootfs"], b.rootfs().to_str().unwrap());
    assert!(state["owner"].is_string(), "{state}");
    let created = state["created"].as_str().unwrap();
    assert!(created.ends_with('Z') && created.contains('T') && created.len() > 19, "{created}");
}

#[test]
fn the_pid_is_the_hosts_view_of_the_process() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let cmdline = fs::read(format!("/proc/{}/cmdline", c.pid())).unwrap();
    assert_eq!(cmdline, b"/probe\0sleep\0");
}

#[test]
fn a_stopped_container_has_pid_0() {
    require!("container");
    let b = Bundle::probe(&["exit", "0"]);
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    assert_eq!(c.state()["pid"].as_i64().unwrap_or(0), 0);
}

#[test]
fn state_of_an_unknown_container_is_an_error() {
    require!("container");
    Bundle::new().verb("state").arg("nobody").run().fails_with(&["does not exist"]);
}

#[test]
fn state_is_the_same_before_and_after_a_refused_operation() {
    require!("container");
    let b = Bundle::probe(&["exit", "0"]);
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    let before = c.state();
    c.start().fails();
    c.kill("TERM").fails();
    assert_eq!(c.state(), before);
}

#[test]
fn a_new_process_with_the_same_pid_is_not_taken_for_the_container() {
    require!("container");
    // Only the stored start time can tell: swap the container's pid for one that is surely alive.
    let b = Bundle::probe(&["exit", "0"]);
    let c = b.create();
    let pid = c.pid();
    c.start().ok();
    c.wait_status("stopped");
    let own = std::process::id().to_string();
    let changed = rewrite(&b.root().join(b.id()), &pid.to_string(), &own);
    assert!(changed, "no pid in the state directory: teach this test where it is");
    assert_eq!(c.status(), "stopped");
}

/// Replaces a pid in the state file; true if there was one to replace.
fn rewrite(dir: &std::path::Path, from: &str, to: &str) -> bool {
    let mut changed = false;
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let Ok(text) = fs::read_to_string(entry.path()) else { continue };
        for key in ["\"init_process_pid\":", "\"pid\":", "\"pid\": "] {
            let (old, new) = (format!("{key}{from}"), format!("{key}{to}"));
            if text.contains(&old) {
                fs::write(entry.path(), text.replace(&old, &new)).unwrap();
                changed = true;
            }
        }
    }
    changed
}
