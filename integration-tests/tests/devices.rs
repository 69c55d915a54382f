//! Device nodes and links in `/dev`.

use integration_tests::{Bundle, Value, json, known_difference, require};

/// An image's config may have it from a host's list.
#[test]
fn the_terminals_are_the_containers_whatever_is_configured_as_ptmx() {
    require!("root");
    for user in [false, true] {
        let mut b = Bundle::new();
        if user {
            let map = json!([{ "containerID": 0, "hostID": 0, "size": 1000 }]);
            b.namespace(json!({ "type": "user" }));
            b.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
        }
        let node = json!({ "path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2 });
        b.push("/linux/devices", node);
        assert_eq!(b.report()["dev"]["ptmx"]["target"], "pts/ptmx");
    }
}

#[test]
fn the_default_devices_are_there() {
    require!("root");
    let r = Bundle::new().report();
    let devices = [
        ("null", "1:3"),
        ("zero", "1:5"),
        ("full", "1:7"),
        ("random", "1:8"),
        ("urandom", "1:9"),
        ("tty", "5:0"),
    ];
    for (name, number) in devices {
        let node = &r["dev"][name];
        assert_eq!((&node["type"], &node["device"]), (&json!("char"), &json!(number)), "{name}");
        assert_eq!(json!([node["mode"], node["uid"]]), json!([0o666, 0]), "{name}");
    }
}

#[test]
fn the_default_links_are_there() {
    require!("root");
    let r = Bundle::new().report();
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        let node = &r["dev"][name];
        assert_eq!(node["type"], "symlink", "{name}");
        assert!(node["target"].as_str().unwrap().ends_with(target), "{name}: {node}");
    }
}

#[test]
fn nothing_else_is_in_dev() {
    require!("root");
    let r = Bundle::new().report();
    let mut expected = vec![
        "null", "zero", "full", "random", "urandom", "tty", "fd", "stdin", "stdout", "stderr",
        "ptmx", "pts", "shm", "mqueue",
    ];
    expected.sort_unstable();
    let mut found: Vec<&str> = r["dev"].as_object().unwrap().keys().map(String::as_str).collect();
    // /proc/kcore's old name: some make it, the specification does not ask for it.
    found.retain(|n| *n != "core");
    assert_eq!(found, expected);
}

#[test]
fn a_configured_device_has_its_number_mode_and_owner() {
    require!("root");
    let mut b = Bundle::new();
    b.push(
        "/linux/devices",
        json!({ "path": "/dev/fuse-test", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 12, "gid": 34 }),
    );
    b.push(
        "/linux/devices",
        json!({ "path": "/dev/deep/loop", "type": "b", "major": 7, "minor": 0 }),
    );
    let r = b.report();
    let node = &r["dev"]["fuse-test"];
    assert_eq!(
        json!([node["type"], node["device"], node["mode"], node["uid"], node["gid"]]),
        json!(["char", "10:229", 0o640, 12, 34])
    );
    b.args(&["stat", "/dev/deep/loop"]);
    let node = b.run().ok().json();
    assert_eq!(json!([node["type"], node["device"]]), json!(["block", "7:0"]));
}

#[test]
fn a_fifo_can_be_configured() {
    require!("root");
    let mut b = Bundle::new();
    b.push("/linux/devices", json!({ "path": "/dev/pipe", "type": "p", "fileMode": 0o600 }));
    assert_eq!(b.report()["dev"]["pipe"]["type"], "fifo");
}

#[test]
fn an_unbuffered_device_is_a_character_device() {
    require!("root");
    let mut b = Bundle::new();
    b.push("/linux/devices", json!({ "path": "/dev/raw", "type": "u", "major": 1, "minor": 3 }));
    let node = &b.report()["dev"]["raw"];
    assert_eq!(json!([node["type"], node["device"]]), json!(["char", "1:3"]));
}

#[test]
fn a_device_that_is_there_is_taken_if_it_is_the_same_and_refused_otherwise() {
    require!("root");
    known_difference!("device-mismatch");
    let mut b = Bundle::new();
    b.dir("nodes");
    let node = b.rootfs().join("nodes/null");
    let mknod = integration_tests::Cmd::new(integration_tests::probe());
    mknod.args(["mknod", node.to_str().unwrap(), "c", "1", "3"]).run().ok();
    let device =
        |minor| json!([{ "path": "/nodes/null", "type": "c", "major": 1, "minor": minor }]);
    b.set("/linux/devices", device(3)).args(&["stat", "/nodes/null"]);
    assert_eq!(b.run().ok().json()["device"], "1:3");
    b.set("/linux/devices", device(5));
    b.run().fails_with(&["/nodes/null"]);
}

#[test]
fn a_device_mode_is_not_cut_by_the_callers_umask() {
    require!("root");
    let mut b = Bundle::new();
    b.push(
        "/linux/devices",
        json!({ "path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666 }),
    );
    let r = b.run_cmd(&[]).through_shell("umask 077; exec \"$@\"").run().ok().json();
    assert_eq!(r["dev"]["x"]["mode"], 0o666);
    assert_eq!(r["dev"]["null"]["mode"], 0o666);
}

#[test]
fn the_default_devices_work() {
    require!("root");
    let mut b = Bundle::new();
    assert_eq!(b.run_probe(&["seq", "write", "/dev/null", "x", "--", "read", "/dev/null"]), "ok");
    b.args(&["append", "/dev/full", "x"]);
    assert_eq!(b.run().out(), "ENOSPC");
}

/// A container with the rules and nodes of these numbers. No driver has 121 (it is for local use), so
/// that opening one fails in any case: with EPERM where the rules deny it, else with ENXIO.
fn with_rules(rules: Value) -> Bundle {
    let mut b = Bundle::new();
    b.set("/linux/resources/devices", rules);
    for (kind, minor) in [("c", 7), ("c", 8), ("b", 7)] {
        let path = format!("/dev/{kind}{minor}");
        let node = json!({ "path": path, "type": kind, "major": 121, "minor": minor });
        b.push("/linux/devices", node);
    }
    b
}

const DENIED: &str = "EPERM";
const ALLOWED: &str = "ENXIO";

/// What opening gives, each time in a container of its own.
fn opens<const N: usize>(b: &mut Bundle, tries: [(&str, &str); N]) -> [String; N] {
    tries.map(|(path, access)| {
        b.args(&["open", path, access]);
        b.run().out().to_owned()
    })
}

fn deny_all() -> Value {
    json!({ "allow": false, "access": "rwm" })
}

fn rule(allow: bool, kind: &str, minor: Option<u32>, access: &str) -> Value {
    json!({ "allow": allow, "type": kind, "major": 121, "minor": minor, "access": access })
}

#[test]
fn devices_that_are_not_allowed_cannot_be_opened() {
    require!("root", "device-rules");
    let mut b = with_rules(json!([deny_all()]));
    assert_eq!(opens(&mut b, [("/dev/c7", "r"), ("/dev/b7", "w")]), [DENIED, DENIED]);
}

#[test]
fn without_rules_nothing_but_the_default_devices_is_allowed() {
    require!("root", "device-rules");
    known_difference!("device-no-rules");
    let mut b = with_rules(json!([]));
    assert_eq!(opens(&mut b, [("/dev/c7", "r"), ("/dev/b7", "w")]), [DENIED, DENIED]);
    assert_eq!(b.run_probe(&["write", "/dev/null", "x"]), "ok");
}

#[test]
fn the_default_devices_stay_allowed_when_all_is_denied() {
    require!("root", "device-rules");
    let mut b = with_rules(json!([deny_all()]));
    assert_eq!(b.run_probe(&["write", "/dev/null", "x"]), "ok");
}

#[test]
fn each_kind_of_access_is_allowed_for_itself() {
    require!("root", "device-rules");
    let mut b = with_rules(json!([deny_all(), rule(true, "c", Some(7), "r")]));
    let tries = [("/dev/c7", "r"), ("/dev/c7", "w"), ("/dev/c7", "rw"), ("/dev/b7", "r")];
    assert_eq!(opens(&mut b, tries), [ALLOWED, DENIED, DENIED, DENIED]);
}

#[test]
fn a_rule_may_be_for_any_number() {
    require!("root", "device-rules");
    let any_major = json!({ "allow": true, "type": "c", "minor": 8, "access": "rw" });
    let mut b = with_rules(json!([deny_all(), rule(true, "b", None, "rw"), any_major]));
    let tries = [("/dev/b7", "rw"), ("/dev/c7", "r"), ("/dev/c8", "rw")];
    assert_eq!(opens(&mut b, tries), [ALLOWED, DENIED, ALLOWED]);
}

#[test]
fn the_last_rule_for_a_device_wins() {
    require!("root", "device-rules");
    let mut b = with_rules(json!([
        rule(true, "c", Some(8), "rw"),
        deny_all(),
        rule(true, "c", Some(7), "rw"),
        rule(false, "c", Some(7), "w"),
    ]));
    let tries = [("/dev/c7", "r"), ("/dev/c7", "w"), ("/dev/c8", "r")];
    assert_eq!(opens(&mut b, tries), [ALLOWED, DENIED, DENIED]);
}

#[test]
fn a_wider_denial_takes_back_what_was_allowed_before() {
    require!("root", "device-rules");
    known_difference!("device-wider-denial");
    let mut b = with_rules(json!([
        deny_all(),
        rule(true, "c", Some(7), "rw"),
        rule(false, "c", None, "w"),
    ]));
    assert_eq!(opens(&mut b, [("/dev/c7", "r"), ("/dev/c7", "w")]), [ALLOWED, DENIED]);
}

#[test]
fn all_devices_but_some_can_be_allowed() {
    require!("root", "device-rules");
    let all = json!({ "allow": true, "access": "rwm" });
    let mut b = with_rules(json!([all, rule(false, "c", Some(7), "w")]));
    let tries = [("/dev/c7", "r"), ("/dev/c7", "w"), ("/dev/c8", "rw"), ("/dev/b7", "rw")];
    assert_eq!(opens(&mut b, tries), [ALLOWED, DENIED, ALLOWED, ALLOWED]);
}

#[test]
fn who_asks_for_more_than_is_denied_is_denied() {
    require!("root", "device-rules");
    known_difference!("device-denied-in-part");
    let all = json!({ "allow": true, "access": "rwm" });
    let mut b = with_rules(json!([all, rule(false, "c", Some(7), "w")]));
    assert_eq!(opens(&mut b, [("/dev/c7", "rw")]), [DENIED]);
}

#[test]
fn nodes_can_be_made_but_not_opened() {
    require!("root", "device-rules");
    let mut b = with_rules(json!([deny_all()]));
    for set in ["bounding", "effective", "permitted"] {
        b.push(&format!("/process/capabilities/{set}"), json!("CAP_MKNOD"));
    }
    b.args(&["seq", "mknod", "/dev/x", "c", "121", "9", "--", "open", "/dev/x", "r"]);
    assert_eq!(b.run().out(), format!("ok\n{DENIED}"));
}

#[test]
fn exec_is_under_the_same_rules() {
    require!("root", "device-rules");
    let b = with_rules(json!([deny_all(), rule(true, "c", Some(7), "r")]));
    let c = b.start_sleeper();
    for (access, answer) in [("r", ALLOWED), ("rw", DENIED)] {
        assert_eq!(c.exec(&["open", "/dev/c7", access]).out(), answer);
    }
}

fn with_an_exception() -> Bundle {
    with_rules(json!([deny_all(), rule(true, "c", None, "rw"), rule(false, "c", Some(7), "w"),]))
}

#[test]
fn on_v1_an_exception_from_a_wider_rule_is_refused() {
    require!("root", "cgroup1");
    known_difference!("device-exception-v1");
    let b = with_an_exception();
    b.try_create().fails_with(&["wildcard", "wider rule"]);
    b.assert_clean();
}

#[test]
fn on_v2_an_exception_from_a_wider_rule_holds() {
    require!("root", "cgroup2");
    known_difference!("device-exception-v2");
    let mut b = with_an_exception();
    let tries = [("/dev/c7", "r"), ("/dev/c7", "w"), ("/dev/c8", "rw")];
    assert_eq!(opens(&mut b, tries), [ALLOWED, DENIED, ALLOWED]);
}

#[test]
fn an_existing_dev_that_is_bound_from_the_host_is_left_alone() {
    require!("root");
    let mut b = Bundle::new();
    let dev = b.scratch("own-dev");
    std::fs::create_dir(&dev).unwrap();
    let null = dev.join("null");
    let mknod = integration_tests::Cmd::new(integration_tests::probe());
    mknod.args(["mknod", null.to_str().unwrap(), "c", "1", "3"]).run().ok();
    for at in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        b.unmount(at);
    }
    b.bind(&dev, "/dev", &["bind"]);
    b.args(&["ls", "/dev"]);
    assert_eq!(b.run().ok().out(), "null");
}
