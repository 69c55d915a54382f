//! `--timings`: where the time of a start went. teu alone.

use integration_tests::{Bundle, Cmd, Runtime, json, require};

/// One line of the table, in microseconds.
struct Line {
    at: Option<f64>,
    took: Option<f64>,
    what: String,
}

/// The runtime's lines, the executor's, and the whole.
fn table(stderr: &str) -> (Vec<Line>, Vec<Line>, f64) {
    let (mut parts, mut whole) = (Vec::new(), 0.0);
    for text in stderr.lines() {
        let number = |range| text.get(range).map(str::trim).unwrap_or_default().parse().ok();
        let what = text.get(21..).unwrap_or_default().to_owned();
        let (at, took): (Option<f64>, Option<f64>) = (number(0..9), number(10..19));
        match &*what {
            "runtime" | "executor" => parts.push(Vec::new()),
            "whole" => whole = took.unwrap(),
            _ => parts.last_mut().unwrap().push(Line { at, took, what }),
        }
    }
    let executor = parts.pop().unwrap();
    (parts.pop().unwrap(), executor, whole)
}

fn timed(b: &Bundle, verb: &str) -> Cmd {
    b.write();
    let cmd = Runtime::get().bare().arg("--timings").arg("--root").arg(b.root()).arg(verb);
    if verb == "exec" { cmd } else { cmd.arg("--bundle").arg(b.path()) }
}

