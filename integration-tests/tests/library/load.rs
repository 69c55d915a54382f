//! Many starts one after the other, many at once, many containers alive: by the command line and by the library.
//!
//! The short version runs with the other tests; the whole one is a command of its own (README).

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use integration_tests::{Bundle, require};
use libteu::ContainerId;
use tokio::task::{JoinSet, spawn_blocking};

use crate::alone::alone;
use crate::drive::{self, bundle, exec, id, started};
use crate::traces::Traces;

/// How much of everything.
struct Load {
    sequential: usize,
    parallel: usize,
    /// Starts of each of those.
    each: usize,
    alive: usize,
    /// Execs into those that are alive, by either way.
    execs: usize,
}

const SHORT: Load = Load { sequential: 40, parallel: 16, each: 1, alive: 12, execs: 48 };
const WHOLE: Load = Load { sequential: 1000, parallel: 64, each: 4, alive: 200, execs: 2000 };
/// Of threads that exec at the same time.
const STORM: usize = 16;

#[test]
fn a_short_load_leaves_nothing_and_does_not_slow_down() {
    require!("root");
    alone(|| all(&SHORT));
}

#[test]
#[ignore = "takes minutes: cargo test -p integration-tests --test library -- --ignored --nocapture load::"]
fn the_whole_load_leaves_nothing_and_does_not_slow_down() {
    require!("root");
    all(&WHOLE);
}

fn all(load: &Load) {
    let short = bundle(&["exit", "0"]);
    one_after_the_other(load, "command line", &short, |id| run_cli(&short, id));
    one_after_the_other(load, "library", &short, |id| {
        assert_eq!(drive::run(&short, id), (String::new(), Some(0)));
    });
    at_once(load, "command line", |id| run_cli(&short, id), &short);
    from_tokio(load, &Arc::new(bundle(&["sleep"])));
    alive(load);
}

pub fn teu(bundle: &Bundle, words: &[&str]) -> Command {
    let mut command = Command::new(integration_tests::Runtime::get().path());
    command.arg("--root").arg(bundle.root()).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn run_cli(bundle: &Bundle, id: &ContainerId) {
    let path = bundle.path();
    let words = ["run", "--bundle", path.to_str().unwrap(), id.as_str()];
    assert!(teu(bundle, &words).status().unwrap().success(), "{id}");
}

/// Starts cost as much at the end as at the beginning.
fn one_after_the_other(load: &Load, way: &str, bundle: &Bundle, run: impl Fn(&ContainerId)) {
    let before = Traces::now();
    let times: Vec<Duration> = (0..load.sequential)
        .map(|n| {
            let id = id(bundle, &format!("-{n}"));
            let begin = Instant::now();
            run(&id);
            begin.elapsed()
        })
        .collect();
    before.assert_unchanged(&[bundle]);
    let part = (load.sequential / 10).max(10);
    let (first, last) = (median(&times[..part]), median(&times[times.len() - part..]));
    let (n, all) = (times.len(), median(&times));
    eprintln!("{n} runs, {way}: median {all:?}; first {part} {first:?}, last {part} {last:?}");
    assert!(last < first * 5, "{way}: {first:?} became {last:?}");
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

fn at_once(load: &Load, way: &str, run: impl Fn(&ContainerId) + Sync, bundle: &Bundle) {
    let (before, begin, slowest) = (Traces::now(), Instant::now(), Mutex::new(Duration::ZERO));
    thread::scope(|scope| {
        for thread in 0..load.parallel {
            let (run, slowest) = (&run, &slowest);
            scope.spawn(move || {
                for round in 0..load.each {
                    let begin = Instant::now();
                    run(&id(bundle, &format!("-{thread}-{round}")));
                    let mut slowest = slowest.lock().unwrap();
                    *slowest = (*slowest).max(begin.elapsed());
                }
            });
        }
    });
    let (n, took) = (load.parallel * load.each, begin.elapsed());
    before.assert_unchanged(&[bundle]);
    let slowest = slowest.into_inner().unwrap();
    eprintln!("{n} runs, {} at once, {way}: {took:?}, the slowest {slowest:?}", load.parallel);
}

fn from_tokio(load: &Load, sleeper: &Arc<Bundle>) {
    let (before, begin) = (Traces::now(), Instant::now());
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).max_blocking_threads(load.parallel).build().unwrap();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..load.parallel {
            for round in 0..load.each {
                let (bundle, id) = (sleeper.clone(), id(sleeper, &format!("-{task}-{round}")));
                tasks.spawn(async move { spawn_blocking(move || life(&bundle, &id)).await });
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap().unwrap();
        }
    });
    drop(runtime);
    let (n, took) = (load.parallel * load.each, begin.elapsed());
    before.assert_unchanged(&[sleeper]);
    eprintln!("{n} lives with an exec, {} at once, library from tokio: {took:?}", load.parallel);
}

fn life(bundle: &Bundle, id: &ContainerId) {
    let (container, init) = started(bundle, id);
    assert_eq!(exec(&container, &["exit", "3"]), Some(3));
    container.delete(true).unwrap();
    assert!(!init.wait().unwrap().success());
}

fn alive(load: &Load) {
    let sleeper = bundle(&["sleep"]);
    let (before, begin) = (Traces::now(), Instant::now());
    let many: Vec<_> =
        (0..load.alive).map(|n| started(&sleeper, &id(&sleeper, &format!("-{n}")))).collect();
    let started = begin.elapsed();
    let next = AtomicUsize::new(0);
    let begin = Instant::now();
    thread::scope(|scope| {
        for _ in 0..STORM {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= load.execs {
                        return;
                    }
                    let (container, _) = &many[n * 7 % many.len()];
                    if n.is_multiple_of(2) {
                        assert_eq!(exec(container, &["exit", "5"]), Some(5));
                    } else {
                        let words = ["exec", container.id().as_str(), "/probe", "exit", "5"];
                        assert_eq!(teu(&sleeper, &words).status().unwrap().code(), Some(5));
                    }
                }
            });
        }
    });
    let storm = begin.elapsed();
    let list = teu(&sleeper, &["list", "--quiet"]).stdout(Stdio::piped()).output().unwrap();
    assert_eq!(list.stdout.iter().filter(|byte| **byte == b'\n').count(), load.alive);
    let begin = Instant::now();
    for (container, init) in many {
        container.delete(true).unwrap();
        init.wait().unwrap();
    }
    let (n, execs, deleted) = (load.alive, load.execs, begin.elapsed());
    before.assert_unchanged(&[&sleeper]);
    eprintln!(
        "{n} alive: started in {started:?}, {execs} execs in {storm:?}, deleted in {deleted:?}"
    );
}
