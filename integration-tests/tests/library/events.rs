//! Notices of memory running out, and statistics, as a program gets them.

use std::fs;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use integration_tests::{cgroup, require};
use libteu::{ErrorKind, KillTarget, OomEvent, OomEvents, Signal};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::alone::alone;
use crate::caller::Caller;
use crate::drive::{bundle, exec, id, started};

/// Whether the descriptor becomes readable in time.
fn readable(events: &OomEvents, patience: Duration) -> bool {
    let timeout = PollTimeout::try_from(patience).unwrap();
    poll(&mut [PollFd::new(events.as_fd(), PollFlags::POLLIN)], timeout).unwrap() > 0
}

fn limit_memory(pid: i32) {
    let name = if cgroup::is_v2() { "memory.max" } else { "memory.limit_in_bytes" };
    let dir = cgroup::dir(pid, "memory");
    fs::write(dir.join(name), (24 << 20).to_string()).unwrap();
    for swap in ["memory.swap.max", "memory.memsw.limit_in_bytes"] {
        let _ = fs::OpenOptions::new()
            .write(true)
            .open(dir.join(swap))
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"25165824"));
    }
}

const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
const LONG: Duration = Duration::from_secs(10);

#[test]
fn events_are_one_descriptor_without_a_thread_that_leaves_nothing() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let (container, init) = started(&sleeper, &id(&sleeper, ""));
        limit_memory(init.pid());
        let before = Caller::now();
        let threads = || fs::read_dir("/proc/self/task").unwrap().count();
        let count = threads();
        let mut events = container.oom_events().unwrap();
        assert_eq!(threads(), count);
        assert_eq!(events.next(AT_ONCE).unwrap(), None);
        assert!(!readable(&events, Duration::from_millis(100)));

        let begin = Instant::now();
        assert_eq!(events.next(Some(Duration::from_millis(200))).unwrap(), None);
        assert!((190..5000).contains(&begin.elapsed().as_millis()));

        for _ in 0..2 {
            assert_eq!(exec(&container, &["touch-memory", "64"]), None, "killed");
            assert!(readable(&events, LONG));
            assert_eq!(events.next(AT_ONCE).unwrap(), Some(OomEvent::OutOfMemory));
            while events.next(Some(Duration::from_millis(100))).unwrap().is_some() {}
            assert!(!readable(&events, Duration::ZERO));
        }

        container.kill(Signal::KILL, KillTarget::Init).unwrap();
        assert!(readable(&events, LONG));
        for _ in 0..2 {
            assert_eq!(events.next(None).unwrap(), Some(OomEvent::Stopped));
        }
        drop(events);
        before.assert_unchanged("events");
        let e = container.oom_events().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::WrongStatus);
        init.wait().unwrap();
        container.delete(false).unwrap();
    });
}

#[test]
fn events_may_be_waited_for_in_another_thread_while_the_container_is_deleted() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let (container, init) = started(&sleeper, &id(&sleeper, ""));
        let mut events = container.oom_events().unwrap();
        let last = std::thread::scope(|scope| {
            let waiting = scope.spawn(move || events.next(Some(LONG)).unwrap());
            std::thread::sleep(Duration::from_millis(50));
            container.delete(true).unwrap();
            waiting.join().unwrap()
        });
        assert_eq!(last, Some(OomEvent::Stopped));
        init.wait().unwrap();
        sleeper.assert_clean();
    });
}

#[test]
fn statistics_are_typed() {
    require!("root");
    alone(|| {
        let sleeper = bundle(&["sleep"]);
        let (container, init) = started(&sleeper, &id(&sleeper, ""));
        limit_memory(init.pid());
        exec(&container, &["spin", "100"]);
        let stats = container.stats().unwrap();
        assert_eq!(stats.pids.current, 1);
        assert_eq!(stats.memory.usage.limit, 24 << 20);
        assert!(stats.memory.usage.usage > 0 && !stats.memory.raw.is_empty());
        assert!(stats.cpu.usage.total > 10_000_000, "{:?}", stats.cpu);
        assert_eq!(stats.cpu.psi.is_some(), cgroup::is_v2());
        container.delete(true).unwrap();
        init.wait().unwrap();
    });
}
