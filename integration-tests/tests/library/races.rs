//! Many threads that want the same thing of one container.

use std::sync::Barrier;
use std::thread;

use integration_tests::require;
use libteu::{ErrorKind, Result, Status};

use crate::alone::alone;
use crate::drive::{bundle, create, id, null, probe, started};
use crate::traces::Traces;

const THREADS: usize = 16;

/// All at the same moment, as far as that can be had.
fn at_once<T: Send>(work: impl Fn() -> Result<T> + Sync) -> Vec<Result<T>> {
    let barrier = Barrier::new(THREADS);
    thread::scope(|scope| {
        let one = || {
            barrier.wait();
            work()
        };
        let all: Vec<_> = (0..THREADS).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[track_caller]
fn assert_kinds<T>(results: &[Result<T>], allowed: &[ErrorKind]) {
    let errors = results.iter().filter_map(|result| result.as_ref().err());
    let other: Vec<_> = errors.filter(|e| !allowed.contains(&e.kind())).collect();
    assert!(other.is_empty(), "{other:?}");
}

#[test]
fn of_sixteen_creates_starts_and_deletes_of_one_id_one_each_wins() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let before = Traces::now();
        for _ in 0..8 {
            one_life(&sleeper);
        }
        before.assert_unchanged(&[&sleeper]);
    });
}

fn one_life(sleeper: &integration_tests::Bundle) {
    let id = id(sleeper, "");
    let created = at_once(|| create(sleeper, &id));
    assert_kinds(&created, &[ErrorKind::AlreadyExists]);
    let mut won: Vec<_> = created.into_iter().flatten().collect();
    assert_eq!(won.len(), 1);
    let (container, init) = won.pop().unwrap();
    assert_eq!(container.state().unwrap().status, Status::Created);
    let started = at_once(|| container.start());
    assert_kinds(&started, &[ErrorKind::WrongStatus]);
    assert_eq!(started.iter().flatten().count(), 1);
    assert_eq!(container.state().unwrap().status, Status::Running);
    let deleted = at_once(|| container.delete(true));
    assert_kinds(&deleted, &[ErrorKind::NotFound]);
    assert!(deleted.iter().any(Result::is_ok));
    init.wait().unwrap();
}

#[test]
fn creates_and_forced_deletes_of_one_id_leave_nothing_however_they_mix() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let before = Traces::now();
        let id = id(&sleeper, "");
        let runtime = crate::drive::runtime(&sleeper);
        for _ in 0..6 {
            let mixed = at_once(|| {
                let made = create(&sleeper, &id);
                let gone = runtime.container(&id).and_then(|container| container.delete(true));
                if let Ok((_, init)) = made {
                    // Deleted by whoever came first.
                    let _ = runtime.container(&id).and_then(|container| container.delete(true));
                    init.wait()?;
                }
                gone
            });
            assert_kinds(&mixed, &[ErrorKind::NotFound]);
            let _ = runtime.container(&id).map(|container| container.delete(true).unwrap());
        }
        before.assert_unchanged(&[&sleeper]);
    });
}

#[test]
fn execs_that_race_with_a_delete_end_or_fail() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let before = Traces::now();
        for round in 0..6 {
            let (container, init) = started(&sleeper, &id(&sleeper, &format!("-{round}")));
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(std::time::Duration::from_millis(3 * round));
                    container.delete(true).unwrap();
                });
                at_once(|| {
                    let process = container.exec(probe(&["sleep"], null()))?;
                    assert!(!process.wait().unwrap().success());
                    Ok(())
                });
            });
            init.wait().unwrap();
        }
        before.assert_unchanged(&[&sleeper]);
    });
}
