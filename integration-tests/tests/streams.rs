//! Standard streams: the host's /dev/null, closed ones, their end.

use std::fs;

use integration_tests::{Bundle, Running, Value, json, known_difference, require, wait_until};

/// What `probe seq streams -- stat /dev/null` has seen in a process that got its caller's streams: in the
/// foreground runc puts pipes between.
fn seen(running: Running) -> (Vec<Value>, Value) {
    wait_until("two lines", || running.stdout().lines().count() == 2);
    let text = running.stdout();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let streams = lines.next().unwrap().as_array().unwrap().clone();
    (streams, lines.next().unwrap())
}

fn same_node(a: &Value, b: &Value) -> bool {
    a["device"] == "1:3" && (&a["dev"], &a["ino"]) == (&b["dev"], &b["ino"])
}

const LOOK: [&str; 5] = ["seq", "streams", "--", "stat", "/dev/null"];

#[test]
fn a_root_inside_does_not_hold_the_hosts_null_device() {
    require!("root");
    let b = Bundle::probe(&LOOK);
    let (streams, null) = seen(b.run_cmd(&["--detach"]).spawn());
    assert!(same_node(&streams[0], &null), "stdin {streams:?}, /dev/null {null}");
    assert!(!same_node(&streams[1], &null), "what is no null device is left alone");
}

#[test]
fn an_exec_does_not_hold_the_hosts_null_device() {
    require!("root");
    known_difference!("exec-null");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let exec = b.verb("exec").args(["--detach", b.id(), "/probe"]).args(LOOK);
    let (streams, null) = seen(exec.spawn());
    assert!(same_node(&streams[0], &null), "stdin {streams:?}, /dev/null {null}");
    // A container that has taken its own away would get the host's.
    c.exec(&["seq", "unlink", "/dev/null", "--", "write", "/dev/null", "x"]).ok();
    c.exec(&["echo", "fine"]).exits(255).fails_with(&["/dev/null"]);
    assert_eq!(
        b.verb("exec").args([b.id(), "/probe", "echo", "fine"]).stdin("x").run().ok().out(),
        "fine"
    );
}

#[test]
fn a_container_with_the_hosts_dev_keeps_what_it_got() {
    require!("root");
    let mut b = Bundle::probe(&LOOK);
    b.unmount("/dev/pts").unmount("/dev/shm").unmount("/dev/mqueue").unmount("/dev");
    b.bind("/dev".as_ref(), "/dev", &["rbind"]);
    let (streams, null) = seen(b.run_cmd(&["--detach"]).spawn());
    assert!(same_node(&streams[0], &null), "stdin {streams:?}, /dev/null {null}");
}

#[test]
fn closed_streams_are_no_obstacle() {
    require!("container");
    known_difference!("closed-streams");
    const CLOSED: &str = r#"exec "$@" 0<&- 1>&- 2>&-"#;
    let look = |file: &str| ["save-stdin", file].map(str::to_owned);
    let fds = |b: &Bundle, file: &str| {
        let text = fs::read_to_string(b.rootfs().join(file)).unwrap();
        let seen: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(seen["stdin"], "");
        let fds = seen["fds"].as_object().unwrap().clone();
        // The file itself is the one further descriptor.
        let null = |fd: &str| fds.get(fd).is_none_or(|target| *target == "/dev/null");
        assert!(["0", "1", "2"].into_iter().all(null) && fds.len() <= 4, "{fds:?}");
    };
    let mut b = Bundle::new();
    b.args(&look("/run.json").each_ref().map(String::as_str));
    b.run_cmd(&[]).through_shell(CLOSED).run().ok();
    fds(&b, "run.json");

    b.args(&["sleep"]);
    b.run_cmd(&["--detach"]).through_shell(CLOSED).run().ok();
    let exec = b.verb("exec").args([b.id(), "/probe"]).args(look("/exec.json"));
    exec.through_shell(CLOSED).run().ok();
    fds(&b, "exec.json");
}

#[test]
fn the_end_of_standard_input_is_seen_inside() {
    require!("container");
    let mut b = Bundle::probe(&["cat"]);
    assert_eq!(b.run_cmd(&[]).stdin("some text").run().ok().out(), "some text");
    assert_eq!(b.run_cmd(&[]).run().ok().out(), "");
    // Through a pipe, whose other end is closed while the process runs.
    let script = r#"{ echo first; sleep 0.3; echo second; } | "$@""#;
    assert_eq!(b.run_cmd(&[]).through_shell(script).run().ok().out(), "first\nsecond");
    b.args(&["sleep"]);
    b.run_cmd(&["--detach"]).run().ok();
    let exec = b.verb("exec").args([b.id(), "/probe", "cat"]);
    assert_eq!(exec.through_shell(script).run().ok().out(), "first\nsecond");
}

#[test]
fn nobody_who_reads_is_no_reason_to_hang() {
    require!("container");
    let mut b = Bundle::probe(&["echo", "into the void"]);
    b.set("/process/noNewPrivileges", json!(true));
    let status = b.run_cmd(&[]).through_shell(r#""$@" | true; exit 0"#).run();
    status.ok();
    b.assert_clean();
}
