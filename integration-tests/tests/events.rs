//! `events`: its form, its end, and the notice that memory has run out.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use integration_tests::{
    Bundle, Cmd, Container, Runtime, Value, cgroup, json, known_difference, patience, require,
};

/// Too little for `probe touch-memory 64`, enough for `exec`.
const LIMIT: u64 = 24 << 20;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn limit_memory(c: &Container<'_>) {
    let dir = cgroup::dir(c.pid(), "memory");
    let put = |name: &str, value: u64| fs::write(dir.join(name), value.to_string());
    if cgroup::is_v2() {
        put("memory.max", LIMIT).unwrap();
        let _ = put("memory.swap.max", 0);
    } else {
        put("memory.limit_in_bytes", LIMIT).unwrap();
        let _ = put("memory.memsw.limit_in_bytes", LIMIT);
    }
}

#[test]
fn statistics_are_one_line_of_runcs_form() {
    require!("container", "delegation");
    known_difference!("events");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let text = c.verb("events", &["--stats"]).ok().stdout;
    assert_eq!(text.lines().count(), 1, "{text}");
    let begin =
        format!(r#"{{"type":"stats","id":"{}","data":{{"cpu":{{"usage":{{"total":"#, b.id());
    assert!(text.starts_with(&begin), "{text}");
    assert!(text.ends_with(",\"intel_rdt\":{},\"network_interfaces\":null}}\n"), "{text}");
    let json = lines(&text).remove(0);
    let keys: Vec<&String> = json["data"].as_object().unwrap().keys().collect();
    let expected =
        ["blkio", "cpu", "cpuset", "hugetlb", "intel_rdt", "memory", "network_interfaces", "pids"];
    assert_eq!(keys, expected);
}

#[test]
fn statistics_come_with_the_interval_until_the_container_stops() {
    require!("container", "delegation");
    known_difference!("events");
    known_difference!("events-end");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let started = Instant::now();
    let events = b.verb("events").args(["--interval", "100ms", b.id()]).spawn();
    integration_tests::wait_until("three lines", || events.stdout().lines().count() >= 3);
    assert!(started.elapsed() >= Duration::from_millis(300));
    c.kill("KILL").ok();
    let outcome = events.wait().ok();
    assert!(lines(&outcome.stdout).iter().all(|line| line["type"] == "stats"), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn running_out_of_memory_is_told() {
    require!("container", "delegation");
    known_difference!("events");
    known_difference!("events-end");
    let b = Bundle::new();
    let c = b.start_sleeper();
    limit_memory(&c);
    let events = b.verb("events").args(["--interval", "1h", b.id()]).spawn();
    // It has to be there before it can tell.
    std::thread::sleep(patience(Duration::from_millis(500)));
    c.exec(&["touch-memory", "64"]).exits(137);
    events.wait_for("oom");
    assert_eq!(lines(&events.stdout())[0], json!({ "type": "oom", "id": b.id() }));
    assert_eq!(c.status(), "running");
    c.kill("KILL").ok();
    events.wait().ok();
}

#[test]
fn an_init_that_is_killed_for_want_of_memory_is_told_before_the_end() {
    require!("container", "delegation");
    known_difference!("events");
    known_difference!("events-end");
    // systemd takes an empty scope away with its counts: where all is slow it may be first (kernel:
    // cgroup_file_notify holds notices back for 10 ms).
    let attempts = if Runtime::systemd() { 3 } else { 1 };
    let told = (0..attempts).any(|_| {
        let b = Bundle::probe(&["touch-memory", "64"]);
        let c = b.create();
        limit_memory(&c);
        let events = b.verb("events").args(["--interval", "1h", b.id()]).spawn();
        std::thread::sleep(patience(Duration::from_millis(500)));
        c.start().ok();
        let outcome = events.wait().ok();
        lines(&outcome.stdout).first() == Some(&json!({ "type": "oom", "id": b.id() }))
    });
    assert!(told);
}

#[test]
fn a_stopped_container_has_no_events() {
    require!("container", "delegation");
    known_difference!("events");
    let b = Bundle::probe(&["exit", "0"]);
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    let words = format!("container with id {} is not running", b.id());
    c.verb("events", &["--stats"]).fails_with(&[&words]);
    c.verb("events", &[]).fails_with(&[&words]);
    b.verb("events").arg("nobody").run().fails_with(&["container does not exist"]);
}

#[test]
fn intervals_are_go_durations_above_zero() {
    require!("container", "delegation");
    known_difference!("events");
    let b = Bundle::new();
    let c = b.start_sleeper();
    for interval in ["0", "0s", "-5s"] {
        let refused = c.verb("events", &["--stats", &format!("--interval={interval}")]);
        refused.fails_with(&["duration interval must be greater than 0"]);
    }
    c.verb("events", &["--stats", "--interval=5"]).fails_with(&["parse error"]);
    c.verb("events", &["--stats", "--interval=1m30.5s"]).ok();
}

/// Without what is zero: older versions of runc print it, newer ones leave it out.
fn paths(value: &Value, at: &str, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| paths(v, &format!("{at}/{k}"), all)),
        Value::Array(list) => list.iter().for_each(|v| paths(v, &format!("{at}[]"), all)),
        Value::Null => {}
        other if other.as_f64() == Some(0.0) => {}
        _ => drop(all.insert(at.to_owned())),
    }
}

/// Counters that one container may have and the next like it not.
fn by_chance(path: &str) -> bool {
    let raw = path.strip_prefix("/data/memory/raw/");
    raw.is_some()
        || ["/cache", "/kernelTCP/usage", "/kernelTCP/max", "/kernel", "/user", "/total"]
            .iter()
            .any(|end| path.ends_with(end))
        // runc reads the peak of v2 since 1.2.
        || (cgroup::is_v2() && path == "/data/memory/usage/max")
        || ["/data/blkio/io", "/data/cpu/usage/percpu_"].iter().any(|b| path.starts_with(b))
        || path.contains("/psi/")
}

#[test]
fn the_keys_are_those_of_runc() {
    require!("container", "delegation", "teu", "runc");
    let (b, other) = (Bundle::new(), Bundle::new());
    let c = b.start_sleeper();
    let runc = |verb: &str, words: &[&str]| {
        let driver = Runtime::systemd().then_some("--systemd-cgroup");
        let cmd = Cmd::new("runc").args(driver).arg("--root").arg(other.root());
        cmd.arg(verb).args(words).run()
    };
    let mut config = other.config().clone();
    config["process"]["args"] = json!(["/probe", "sleep"]);
    fs::write(other.path().join("config.json"), config.to_string()).unwrap();
    let bundle = other.path();
    runc("run", &["--detach", "--bundle", bundle.to_str().unwrap(), other.id()]).ok();
    let theirs = runc("events", &["--stats", other.id()]);
    let ours = c.verb("events", &["--stats"]);
    runc("delete", &["--force", other.id()]).ok();
    let keys = |text: &str| {
        let mut all = BTreeSet::new();
        paths(&lines(text)[0], "", &mut all);
        all.retain(|path| !by_chance(path));
        all
    };
    let (ours, theirs) = (ours.ok().stdout, theirs.ok().stdout);
    assert_eq!(keys(&ours), keys(&theirs), "{ours}{theirs}");
    let raw = |text: &str| {
        let raw = &lines(text)[0]["data"]["memory"]["raw"];
        raw.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(raw(&ours), raw(&theirs));
    other.assert_clean();
}
