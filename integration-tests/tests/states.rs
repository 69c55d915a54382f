//! Every verb on a container in every state it can be in: what is done, and in which words it is refused.

use std::fs;
use std::path::PathBuf;

use integration_tests::{
    Bundle, Cmd, Value, json, known_difference, require, wait_ready, wait_until,
};

/// What becomes of a verb: it works, or it fails with one of these words.
type Expected = Result<(), &'static [&'static str]>;

const VERBS: [&str; 11] = [
    "state",
    "start",
    "kill",
    "exec",
    "pause",
    "resume",
    "update",
    "ps",
    "events",
    "delete",
    "delete --force",
];

const NOT_THERE: Expected = Err(&["does not exist"]);
const NOT_RUNNING: Expected = Err(&["container not running", "is not running"]);
const NOT_PAUSED: Expected = Err(&["container not paused"]);
const STOPPED: [Expected; 11] = [
    Ok(()),
    Err(&["cannot start a container that has stopped"]),
    NOT_RUNNING,
    Err(&["cannot exec in a stopped container"]),
    NOT_RUNNING,
    NOT_PAUSED,
    NOT_RUNNING,
    Ok(()),
    NOT_RUNNING,
    Ok(()),
    Ok(()),
];

fn command(b: &Bundle, verb: &str) -> Cmd {
    let (name, flag) = verb.split_once(' ').unwrap_or((verb, ""));
    let flags: &[&str] = match name {
        "update" => &["--pids-limit", "100"],
        "ps" => &["--format", "json"],
        "events" => &["--stats"],
        _ if flag.is_empty() => &[],
        _ => &["--force"],
    };
    let cmd = b.verb(name).args(flags).arg(b.id());
    match name {
        "exec" => cmd.args(["/probe", "echo", "fine"]),
        "kill" => cmd.arg("USR1"),
        _ => cmd,
    }
}

/// A new container for each verb, brought into the state by `prepare`.
#[track_caller]
fn check(prepare: impl Fn(&Bundle), expected: [Expected; 11]) {
    for (verb, expected) in VERBS.into_iter().zip(expected) {
        if verb == "events" && integration_tests::differences::applies("events") {
            continue;
        }
        let b = Bundle::probe(&["trap"]);
        prepare(&b);
        let outcome = command(&b, verb).run();
        match expected {
            Ok(()) => drop(outcome.ok()),
            Err(words) => drop(outcome.fails_with(words)),
        }
        b.verb("delete").args(["--force", b.id()]).run().ok();
        b.assert_clean();
    }
}

fn created(b: &Bundle) {
    b.create();
}

fn running(b: &Bundle) {
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
}

fn stopped(b: &Bundle) {
    running(b);
    b.verb("kill").args([b.id(), "KILL"]).run().ok();
    wait_until("stopped", || status(b) == "stopped");
}

fn status(b: &Bundle) -> String {
    b.verb("state").arg(b.id()).run().ok().json()["status"].as_str().unwrap().to_owned()
}

/// What the runtime remembers of the container.
fn record(b: &Bundle) -> PathBuf {
    let dir = b.root().join(b.id());
    ["state.json", "status"].into_iter().map(|name| dir.join(name)).find(|p| p.exists()).unwrap()
}

#[test]
fn created_ones() {
    require!("root");
    known_difference!("resume-running");
    let works = Ok(());
    let all = [works, works, works, works, works, NOT_PAUSED, works, works, works, works, works];
    check(created, all);
}

#[test]
fn running_ones() {
    require!("root");
    known_difference!("resume-running");
    let works = Ok(());
    let again = Err(&["cannot start an already running container"][..]);
    let kept = Err(&["that is not stopped: running"][..]);
    check(
        running,
        [works, again, works, works, works, NOT_PAUSED, works, works, works, kept, works],
    );
}

#[test]
fn paused_ones() {
    require!("root");
    known_difference!("pause-twice");
    let works = Ok(());
    let paused = |b: &Bundle| {
        running(b);
        b.verb("pause").arg(b.id()).run().ok();
    };
    let frozen = Err(&["cannot start a container in the paused state"][..]);
    let no_exec = Err(&["cannot exec in a paused container (use --ignore-paused"][..]);
    let kept = Err(&["that is not stopped: paused"][..]);
    check(
        paused,
        [works, frozen, works, no_exec, NOT_RUNNING, works, works, works, works, kept, works],
    );
}

#[test]
fn stopped_ones() {
    require!("root");
    known_difference!("update-stopped");
    check(stopped, STOPPED);
}

#[test]
fn ones_that_were_killed_before_their_start() {
    require!("root");
    known_difference!("update-stopped");
    let killed = |b: &Bundle| {
        b.create().kill("KILL").ok();
        wait_until("stopped", || status(b) == "stopped");
    };
    check(killed, STOPPED);
}

/// The host has booted since, or pids have gone round: the pid is somebody else's.
#[test]
fn ones_whose_pid_is_another_process_now() {
    require!("root");
    known_difference!("update-stopped");
    let other = Cmd::new("sleep").arg("600").spawn();
    let reborn = |b: &Bundle| {
        stopped(b);
        let mut state: Value = serde_json::from_slice(&fs::read(record(b)).unwrap()).unwrap();
        for name in ["pid", "init_process_pid"] {
            if state.get(name).is_some() {
                state[name] = json!(other.pid().as_raw());
            }
        }
        fs::write(record(b), state.to_string()).unwrap();
        assert_eq!(status(b), "stopped");
    };
    check(reborn, STOPPED);
    assert!(other.is_alive());
}

/// A create that was killed before it had written anything.
#[test]
fn ones_that_were_hardly_begun() {
    require!("root");
    known_difference!("half-created");
    let begun = |b: &Bundle| {
        b.write();
        fs::create_dir_all(b.root().join(b.id())).unwrap();
    };
    let mut all = [NOT_THERE; 11];
    all[9..].fill(Ok(()));
    check(begun, all);
}

#[test]
fn ones_with_a_damaged_record() {
    require!("root");
    known_difference!("damaged-state");
    known_difference!("damaged-leftovers");
    let damaged = |b: &Bundle| {
        running(b);
        let text = fs::read(record(b)).unwrap();
        fs::write(record(b), &text[..text.len() / 2]).unwrap();
    };
    let mut all = [Err(&["state.json"][..]); 11];
    all[10] = Ok(());
    check(damaged, all);
}

#[test]
fn ones_that_are_not_there() {
    require!("root");
    known_difference!("ps-unknown");
    let mut all = [NOT_THERE; 11];
    all[10] = Ok(());
    check(Bundle::write, all);
}

#[test]
fn a_created_container_runs_an_exec_and_then_starts() {
    require!("container");
    let b = Bundle::probe(&["sleep"]);
    let c = b.create();
    assert_eq!(c.exec(&["echo", "early"]).ok().out(), "early");
    assert_eq!(c.status(), "created");
    c.start().ok();
    wait_ready(c.pid());
    c.finish();
}
