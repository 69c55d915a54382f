//! The same as an ordinary user.

use integration_tests::require;

use crate::place::{Place, unique};

#[test]
fn an_ordinary_user_loads_runs_and_commits() {
    require!("busybox", "userns");
    let place = Place::rootless();
    place.busybox();
    assert!(place.ok(&["run", "--rm", "busybox", "id"]).starts_with("uid=0(root) gid=0(root)"));
    assert!(place.ok(&["run", "--rm", "--net", "host", "busybox", "hostname"]).len() > 1);
    let name = unique("rootless");
    let script = "echo 1 > /tmp/one; rm /bin/cat; rm /etc/passwd";
    place.ok(&["run", "--name", &name, "busybox", "sh", "-c", script]);
    let changes = place.ok(&["diff", &name]);
    for line in ["A /tmp/one", "D /bin/cat", "D /etc/passwd"] {
        assert!(changes.lines().any(|change| change == line), "{line} in {changes}");
    }
    place.ok(&["commit", &name, "changed"]);
    let out =
        place.run(&["run", "--rm", "changed", "sh", "-c", "ls /tmp; ls /bin/cat /etc/passwd"]);
    assert_eq!(out.stdout, "one\n", "{out:#?}");
    place.ok(&["rm", &name]);
    let bundle = place.word("bundle");
    place.run(&["bundle", "changed", &bundle]).fails_with(&["bundle needs root"]);
    place.ok(&["rmi", "changed", "busybox"]);
}

#[test]
fn the_store_of_root_is_refused() {
    require!("root", "userns");
    let place = Place::new();
    place.ok(&["images"]);
    let uid = Some(integration_tests::ordinary_user());
    for path in ["", "store"] {
        std::os::unix::fs::chown(place.path(path), uid, uid).unwrap();
    }
    let out = place.command(&["images"]).user(uid).run();
    out.fails_with(&["is root's", "permission denied"]);
}
