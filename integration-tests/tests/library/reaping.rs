//! Who reaps: the processes are the caller's children until `Process::wait`.

use std::thread;
use std::time::{Duration, Instant};

use integration_tests::{patience, require, wait_until};
use libteu::{ErrorKind, KillTarget, Signal, Status};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::alone::alone;
use crate::drive::{bundle, id, null, probe, started, status_field};
use crate::traces::{Traces, children};

#[test]
fn a_process_that_is_dropped_stays_a_zombie_of_the_caller_and_its_container_can_be_deleted() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let before = Traces::now();
        let (container, init) = started(&sleeper, &id(&sleeper, ""));
        let pid = init.pid();
        drop(init);
        assert_eq!(container.state().unwrap().status, Status::Running);
        container.kill(Signal::KILL, KillTarget::Init).unwrap();
        wait_until("the init is a zombie", || status_field(pid, "State").starts_with('Z'));
        let state = container.state().unwrap();
        assert_eq!((state.status, state.pid), (Status::Stopped, 0));
        assert_eq!(
            container.exec(probe(&["exit", "0"], null())).unwrap_err().kind(),
            ErrorKind::WrongStatus
        );
        container.delete(false).unwrap();
        assert_eq!(children(), [pid]);
        let end = waitpid(Pid::from_raw(pid), None).unwrap();
        assert!(matches!(end, WaitStatus::Signaled(..)), "{end:?}");
        before.assert_unchanged(&[&sleeper]);
    });
}

#[test]
fn a_container_whose_exec_nobody_has_reaped_can_be_deleted_and_is_told_to_be_stopped() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let before = Traces::now();
        for force in [true, false] {
            let (container, init) = started(&sleeper, &id(&sleeper, ""));
            let exec = container.exec(probe(&["sleep"], null())).unwrap();
            if !force {
                container.kill(Signal::KILL, KillTarget::All).unwrap();
                wait_until("stopped", || container.state().unwrap().status == Status::Stopped);
            }
            let begin = Instant::now();
            container.delete(force).unwrap();
            assert!(begin.elapsed() < patience(Duration::from_secs(3)), "{:?}", begin.elapsed());
            assert!(!exec.wait().unwrap().success());
            assert!(!init.wait().unwrap().success());
        }
        before.assert_unchanged(&[&sleeper]);
    });
}

#[test]
fn of_many_threads_that_wait_for_a_process_each_gets_its_end_or_an_error() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let before = Traces::now();
        let (container, init) = started(&sleeper, &id(&sleeper, ""));
        thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|_| scope.spawn(|| init.wait())).collect();
            container.kill(Signal::KILL, KillTarget::Init).unwrap();
            let ends: Vec<_> = all.into_iter().map(|thread| thread.join().unwrap()).collect();
            let good = ends.iter().flatten().filter(|end| !end.success()).count();
            assert!(good >= 1, "{ends:?}");
            let bad = ends.iter().filter_map(|end| end.as_ref().err());
            assert!(bad.clone().all(|e| e.kind() == ErrorKind::System), "{ends:?}");
        });
        assert_eq!(init.kill(Signal::KILL).unwrap_err().kind(), ErrorKind::WrongStatus);
        container.delete(false).unwrap();
        drop(init);
        before.assert_unchanged(&[&sleeper]);
    });
}

#[test]
fn a_container_outlives_the_thread_that_made_it() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let make = || started(&sleeper, &id(&sleeper, ""));
        let (container, init) = thread::scope(|scope| scope.spawn(make).join().unwrap());
        assert_eq!(container.state().unwrap().status, Status::Running);
        let exec = || container.exec(probe(&["exit", "3"], null())).unwrap();
        let process = thread::scope(|scope| scope.spawn(exec).join().unwrap());
        assert_eq!(process.wait().unwrap().code(), Some(3));
        container.delete(true).unwrap();
        assert!(!init.wait().unwrap().success());
    });
}
