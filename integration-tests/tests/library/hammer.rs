//! Threads that do what breaks a fork without exec: allocate, open files, start programs.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Goes on until it is dropped.
pub struct Hammer {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Hammer {
    /// Two threads that allocate, one that opens files, one that starts children.
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let work: [fn(usize); 4] = [allocate, allocate, open, start_child];
        let threads = work.map(|work| {
            let stop = stop.clone();
            thread::spawn(move || {
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    work(round);
                    round += 1;
                }
            })
        });
        Self { stop, threads: threads.into() }
    }
}

impl Drop for Hammer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

/// Small and large, growing in steps, freed in another order; with pauses, for there are only so many cores.
fn allocate(round: usize) {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for n in 0..200 {
        let mut block = vec![1; 1 + (n * 37 + round) % 5000];
        block.extend_from_within(..);
        kept.push(block);
        if n % 3 == 0 {
            kept.swap_remove(n / 3 % kept.len());
        }
    }
    thread::sleep(Duration::from_micros(200));
}

fn open(_: usize) {
    for _ in 0..20 {
        let mut text = String::new();
        File::open("/proc/self/stat").unwrap().read_to_string(&mut text).unwrap();
        assert!(text.contains(')'));
    }
    thread::sleep(Duration::from_micros(500));
}

fn start_child(round: usize) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &format!("exit {}", round % 100)]).stdin(Stdio::null());
    let status = command.status().unwrap();
    assert_eq!(status.code(), Some((round % 100).try_into().unwrap()));
    thread::sleep(Duration::from_millis(2));
}
