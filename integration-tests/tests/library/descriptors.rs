//! What is open in a container is what its creator gave it, whatever the program has open.
#![allow(unsafe_code, reason = "descriptors by number")]

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;

use integration_tests::{json, require};
use libteu::{
    Container, ContainerId, CreateOptions, Error, ExecOptions, OomEvents, Process, Runtime,
    RuntimeOptions, Signal, State, Stdio,
};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sched::{CloneFlags, unshare};

use crate::alone::alone;
use crate::drive::{
    bundle, id, null, piped, probe, report, run, runtime, started, text, with_stdio,
};
use crate::traces::Traces;

/// Compiles only if every public type can be used from any thread.
#[test]
fn all_types_are_send_and_sync() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<(Runtime, RuntimeOptions, Container, Process, ContainerId, Error)>();
    shared::<(CreateOptions, ExecOptions, Stdio, State, Signal)>();
    shared::<(OomEvents, libteu::stats::Stats)>();
}

#[test]
fn the_streams_of_concurrent_containers_do_not_mix() {
    require!("root");
    alone(|| {
        let lines = vec!["/probe", "cat"];
        let mut cat = integration_tests::Bundle::probe(&["cat"]);
        cat.set("/process/args", lines).write();
        let before = Traces::now();
        thread::scope(|scope| {
            for thread in 0..16 {
                let cat = &cat;
                scope.spawn(move || {
                    (0..4).for_each(|round| echoes(cat, &format!("-{thread}-{round}")))
                });
            }
        });
        before.assert_unchanged(&[&cat]);
    });
}

/// More than a pipe holds goes through a container, and comes back whole.
fn echoes(cat: &integration_tests::Bundle, suffix: &str) {
    let (input, mut to) = std::io::pipe().unwrap();
    let (from, output) = std::io::pipe().unwrap();
    let (errors, error) = std::io::pipe().unwrap();
    let streams = Stdio::Fds([input.into(), output.into(), error.into()]);
    let (container, init) =
        runtime(cat).run(&id(cat, suffix), &cat.path(), with_stdio(streams)).unwrap();
    let sent = format!("{suffix} ").repeat(20_000);
    let got = thread::scope(|scope| {
        let reader = scope.spawn(|| text(OwnedFd::from(from).into()));
        to.write_all(sent.as_bytes()).unwrap();
        drop(to);
        reader.join().unwrap()
    });
    assert!(got.trim_end() == sent.trim_end(), "{} bytes of {}", got.len(), sent.len());
    assert_eq!(text(OwnedFd::from(errors).into()), "");
    assert!(init.wait().unwrap().success());
    container.delete(false).unwrap();
}

/// Open files without close-on-exec, as C libraries make them.
fn inheritable(count: usize) -> Vec<File> {
    let files: Vec<_> = (0..count).map(|_| File::open("/etc").unwrap()).collect();
    for file in &files {
        fcntl(file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    }
    files
}

#[test]
fn fifty_inheritable_descriptors_of_the_caller_stay_with_it() {
    require!("root");
    alone(|| {
        let (reporter, sleeper) = (bundle(&["report"]), bundle(&["sleep"]));
        let _files = inheritable(50);
        let (stdio, pipe) = piped();
        let options = with_stdio(stdio);
        let id = id(&reporter, "-created");
        let (container, init) = runtime(&reporter).create(&id, &reporter.path(), options).unwrap();
        container.start().unwrap();
        assert_eq!(report(pipe).fds(), [0, 1, 2]);
        init.wait().unwrap();
        container.delete(false).unwrap();
        let ran: integration_tests::Value =
            serde_json::from_str(&run(&reporter, &crate::drive::id(&reporter, "-run")).0).unwrap();
        assert_eq!(ran["fds"].as_object().unwrap().len(), 3);
        let (container, init) = started(&sleeper, &crate::drive::id(&sleeper, ""));
        assert_eq!(exec_fds(&container, 0), [0, 1, 2]);
        container.delete(true).unwrap();
        init.wait().unwrap();
    });
}

fn exec_fds(container: &Container, preserve: u32) -> Vec<u32> {
    let (stdio, pipe) = piped();
    let mut options = probe(&["report"], stdio);
    options.preserve_fds = preserve;
    let process = container.exec(options).unwrap();
    let report = report(pipe);
    process.wait().unwrap();
    report.fds()
}

/// Makes 3, 4 and 5 another file, as a program that was started with them has them.
fn occupy(close_on_exec: bool) {
    let flag = if close_on_exec { libc::O_CLOEXEC } else { 0 };
    let file = File::open("/etc/hostname").unwrap();
    for number in 3..6 {
        // SAFETY: dup3 takes numbers; these three are open already, and nobody reads from them.
        assert_eq!(unsafe { libc::dup3(file.as_raw_fd(), number, flag) }, number);
    }
}

#[test]
fn preserved_descriptors_are_passed_whether_or_not_they_are_closed_on_exec() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        // So that whatever is opened later lies above.
        let _low: Vec<_> = (0..6).map(|_| File::open("/dev/null").unwrap()).collect();
        let (container, _init) = started(&sleeper, &id(&sleeper, ""));
        for close_on_exec in [false, true] {
            occupy(close_on_exec);
            assert_eq!(
                exec_fds(&container, 3),
                [0, 1, 2, 3, 4, 5],
                "close-on-exec: {close_on_exec}"
            );
            assert_eq!(exec_fds(&container, 1), [0, 1, 2, 3], "close-on-exec: {close_on_exec}");
            assert_eq!(exec_fds(&container, 0), [0, 1, 2], "close-on-exec: {close_on_exec}");
        }
        let mut options = probe(&["exit", "0"], null());
        options.preserve_fds = 500;
        let e = container.exec(options).unwrap_err();
        assert!(e.to_string().contains("is not open"), "{e}");
        container.delete(true).unwrap();
    });
}

#[test]
fn a_caller_without_standard_streams_can_give_a_container_some() {
    require!("root");
    alone(|| {
        let (reporter, sleeper) = (bundle(&["report"]), bundle(&["sleep"]));
        let (container, _init) = started(&sleeper, &id(&sleeper, ""));
        let saved = [0, 1, 2].map(|number| {
            // SAFETY: numbers only; the copies are put back below.
            unsafe { (libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 100), libc::close(number)).0 }
        });
        let ran = thread::scope(|scope| {
            let work = || (run(&reporter, &id(&reporter, "")).0, exec_fds(&container, 0));
            scope.spawn(work).join()
        });
        for (number, copy) in (0..3).zip(saved) {
            // SAFETY: as above.
            unsafe { libc::dup2(copy, number) };
        }
        let (text, exec) = ran.unwrap();
        let report = integration_tests::Report(serde_json::from_str(&text).unwrap());
        assert_eq!(report.fds(), [0, 1, 2]);
        assert_eq!(exec, [0, 1, 2]);
        assert_eq!(report["fds"]["0"], json!("/dev/null"));
        container.delete(true).unwrap();
    });
}

#[test]
fn a_thread_with_descriptors_and_a_mount_namespace_of_its_own_can_do_everything() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let life = || {
            unshare(CloneFlags::CLONE_FILES | CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)
                .unwrap();
            // Other numbers than those of the first thread.
            let _files: Vec<_> = (0..30).map(|_| File::open("/dev/null").unwrap()).collect();
            crate::threads::whole_life(&sleeper, 1, 0);
            crate::threads::whole_life(&sleeper, 1, 1);
        };
        thread::scope(|scope| scope.spawn(life).join().unwrap());
        sleeper.assert_clean();
    });
}
