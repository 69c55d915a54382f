//! The executor dies at any moment, as under the OOM killer: an error, no hang, nothing left.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use integration_tests::{Bundle, json, require};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::alone::alone;
use crate::drive::{bundle, create, id, null, probe, runtime, started, with_stdio};
use crate::traces::{Traces, children};

/// Which executors are killed.
#[derive(Clone, Copy, PartialEq)]
enum Victims {
    All,
    /// Those with a session of their own: not what a stage has cloned, which has the stage's.
    Stages,
}

/// Kills every child of this process that is still the executor, after a different delay each time.
fn kill_executors(stop: &AtomicBool, killed: &AtomicUsize, spare: i32, victims: Victims) {
    let mut round = 0u64;
    while !stop.load(Ordering::Relaxed) {
        round += 1;
        for pid in children() {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if pid != spare
                && comm.trim_end() == "teu-init"
                && (victims == Victims::All || leads(pid))
            {
                thread::sleep(Duration::from_micros(round * 37 % 1500));
                killed.fetch_add(
                    usize::from(kill(Pid::from_raw(pid), Signal::SIGKILL).is_ok()),
                    Ordering::Relaxed,
                );
            }
        }
    }
}

fn leads(pid: i32) -> bool {
    let pid = Pid::from_raw(pid);
    nix::unistd::getsid(Some(pid)) == Ok(pid)
}

/// Runs the work while executors are killed; how many were.
fn under_fire(spare: i32, victims: Victims, work: impl FnOnce()) -> usize {
    let (stop, killed) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let killers =
            [(); 2].map(|()| scope.spawn(|| kill_executors(&stop, &killed, spare, victims)));
        work();
        stop.store(true, Ordering::Relaxed);
        killers.into_iter().for_each(|killer| killer.join().unwrap());
    });
    killed.into_inner()
}

/// A create may win against the killers; then it is deleted as usual.
fn try_to_live(bundle: &Bundle, round: usize) -> bool {
    let id = id(bundle, &format!("-{round}"));
    let made = match round % 2 {
        0 => create(bundle, &id),
        _ => runtime(bundle).run(&id, &bundle.path(), with_stdio(null())),
    };
    match made {
        Ok((container, init)) => {
            let _ = container.start();
            container.delete(true).unwrap();
            init.wait().unwrap();
            true
        }
        Err(e) => {
            assert!(runtime(bundle).container(&id).is_err(), "{e}");
            false
        }
    }
}

#[test]
fn a_create_whose_executor_is_killed_fails_and_leaves_nothing() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let before = Traces::now();
        let mut failed = 0;
        let killed = under_fire(0, Victims::All, || {
            failed = (0..150).filter(|round| !try_to_live(&sleeper, *round)).count();
        });
        before.assert_unchanged(&[&sleeper]);
        assert!(killed > 20 && failed > 10, "killed {killed}, failed {failed}");
    });
}

#[test]
fn a_create_with_a_user_namespace_whose_executors_are_killed_leaves_nothing() {
    require!("root", "userns");
    alone(|| {
        let mut sleeper = Bundle::probe(&["sleep"]);
        let maps = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
        sleeper.namespace(json!({ "type": "user" }));
        sleeper.set("/linux/uidMappings", maps.clone()).set("/linux/gidMappings", maps).write();
        let before = Traces::now();
        let mut failed = 0;
        let killed = under_fire(0, Victims::All, || {
            failed = (0..150).filter(|round| !try_to_live(&sleeper, *round)).count();
        });
        before.assert_unchanged(&[&sleeper]);
        assert!(killed > 20 && failed > 10, "killed {killed}, failed {failed}");
    });
}

#[test]
fn an_exec_whose_executors_are_killed_fails_or_tells_that_it_was_killed() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let before = Traces::now();
        let (container, init) = started(&sleeper, &id(&sleeper, ""));
        for victims in [Victims::All, Victims::Stages] {
            let killed = under_fire(init.pid(), victims, || {
                (0..200).for_each(|_| try_to_exec(&container));
            });
            assert!(killed > 20, "killed {killed}");
        }
        container.delete(true).unwrap();
        init.wait().unwrap();
        drop(init);
        before.assert_unchanged(&[&sleeper]);
    });
}

fn try_to_exec(container: &libteu::Container) {
    if let Ok(process) = container.exec(probe(&["exit", "5"], null())) {
        let status = process.wait().unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        assert!(status.code() == Some(5) || signal == Some(libc::SIGKILL), "{status}");
    }
}
