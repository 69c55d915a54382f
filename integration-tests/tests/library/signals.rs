//! The caller's signals: what it ignores, blocks, handles and reaps is its own affair.
#![allow(unsafe_code, reason = "signal dispositions have no safe wrapper")]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, thread};

use integration_tests::{Bundle, Report, json, kernel, require};
use libteu::Process;
use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction, signal};
use nix::sys::wait::waitpid;

use crate::alone::alone;
use crate::drive::{
    bundle, create, id, null, piped, probe, report, run, runtime, started, status_field, with_stdio,
};
use crate::traces::Traces;

/// Ends before the bundles do, which run commands when dropped.
struct IgnoredSigchld;

impl IgnoredSigchld {
    fn new() -> Self {
        // SAFETY: no handler is installed.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.unwrap();
        Self
    }
}

impl Drop for IgnoredSigchld {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }.unwrap();
    }
}

#[test]
fn processes_start_with_nothing_blocked_and_sigchld_and_sigpipe_at_their_defaults() {
    require!("root", "reaped-status");
    alone(|| {
        let (sleeper, reporter) = (bundle(&["sleep"]), bundle(&["report"]));
        let _ignored = IgnoredSigchld::new();
        SigSet::all().thread_block().unwrap();
        let (stdio, pipe) = piped();
        let id = id(&reporter, "-created");
        let options = with_stdio(stdio);
        let (created, init) = runtime(&reporter).create(&id, &reporter.path(), options).unwrap();
        assert_eq!(mask(init.pid(), "SigBlk"), 0);
        let caught = 1 << (libc::SIGCHLD - 1) | 1 << (libc::SIGPIPE - 1);
        assert_eq!(mask(init.pid(), "SigIgn") & caught, 0);
        created.start().unwrap();
        assert_fresh(&report(pipe));
        created.delete(true).unwrap();
        let text = run(&reporter, &crate::drive::id(&reporter, "-run")).0;
        assert_fresh(&Report(serde_json::from_str(&text).unwrap()));
        let (running, _init) = started(&sleeper, &crate::drive::id(&sleeper, "-exec"));
        let (stdio, pipe) = piped();
        running.exec(probe(&["report"], stdio)).unwrap();
        assert_fresh(&report(pipe));
        running.delete(true).unwrap();
    });
}

fn mask(pid: i32, field: &str) -> u64 {
    u64::from_str_radix(&status_field(pid, field), 16).unwrap()
}

#[track_caller]
fn assert_fresh(report: &Report) {
    assert_eq!(report["signals_blocked"], json!([]));
    // Rust's runtime makes the probe itself ignore SIGPIPE; what else the caller ignores stays ignored (execve(2)).
    let own = u64::from_str_radix(&status_field("self", "SigIgn"), 16).unwrap();
    let ignored = report["signals_ignored"].as_array().unwrap();
    assert!(!ignored.iter().any(|name| name == "SIGCHLD"), "{ignored:?}");
    assert!(ignored.len() < own.count_ones() as usize, "{ignored:?}");
}

/// Fifteen ends by exec, run and create each; every one told by `wait`.
#[track_caller]
fn assert_statuses(bundle: &Bundle) {
    let (container, init) = started(bundle, &id(bundle, "-main"));
    for code in 0..15 {
        let process = container.exec(probe(&["exit", &code.to_string()], null())).unwrap();
        // Late enough to be reaped by somebody else, or not.
        thread::sleep(Duration::from_millis(u64::from(code % 3 == 0) * 30));
        assert_ends_with(&process, code);
    }
    container.delete(true).unwrap();
    let end = init.wait();
    assert!(!can_be_told() || end.is_ok_and(|status| !status.success()));
}

#[track_caller]
fn assert_ends_with(process: &Process, code: i32) {
    match process.wait() {
        Ok(status) => assert_eq!(status.code(), Some(code)),
        Err(e) => {
            assert!(!can_be_told(), "{e}");
            assert_eq!(e.errno(), Some(Errno::ECHILD));
        }
    }
}

/// Before Linux 6.15 the status of a process that somebody else reaped is lost.
fn can_be_told() -> bool {
    kernel() >= (6, 15)
}

#[test]
fn wait_tells_the_status_when_the_caller_ignores_sigchld() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let _ignored = IgnoredSigchld::new();
        let before = Traces::now();
        assert_statuses(&sleeper);
        before.assert_unchanged(&[&sleeper]);
    });
}

#[test]
fn wait_tells_the_status_when_another_thread_reaps_whatever_ends() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        thread::spawn(|| {
            loop {
                if waitpid(None, None) == Err(Errno::ECHILD) {
                    thread::sleep(Duration::from_micros(100));
                }
            }
        });
        assert_statuses(&sleeper);
    });
}

#[test]
fn hooks_run_when_the_caller_ignores_sigchld() {
    require!("root", "reaped-status");
    alone(|| {
        let mut short = Bundle::probe(&["exit", "0"]);
        let hook = |name: &str| json!([{ "path": "/bin/sh", "args": ["sh", "-c", format!("echo {name} >&2")] }]);
        let failing = json!([{ "path": "/bin/sh", "args": ["sh", "-c", "exit 3"] }]);
        short.set("/hooks/createRuntime", hook("one")).set("/hooks/poststop", hook("two"));
        short.write();
        let _ignored = IgnoredSigchld::new();
        for round in 0..20 {
            assert_eq!(run(&short, &id(&short, &format!("-{round}"))).1, Some(0));
        }
        short.set("/hooks/createRuntime", failing);
        short.write();
        let e = create(&short, &id(&short, "-failing")).unwrap_err();
        assert!(e.to_string().contains("exit status 3"), "{e}");
        short.assert_clean();
    });
}

static SEEN: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    SEEN.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn calls_go_on_when_signals_interrupt_them() {
    require!("root");
    alone(|| {
        let (sleeper, short) = (bundle(&["sleep"]), bundle(&["exit", "7"]));
        let before = Traces::now();
        let action = SigAction::new(SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler only adds to an atomic.
        unsafe { sigaction(Signal::SIGUSR1, &action) }.unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    interrupt_every_thread();
                    thread::sleep(Duration::from_micros(300));
                }
            });
            for round in 0..30 {
                crate::threads::whole_life(&sleeper, 0, round);
                crate::threads::short_life(&short, 0, round);
            }
            stop.store(true, Ordering::Relaxed);
        });
        before.assert_unchanged(&[&sleeper, &short]);
        assert!(SEEN.load(Ordering::Relaxed) > 100);
    });
}

fn interrupt_every_thread() {
    let pid = nix::unistd::getpid().as_raw();
    for task in fs::read_dir("/proc/self/task").unwrap().flatten() {
        let tid: i32 = task.file_name().to_string_lossy().parse().unwrap();
        // SAFETY: tgkill takes numbers only; the signal has a handler.
        unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, libc::SIGUSR1) };
    }
}
