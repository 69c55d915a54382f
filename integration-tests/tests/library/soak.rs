//! Verbs at random, for long: by the command line and by the library, each answer checked against what has to be so.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::{Bundle, require, wait_until};
use libteu::{
    Container, ContainerId, GcOptions, KillTarget, Process, RuntimeOptions, Signal, Status,
};

use crate::drive::{self, bundle, create, exec, id, status_field};
use crate::load::teu;
use crate::traces::{Traces, fds};

const WORKERS: usize = 8;
/// Of one worker.
const CONTAINERS: usize = 6;
/// After this the program has all that it needs.
const WARM: Duration = Duration::from_secs(20);
/// Bytes that the program may have grown by since, whatever the allocator keeps.
const GROWTH: u64 = 16 << 20;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

/// One container as it has to be.
struct Known {
    container: Container,
    /// Of the library's; the command line's are init's.
    init: Option<Process>,
    status: Status,
}

struct Worker<'a> {
    bundle: &'a Bundle,
    number: usize,
    random: Random,
    made: usize,
    known: Vec<Known>,
    counts: BTreeMap<&'static str, u64>,
}

#[test]
#[ignore = "takes ten minutes: cargo test -p integration-tests --test library -- --ignored --nocapture soak::"]
fn verbs_at_random_for_long_leave_nothing() {
    require!("root");
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let minutes = number("TEU_SOAK_MINUTES").unwrap_or(10);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    soak(Duration::from_secs(60 * minutes), number("TEU_SOAK_SEED").unwrap_or(now));
}

#[test]
fn verbs_at_random_leave_nothing() {
    require!("root");
    crate::alone::alone(|| soak(Duration::from_secs(3), 7));
}

fn soak(length: Duration, seed: u64) {
    eprintln!("TEU_SOAK_SEED={seed}, {length:?}, {WORKERS} workers");
    let sleeper = bundle(&["sleep"]);
    let (before, begin) = (Traces::now(), Instant::now());
    let counts = Mutex::new(BTreeMap::<&str, u64>::new());
    let warm = thread::scope(|scope| {
        for number in 0..WORKERS {
            let (bundle, counts) = (&sleeper, &counts);
            scope.spawn(move || {
                let random = Random(seed.wrapping_mul(1000) + number as u64);
                let (known, own) = (Vec::new(), BTreeMap::new());
                let mut worker = Worker { bundle, number, random, made: 0, known, counts: own };
                while begin.elapsed() < length {
                    worker.step();
                }
                worker.end();
                let mut all = counts.lock().unwrap();
                worker.counts.into_iter().for_each(|(verb, n)| *all.entry(verb).or_default() += n);
            });
        }
        thread::sleep(WARM.min(length / 2));
        resident()
    });
    let (took, after) = (begin.elapsed(), resident());
    let counts = counts.into_inner().unwrap();
    for (verb, n) in &counts {
        eprintln!("{verb:>24} {n:>7} {:>8.1}/s", *n as f64 / took.as_secs_f64());
    }
    let total: u64 = counts.values().sum();
    let (warm_kib, after_kib, fds) = (warm >> 10, after >> 10, fds().len());
    eprintln!(
        "{total} in {took:?}; resident: {warm_kib} KiB warm, {after_kib} KiB at the end; {fds} descriptors"
    );
    before.assert_unchanged(&[&sleeper]);
    assert!(after < warm + GROWTH, "{warm} bytes became {after}");
}

