//! Device nodes and links in `/dev`.

use integration_tests::{Bundle, json, require};

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

#[test]
fn devices_that_are_not_allowed_cannot_be_opened() {
    require!("root", "cgroup1");
    let mut b = Bundle::new();
    b.set("/linux/resources/devices", json!([{ "allow": false, "access": "rwm" }]));
    b.push(
        "/linux/devices",
        json!({ "path": "/dev/mem", "type": "c", "major": 1, "minor": 1, "fileMode": 0o666 }),
    );
    b.args(&["append", "/dev/mem", ""]);
    assert_eq!(b.run().out(), "EPERM");
}

#[test]
fn the_default_devices_stay_allowed_when_all_is_denied() {
    require!("root", "cgroup1");
    let mut b = Bundle::new();
    b.set("/linux/resources/devices", json!([{ "allow": false, "access": "rwm" }]));
    assert_eq!(b.run_probe(&["write", "/dev/null", "x"]), "ok");
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
