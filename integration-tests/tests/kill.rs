//! `kill`.

use std::time::Duration;

use integration_tests::{Bundle, cgroup, known_difference, require, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

#[test]
fn the_default_signal_is_term() {
    require!("container");
    let b = Bundle::probe(&["trap"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    c.verb("kill", &[]).ok();
    c.wait_status("stopped");
    assert_eq!(c.stdout(), "ready\nSIGTERM\n");
}

#[test]
fn a_signal_may_be_named_with_or_without_sig_or_be_a_number() {
    require!("container");
    let b = Bundle::probe(&["trap"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    for signal in ["USR1", "SIGUSR2", "1"] {
        c.kill(signal).ok();
        let name = ["SIGUSR1", "SIGUSR2", "SIGHUP"]
            [["USR1", "SIGUSR2", "1"].iter().position(|s| *s == signal).unwrap()];
        c.wait_stdout(name);
    }
}

#[test]
fn a_signal_name_may_be_in_lower_case() {
    require!("container");
    known_difference!("kill-lower-case");
    let b = Bundle::probe(&["trap"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    c.kill("usr1").ok();
    c.wait_stdout("SIGUSR1");
}

#[test]
fn an_unknown_signal_is_refused_and_has_no_effect() {
    require!("container");
    known_difference!("unknown-signal");
    let b = Bundle::new();
    let c = b.start_sleeper();
    for signal in ["NOSUCH", "-5", "9999", "SIG"] {
        b.verb("kill").args(["--", b.id(), signal]).run().fails();
    }
    assert_eq!(c.status(), "running");
}

#[test]
fn a_created_container_can_be_killed() {
    require!("container");
    let b = Bundle::probe(&["sleep"]);
    let c = b.create();
    c.kill("KILL").ok();
    c.wait_status("stopped");
}

#[test]
fn a_stopped_container_cannot_be_killed() {
    require!("container");
    let b = Bundle::probe(&["exit", "0"]);
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    c.kill("TERM").fails_with(&[
        "container not running",
        "not running",
        "process already finished",
    ]);
    c.kill("KILL").fails_with(&[
        "container not running",
        "not running",
        "process already finished",
    ]);
}

#[test]
fn an_unknown_container_cannot_be_killed() {
    require!("container");
    Bundle::new().verb("kill").args(["nobody", "KILL"]).run().fails_with(&["does not exist"]);
}

#[test]
fn kill_without_a_pid_namespace_reaches_every_process() {
    require!("root");
    known_difference!("kill-shared-pid-namespace");
    let mut b = Bundle::new();
    b.without_namespace("pid").args(&["spawn-children", "3"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    c.kill("KILL").ok();
    c.wait_status("stopped");
    wait_until("all processes gone", || b.leaks().processes.is_empty());
}

#[test]
fn processes_that_outlived_their_init_in_a_shared_pid_namespace_can_be_killed() {
    require!("root");
    known_difference!("kill-shared-pid-namespace");
    let mut b = Bundle::new();
    b.without_namespace("pid").args(&["spawn-children", "3"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    kill(Pid::from_raw(c.pid()), Signal::SIGKILL).unwrap();
    c.wait_status("stopped");
    assert!(!b.leaks().processes.is_empty());
    c.kill("KILL").ok();
    wait_until("all processes gone", || b.leaks().processes.is_empty());
    c.kill("KILL").fails_with(&["container not running"]);
}

#[test]
fn kill_all_reaches_every_process() {
    require!("root");
    let mut b = Bundle::new();
    b.without_namespace("pid").args(&["spawn-children", "3"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    b.verb("kill").args(["--all", b.id(), "KILL"]).run().ok();
    c.wait_status("stopped");
    wait_until("all processes gone", || b.leaks().processes.is_empty());
}

#[test]
fn kill_all_reaches_processes_that_multiply() {
    require!("root");
    let mut b = Bundle::new();
    b.without_namespace("pid").args(&["fork-chain", "6", "200000"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    b.verb("kill").args(["--all", b.id(), "KILL"]).run().ok();
    wait_until("all processes gone", || b.leaks().processes.is_empty());
    c.delete().ok();
    b.assert_clean();
}

/// Here nothing else would end a child that was forked after the list and before its parent's signal.
#[test]
fn kill_all_with_another_signal_reaches_processes_that_multiply() {
    require!("root");
    let mut b = Bundle::new();
    b.without_namespace("pid").args(&["spawn-children", "3000"]);
    let c = b.create();
    c.start().ok();
    wait_until("some children", || b.leaks().processes.len() > 100);
    b.verb("kill").args(["--all", b.id(), "TERM"]).run().ok();
    wait_until("all processes gone", || b.leaks().processes.is_empty());
    assert_eq!(c.stdout(), "", "there were no more to come");
}

#[test]
fn kill_all_from_inside_the_cgroup_leaves_the_caller_going() {
    require!("root");
    known_difference!("kill-from-inside");
    for signal in ["TERM", "KILL"] {
        let b = Bundle::new();
        let c = b.start_sleeper();
        let procs = cgroup::dir(c.pid(), "freezer").join("cgroup.procs");
        let enter = format!("echo $$ > {}; exec \"$@\"", procs.display());
        let all = b.verb("kill").args(["--all", b.id(), signal]);
        all.limit(Duration::from_secs(5)).through_shell(&enter).run().ok();
        c.wait_status("stopped");
    }
}

#[test]
fn a_real_time_signal_can_be_sent_by_number() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    // Pid 1 has no handler: the kernel drops it, but the command succeeds.
    c.kill("40").ok();
    assert_eq!(c.status(), "running");
}
