//! Signals that reach the foreground command.

use nix::sys::signal::Signal;

use integration_tests::{Bundle, known_difference, require};

#[test]
fn run_forwards_signals_to_the_process() {
    require!("container");
    let b = Bundle::probe(&["trap"]);
    let run = b.run_cmd(&[]).spawn();
    run.wait_for("ready");
    run.signal(Signal::SIGUSR1);
    run.wait_for("SIGUSR1");
    run.signal(Signal::SIGHUP);
    run.wait_for("SIGHUP");
    run.signal(Signal::SIGTERM);
    let outcome = run.wait().exits(42);
    // Go's scheduler sends itself SIGURG, and runc passes that on as well.
    let got: Vec<&str> = outcome.stdout.lines().filter(|l| *l != "SIGURG").collect();
    assert_eq!(got, ["ready", "SIGUSR1", "SIGHUP", "SIGTERM"]);
    b.assert_clean();
}

#[test]
fn run_forwards_every_signal_that_can_be_caught() {
    require!("container");
    known_difference!("forwarded-signals");
    let b = Bundle::probe(&["trap-all"]);
    let run = b.run_cmd(&[]).spawn();
    run.wait_for("ready");
    use nix::libc::{SIGCHLD, SIGKILL, SIGSTOP, SIGTERM};
    let others = [SIGKILL, SIGSTOP, SIGTERM, SIGCHLD];
    for number in (1..=31).chain(34..=64).filter(|number| !others.contains(number)) {
        run.signal_number(number);
        run.wait_for(&format!("\n{number}\n"));
    }
    // That one is about the runtime's own children.
    run.signal_number(SIGCHLD);
    run.signal(Signal::SIGTERM);
    let outcome = run.wait().exits(42);
    assert!(!outcome.stdout.lines().any(|l| l == SIGCHLD.to_string()), "{}", outcome.stdout);
    b.assert_clean();
}

#[test]
fn exec_forwards_signals_to_the_process() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let exec = b.verb("exec").args([b.id(), "/probe", "trap"]).spawn();
    exec.wait_for("ready");
    exec.signal(Signal::SIGUSR2);
    exec.wait_for("SIGUSR2");
    exec.signal(Signal::SIGTERM);
    exec.wait().exits(42);
    assert_eq!(c.status(), "running");
}

#[test]
fn no_more_signals_are_ignored_than_the_caller_ignores() {
    require!("container");
    let b = Bundle::new();
    let r = b.run_cmd(&[]).through_shell("trap '' INT QUIT; exec \"$@\"").run().ok().json();
    let ignored = r["signals_ignored"].as_array().unwrap();
    // Inherited by execve, as the standard says; but nothing beyond what the caller ignored.
    let extra: Vec<_> = ignored
        .iter()
        .filter(|s| !["SIGINT", "SIGQUIT", "SIGPIPE", "32"].contains(&s.as_str().unwrap()))
        .collect();
    assert!(extra.is_empty(), "{extra:?}");
    assert_eq!(r["signals_blocked"].as_array().unwrap().len(), 0);
}
