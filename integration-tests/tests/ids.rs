//! User, groups, umask, working directory, environment, arguments.

use integration_tests::{Bundle, json, require};

#[test]
fn the_process_runs_as_the_configured_user_group_and_groups() {
    require!("root");
    let mut b = Bundle::new();
    b.set("/process/user", json!({ "uid": 1000, "gid": 1001, "additionalGids": [5, 6] }));
    let r = b.report();
    assert_eq!((&r["uid"], &r["gid"], &r["euid"], &r["egid"]), (&json!(1000), &json!(1001), &json!(1000), &json!(1001)));
    assert_eq!(r["groups"], json!([5, 6]));
}
