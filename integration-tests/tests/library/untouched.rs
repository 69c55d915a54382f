//! No call, whether it succeeds or fails, changes the calling process.

use std::path::Path;

use integration_tests::{Bundle, json, require};
use libteu::{ErrorKind, KillTarget, Result, Signal};
use nix::sys::signal::{SigSet, Signal as Name};
use nix::sys::stat::{Mode, umask};

use crate::alone::alone;
use crate::caller::Caller;
use crate::drive::{bundle, create, id, null, probe, runtime, with_stdio};
use crate::traces::Traces;

/// A caller with settings unlike the defaults, or a reset to them would not show.
fn become_unusual() {
    umask(Mode::from_bits_truncate(0o027));
    std::env::set_current_dir("/usr").unwrap();
    std::fs::write("/proc/self/oom_score_adj", "100").unwrap();
    [Name::SIGUSR1, Name::SIGTERM].into_iter().collect::<SigSet>().thread_block().unwrap();
    nix::sys::prctl::set_name(c"unusual").unwrap();
    nix::sys::prctl::set_keepcaps(true).unwrap();
}

/// Calls, and compares.
#[track_caller]
fn checked(what: &str, call: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = Caller::now();
    let result = call();
    before.assert_unchanged(what);
    result
}

#[test]
fn calls_that_succeed_change_nothing() {
    require!("root");
    alone(|| {
        become_unusual();
        let mut sleeper = Bundle::probe(&["sleep"]);
        sleeper.set("/process/oomScoreAdj", 500).set("/process/user/umask", 0o077);
        sleeper.set(
            "/process/rlimits",
            json!([{ "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 }]),
        );
        sleeper.write();
        let (traces, before) = (Traces::now(), Caller::now());
        let runtime = runtime(&sleeper);
        for mode in ["create", "run"] {
            let id = id(&sleeper, mode);
            let (container, init) = match mode {
                "create" => create(&sleeper, &id).unwrap(),
                _ => runtime.run(&id, &sleeper.path(), with_stdio(null())).unwrap(),
            };
            if mode == "create" {
                checked("start", || container.start()).unwrap();
            }
            container.exec(probe(&["exit", "0"], null())).unwrap().wait().unwrap();
            checked("state", || container.state().map(drop)).unwrap();
            checked("list", || runtime.list().map(drop)).unwrap();
            checked("pids", || container.pids().map(drop)).unwrap();
            checked("stats", || container.stats().map(drop)).unwrap();
            checked("events", || container.oom_events().map(drop)).unwrap();
            checked("pause", || container.pause()).unwrap();
            checked("resume", || container.resume()).unwrap();
            checked("kill 0", || container.kill(Signal::try_from(0).unwrap(), KillTarget::Init))
                .unwrap();
            checked("kill all", || container.kill(Signal::KILL, KillTarget::All)).unwrap();
            checked("wait", || init.wait().map(drop)).unwrap();
            checked("delete", || container.delete(false)).unwrap();
            drop(init);
            before.assert_unchanged(mode);
        }
        traces.assert_unchanged(&[&sleeper]);
    });
}

#[test]
fn calls_that_fail_change_nothing_and_leave_nothing() {
    require!("root");
    alone(|| {
        become_unusual();
        let sleeper = bundle(&["sleep"]);
        let (traces, before) = (Traces::now(), Caller::now());
        for (name, fail) in FAILURES {
            let broken = broken(*fail);
            let e = checked(name, || create(&broken, &id(&broken, "")).map(drop)).unwrap_err();
            assert!(!e.to_string().is_empty(), "{name}");
            let run = || runtime(&broken).run(&id(&broken, ""), &broken.path(), with_stdio(null()));
            checked(name, || run().map(drop)).unwrap_err();
            broken.assert_clean();
        }
        fail_on_a_container(&sleeper);
        before.assert_unchanged("all of it");
        traces.assert_unchanged(&[&sleeper]);
    });
}

type Break = fn(&mut Bundle);

const FAILURES: &[(&str, Break)] = &[
    ("a bundle without config", |b| std::fs::remove_file(b.path().join("config.json")).unwrap()),
    ("a program that is missing", |b| {
        b.set("/process/args", json!(["/missing"]));
    }),
    ("a mount that is refused", |b| {
        b.mount("/tmp", "ext4", "/dev/null", &[]);
    }),
    ("a source that is missing", |b| {
        b.bind(Path::new("/missing"), "/tmp", &["bind"]);
    }),
    ("a working directory that is missing", |b| {
        b.set("/process/cwd", "/dev/null/x");
    }),
    ("a namespace that is missing", |b| {
        b.namespace(json!({ "type": "ipc", "path": "/missing" }));
    }),
    ("a hook that fails", |b| {
        b.set("/hooks/createRuntime", json!([{ "path": "/bin/false" }]));
    }),
    ("a hook inside that fails", |b| {
        b.set("/hooks/createContainer", json!([{ "path": "/bin/false" }]));
    }),
    ("a sysctl that is missing", |b| {
        b.set("/linux/sysctl", json!({ "net.missing": "1" }));
    }),
];

fn broken(fail: Break) -> Bundle {
    let mut bundle = Bundle::probe(&["sleep"]);
    bundle.write();
    fail(&mut bundle);
    if bundle.path().join("config.json").exists() {
        bundle.write();
    }
    bundle
}

fn fail_on_a_container(sleeper: &Bundle) {
    let id = id(sleeper, "");
    let e = checked("unknown", || runtime(sleeper).container(&id).map(drop)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::NotFound);
    let (container, init) = create(sleeper, &id).unwrap();
    let twice = checked("create twice", || create(sleeper, &id).map(drop)).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
    container.start().unwrap();
    let exec = |args: &[&str]| container.exec(probe(args, null())).map(drop);
    let missing = || {
        let mut options = probe(&[], null());
        options.args = vec!["/missing".to_owned()];
        container.exec(options).map(drop)
    };
    checked("exec of nothing", missing).unwrap_err();
    checked("start twice", || container.start()).unwrap_err();
    checked("delete of a running one", || container.delete(false)).unwrap_err();
    checked("resume of a running one", || container.resume()).unwrap_err();
    container.kill(Signal::KILL, KillTarget::Init).unwrap();
    init.wait().unwrap();
    let stopped = checked("exec in a stopped one", || exec(&["exit", "0"])).unwrap_err();
    assert_eq!(stopped.kind(), ErrorKind::WrongStatus);
    let dead = checked("kill", || container.kill(Signal::TERM, KillTarget::Init)).unwrap_err();
    assert_eq!(dead.kind(), ErrorKind::WrongStatus);
    checked("pause", || container.pause()).unwrap_err();
    container.delete(false).unwrap();
    checked("delete twice", || container.delete(true)).unwrap_err();
}