/// The plan's steps, without where in the config they come from.
fn planned(b: &Bundle) -> Vec<String> {
    b.write();
    let plan = b.verb("plan").arg("--bundle").arg(b.path()).arg(b.id()).run().ok().stdout;
    let is_step = |line: &&str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let steps = plan.lines().skip_while(|line| *line != "init:" && *line != "stage:");
    steps.filter(is_step).map(|line| line.split("  # ").next().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_plausible(lines: &[Line], whole: f64) {
    let sum: f64 = lines.iter().filter_map(|line| line.took).sum();
    assert!(sum <= whole, "{sum} of {whole}");
    assert!(sum > 0.0);
    let begun: Vec<f64> = lines.iter().filter_map(|line| line.at).collect();
    assert!(begun.windows(2).all(|pair| pair[0] <= pair[1]), "{begun:?}");
    assert!(begun.iter().all(|at| (0.0..=whole).contains(at)), "{begun:?}");
}

#[test]
fn the_steps_are_those_of_the_plan_and_their_times_less_than_the_whole() {
    require!("root");
    require!("teu");
    for user_namespace in [false, true] {
        let mut b = Bundle::probe(&["sleep"]);
        if user_namespace {
            let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
            b.namespace(json!({ "type": "user" }))
                .set("/linux/uidMappings", map.clone())
                .set("/linux/gidMappings", map);
        }
        let create = timed(&b, "create").arg(b.id()).run().ok();
        let (runtime, executor, whole) = table(&create.stderr);
        let steps: Vec<_> = executor.iter().map(|line| line.what.clone()).collect();
        assert_eq!(steps, planned(&b));
        assert_plausible(&runtime, whole);
        assert_plausible(&executor, whole);
        for stage in ["load", "validate", "compile", "prepare", "save_state"] {
            assert!(runtime.iter().any(|line| line.what == stage), "{stage}");
        }
        let launch = runtime.iter().find(|line| line.what.starts_with("launch")).unwrap();
        assert!(executor[0].at > launch.at, "{:?} {:?}", executor[0].at, launch.at);
        // It still waits for start, or is on its way there, and what comes then has not been.
        let position =
            |what: &str| executor.iter().position(|line| line.what.contains(what)).unwrap();
        let (ready, waits) = (position("signal number=READY"), position("await_start"));
        assert!(executor[0].at.is_some() && executor[ready].at.is_some());
        assert!(executor[waits].took.is_none());
        assert!(executor[waits + 1..].iter().all(|line| line.at.is_none()));
        b.verb("delete").args(["--force", b.id()]).run().ok();
        b.assert_clean();
    }
}

#[test]
fn a_run_and_an_exec_are_timed_to_their_end() {
    require!("root");
    require!("teu");
    let b = Bundle::probe(&["sleep"]);
    let run = timed(&b, "run").arg("--detach").arg(b.id()).run().ok();
    let exec = timed(&b, "exec").arg(b.id()).args(["/probe", "echo", "hi"]).run().ok();
    assert_eq!(exec.out(), "hi");
    for outcome in [run, exec] {
        let (runtime, executor, whole) = table(&outcome.stderr);
        assert_plausible(&runtime, whole);
        assert_plausible(&executor, whole);
        let last = executor.last().unwrap();
        assert!(
            last.what.contains(" exec argv=[\"/probe\"") && last.took.is_some(),
            "{}",
            last.what
        );
    }
    b.verb("delete").args(["--force", b.id()]).run().ok();
}

#[test]
fn hooks_have_their_share() {
    require!("root");
    require!("teu");
    let mut b = Bundle::probe(&["exit", "0"]);
    let hook = json!([{ "path": "/bin/sleep", "args": ["sleep", "0.2"] }]);
    b.set("/hooks/createRuntime", hook.clone()).set("/hooks/poststart", hook);
    let run = timed(&b, "run").arg(b.id()).run().ok();
    let (runtime, executor, _) = table(&run.stderr);
    for stage in ["hooks createRuntime", "hooks poststart"] {
        let took = runtime.iter().find(|line| line.what == stage).unwrap().took;
        assert!(took > Some(200_000.0), "{stage}: {took:?}");
    }
    let waited = executor.iter().find(|line| line.what.ends_with("wait number=HOOKS")).unwrap();
    assert!(waited.took > Some(150_000.0), "{:?}", waited.took);
}

/// The clock is the processor's: a filter has nothing to forbid, and offsets do not matter.
#[test]
fn neither_filters_nor_other_clocks_disturb() {
    require!("root", "timens");
    require!("teu");
    let mut b = Bundle::probe(&["exit", "0"]);
    b.namespace(json!({ "type": "time" }));
    b.set("/linux/timeOffsets", json!({ "monotonic": { "secs": 86400, "nanosecs": 0 } }));
    let clocks = ["clock_gettime", "gettimeofday", "time"];
    b.set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{ "names": clocks, "action": "SCMP_ACT_KILL_PROCESS" }] }),
    );
    let run = timed(&b, "run").arg(b.id()).run().ok();
    let (_, executor, whole) = table(&run.stderr);
    assert_plausible(&executor, whole);
}

#[test]
fn nothing_is_done_or_said_if_nobody_asks() {
    require!("root", "strace");
    require!("teu");
    let b = Bundle::probe(&["exit", "0"]);
    let trace = b.scratch("trace");
    let strace = ["strace", "-f", "-o", trace.to_str().unwrap()];
    let calls = |cmd: Cmd| {
        let stderr = cmd.wrapped(strace).run().ok().stderr.clone();
        (std::fs::read_to_string(&trace).unwrap(), stderr)
    };
    let (quiet, said) = calls(b.run_cmd(&[]));
    assert!(!quiet.contains("teu-times") && said.is_empty(), "{said}");
    let (timed, said) = calls(timed(&b, "run").arg(b.id()));
    assert!(timed.contains("teu-times") && said.contains("whole"), "{said}");
    // The file of the times, its mapping, and reading and writing it; none of it a step's.
    let count = |trace: &str| trace.lines().filter(|line| line.contains('(')).count();
    let more = count(&timed) - count(&quiet);
    let steps = table(&said).1.len();
    assert!(more < steps + 40, "{more} calls for {steps} steps");
}

#[test]
fn other_verbs_have_nothing_to_time() {
    require!("teu");
    let state = Runtime::get().bare().args(["--timings", "list"]).run();
    state.fails_with(&["--timings: only create, run and exec"]);
}
