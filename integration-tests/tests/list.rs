//! `list`.

use integration_tests::{Bundle, known_difference, require};

#[test]
fn list_as_json_has_what_state_has() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let list = b.verb("list").args(["--format", "json"]).run().ok().json();
    let entry = &list.as_array().unwrap()[0];
    let state = c.state();
    for key in ["id", "pid", "status", "bundle", "created"] {
        assert_eq!(entry[key], state[key], "{key}");
    }
}

#[test]
fn list_as_a_table_has_runcs_columns() {
    require!("container");
    known_difference!("list-columns");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let text = b.verb("list").run().ok().stdout;
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]);
    let row: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    let pid = c.pid().to_string();
    assert_eq!(row[..4], [b.id(), &pid, "running", b.path().to_str().unwrap()]);
}

#[test]
fn list_quietly_prints_ids_only() {
    require!("container");
    let b = Bundle::new();
    let _c = b.start_sleeper();
    assert_eq!(b.verb("list").arg("--quiet").run().ok().out(), b.id());
    assert_eq!(b.verb("list").arg("-q").run().ok().out(), b.id());
}

#[test]
fn an_empty_list_is_no_error() {
    require!("container");
    let b = Bundle::new();
    b.verb("list").run().ok();
    let json = b.verb("list").args(["-f", "json"]).run().ok().json();
    assert!(json.is_null() || json.as_array().is_some_and(Vec::is_empty), "{json}");
    assert_eq!(b.verb("list").arg("-q").run().ok().out(), "");
}

#[test]
fn a_stopped_container_is_listed() {
    require!("container");
    let b = Bundle::probe(&["exit", "0"]);
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    let list = b.verb("list").args(["-f", "json"]).run().ok().json();
    assert_eq!(list[0]["status"], "stopped");
}