/// Bytes of this program.
fn resident() -> u64 {
    let field = status_field("self", "VmRSS");
    field.trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

impl Worker<'_> {
    fn step(&mut self) {
        let by_library = self.random.below(2) == 0;
        if self.known.len() < CONTAINERS && self.random.below(3) == 0 {
            return self.create(by_library);
        }
        if self.known.is_empty() {
            return self.gc();
        }
        let at = self.random.below(self.known.len());
        match self.random.below(12) {
            0 => self.start(at, by_library),
            1 | 2 => self.exec(at, by_library),
            3 => self.pause(at),
            4 => self.resume(at),
            5 => self.kill(at),
            6 => self.update(at),
            7 => self.state(at),
            8 => self.list(),
            9 => self.delete(at, by_library),
            10 => self.run(by_library),
            _ => self.gc(),
        }
    }

    fn count(&mut self, verb: &'static str) {
        *self.counts.entry(verb).or_default() += 1;
    }

    fn id(&mut self) -> ContainerId {
        self.made += 1;
        id(self.bundle, &format!("-{}-{}", self.number, self.made))
    }

    /// Whether the verb has worked.
    fn teu(&self, words: &[&str]) -> bool {
        teu(self.bundle, words).stderr(std::process::Stdio::null()).status().unwrap().success()
    }

    fn create(&mut self, by_library: bool) {
        let id = self.id();
        let (container, init) = if by_library {
            self.count("create, library");
            let (container, init) = create(self.bundle, &id).unwrap();
            (container, Some(init))
        } else {
            self.count("create, command line");
            let path = self.bundle.path();
            assert!(self.teu(&["create", "--bundle", path.to_str().unwrap(), id.as_str()]), "{id}");
            (drive::runtime(self.bundle).container(&id).unwrap(), None)
        };
        self.known.push(Known { container, init, status: Status::Created });
    }

    fn start(&mut self, at: usize, by_library: bool) {
        self.count("start");
        let Known { container, status, .. } = &self.known[at];
        let worked = match by_library {
            true => container.start().is_ok(),
            false => self.teu(&["start", container.id().as_str()]),
        };
        assert_eq!(worked, *status == Status::Created, "start of {}: {status:?}", container.id());
        if worked {
            self.known[at].status = Status::Running;
        }
    }

    fn exec(&mut self, at: usize, by_library: bool) {
        let Known { container, status, .. } = &self.known[at];
        if !matches!(status, Status::Running | Status::Created) {
            self.count("exec, refused");
            let words = ["exec", self.known[at].container.id().as_str(), "/probe", "exit", "6"];
            assert!(!self.teu(&words));
        } else if by_library {
            assert_eq!(exec(container, &["exit", "6"]), Some(6));
            self.count("exec, library");
        } else {
            let words = ["exec", container.id().as_str(), "/probe", "exit", "6"];
            assert_eq!(teu(self.bundle, &words).status().unwrap().code(), Some(6));
            self.count("exec, command line");
        }
    }

    fn pause(&mut self, at: usize) {
        self.count("pause");
        let Known { container, status, .. } = &self.known[at];
        let may = matches!(status, Status::Created | Status::Running);
        assert_eq!(container.pause().is_ok(), may, "pause of {}: {status:?}", container.id());
        if may {
            assert_eq!(container.state().unwrap().status, Status::Paused);
            assert!(self.teu(&["resume", self.known[at].container.id().as_str()]));
            self.known[at].container.pause().unwrap();
            // What it was before is known by whether it was started.
            let begun = self.known[at].status == Status::Running;
            if begun {
                self.known[at].status = Status::Paused;
            } else {
                self.known[at].container.resume().unwrap();
            }
        }
    }

    fn resume(&mut self, at: usize) {
        self.count("resume");
        let Known { container, status, .. } = &self.known[at];
        let may = *status == Status::Paused;
        assert_eq!(container.resume().is_ok(), may, "resume of {}: {status:?}", container.id());
        if may {
            self.known[at].status = Status::Running;
        }
    }

    fn kill(&mut self, at: usize) {
        self.count("kill");
        let Known { container, status, .. } = &self.known[at];
        let may = *status != Status::Stopped;
        let killed = container.kill(Signal::KILL, KillTarget::Init);
        assert_eq!(killed.is_ok(), may, "kill of {}: {status:?}: {killed:?}", container.id());
        let stopped = || container.state().unwrap().status == Status::Stopped;
        wait_until("stopped", stopped);
        self.known[at].status = Status::Stopped;
    }

    fn update(&mut self, at: usize) {
        self.count("update");
        let limit = (20 + self.random.below(1000)).to_string();
        let Known { container, status, .. } = &self.known[at];
        let worked = self.teu(&["update", "--pids-limit", &limit, container.id().as_str()]);
        assert_eq!(worked, *status != Status::Stopped, "{}: {status:?}", container.id());
    }

    fn state(&mut self, at: usize) {
        self.count("state");
        let Known { container, status, .. } = &self.known[at];
        assert_eq!(container.state().unwrap().status, *status, "{}", container.id());
        assert!(self.teu(&["state", container.id().as_str()]));
    }

    /// Of others as they come and go.
    fn list(&mut self) {
        self.count("list");
        let list = drive::runtime(self.bundle).list().unwrap();
        for Known { container, status, .. } in &self.known {
            let found = list.iter().find(|state| state.id == container.id().as_str());
            assert_eq!(found.map(|state| state.status), Some(*status), "{}", container.id());
        }
    }

    fn run(&mut self, by_library: bool) {
        let id = self.id();
        if by_library {
            self.count("run, library");
            let stdio = drive::with_stdio(drive::null());
            let run = drive::runtime(self.bundle).run(&id, &self.bundle.path(), stdio);
            let (container, init) = run.unwrap();
            container.delete(true).unwrap();
            assert_eq!(init.wait().unwrap().signal(), Some(libc::SIGKILL));
        } else {
            self.count("run, command line");
            let path = self.bundle.path();
            let words = ["run", "--detach", "--bundle", path.to_str().unwrap(), id.as_str()];
            assert!(self.teu(&words));
            assert!(self.teu(&["delete", "--force", id.as_str()]));
        }
    }

    /// With what a running system can be given: nothing is found.
    fn gc(&mut self) {
        self.count("gc");
        let runtime = libteu::Runtime::new(self.bundle.root(), RuntimeOptions::default());
        let found = runtime.garbage(&GcOptions::default()).unwrap();
        assert!(found.is_empty(), "{found:?}");
    }

    fn delete(&mut self, at: usize, by_library: bool) {
        self.count("delete");
        let Known { container, init, status } = self.known.swap_remove(at);
        let force = matches!(status, Status::Running | Status::Paused);
        if force {
            assert!(container.delete(false).is_err(), "{}: {status:?}", container.id());
        }
        match (by_library, force) {
            (true, _) => container.delete(force).unwrap(),
            (false, true) => assert!(self.teu(&["delete", "--force", container.id().as_str()])),
            (false, false) => assert!(self.teu(&["delete", container.id().as_str()])),
        }
        if let Some(init) = init {
            init.wait().unwrap();
        }
    }

    fn end(&mut self) {
        while !self.known.is_empty() {
            self.delete(0, true);
        }
    }
}
