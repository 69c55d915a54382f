//! Sixteen threads with containers of their own, in a program that is busy with other things.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::{Bundle, patience, require};
use libteu::{ErrorKind, KillTarget, Signal, Status};

use crate::alone::alone;
use crate::drive::{self, bundle, exec, id, piped, probe, text};
use crate::hammer::Hammer;
use crate::traces::Traces;

const THREADS: usize = 16;
const ROUNDS: usize = 16;
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn sixteen_threads_do_everything_at_once_and_leave_nothing() {
    require!("root");
    alone(|| {
        let (sleeper, short) = (bundle(&["sleep"]), bundle(&["exit", "7"]));
        let before = Traces::now();
        let hammer = Hammer::start();
        let done = AtomicUsize::new(0);
        let begin = Instant::now();
        let end = begin + patience(LIMIT);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (sleeper, short, done) = (&sleeper, &short, &done);
                scope.spawn(move || {
                    for round in (0..ROUNDS).take_while(|_| Instant::now() < end) {
                        whole_life(sleeper, thread, round);
                        short_life(short, thread, round);
                        done.fetch_add(2, Ordering::Relaxed);
                    }
                });
            }
        });
        drop(hammer);
        before.assert_unchanged(&[&sleeper, &short]);
        let done = done.into_inner();
        eprintln!("{done} containers in {:?}", begin.elapsed());
        assert!(done >= THREADS * 4, "only {done} containers");
    });
}

pub fn whole_life(bundle: &Bundle, thread: usize, round: usize) {
    let id = id(bundle, &format!("-{thread}-{round}"));
    let (container, init) = drive::create(bundle, &id).unwrap();
    assert_eq!(container.state().unwrap().status, Status::Created);
    container.start().unwrap();
    assert_eq!(container.state().unwrap().status, Status::Running);
    let code = i32::try_from(thread).unwrap() + 10;
    assert_eq!(exec(&container, &["exit", &code.to_string()]), Some(code));
    let (stdio, pipe) = piped();
    let echo = container.exec(probe(&["echo", id.as_str()], stdio)).unwrap();
    assert_eq!(text(pipe).trim_end(), id.as_str());
    assert!(echo.wait().unwrap().success());
    let by_force = round.is_multiple_of(2);
    if !by_force {
        container.kill(Signal::KILL, KillTarget::Init).unwrap();
        assert_eq!(killed_by(&init), Some(libc::SIGKILL));
        assert_eq!(container.state().unwrap().status, Status::Stopped);
    }
    container.delete(by_force).unwrap();
    if by_force {
        assert_eq!(killed_by(&init), Some(libc::SIGKILL));
    }
    assert_eq!(container.state().unwrap_err().kind(), ErrorKind::NotFound);
}

fn killed_by(process: &libteu::Process) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&process.wait().unwrap())
}

pub fn short_life(bundle: &Bundle, thread: usize, round: usize) {
    let id = id(bundle, &format!("-{thread}-{round}"));
    assert_eq!(drive::run(bundle, &id), (String::new(), Some(7)));
}
