//! What a program has open and running: the same before and after.

use std::fs;
use std::time::{Duration, Instant};

use integration_tests::{Bundle, patience};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, waitpid};

/// Descriptors and mounts of this process.
#[derive(Debug, PartialEq, Eq)]
pub struct Traces {
    fds: Vec<String>,
    mounts: Vec<String>,
}

impl Traces {
    /// As of now.
    pub fn now() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        Self { fds: fds(), mounts: mounts.lines().map(String::from).collect() }
    }

    /// Nothing more is open or mounted than before, there is no child, and nothing of the bundles is left.
    #[track_caller]
    pub fn assert_unchanged(&self, bundles: &[&Bundle]) {
        bundles.iter().for_each(|bundle| bundle.assert_clean());
        assert_eq!(children(), [0i32; 0], "children are left");
        let any = waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL));
        assert_eq!(any, Err(Errno::ECHILD));
        let end = Instant::now() + patience(Duration::from_secs(2));
        while *self != Self::now() {
            assert!(Instant::now() < end, "before: {self:#?}, after: {:#?}", Self::now());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What the open descriptors are, without the one that looks.
pub fn fds() -> Vec<String> {
    let own = fs::canonicalize("/proc/self/fd").unwrap();
    let all = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let mut links: Vec<_> = all.filter_map(|e| fs::read_link(e.path()).ok()).collect();
    links.retain(|link| *link != own);
    let mut fds: Vec<_> = links.iter().map(|link| link.to_string_lossy().into_owned()).collect();
    fds.sort();
    fds
}

/// The children of all threads.
pub fn children() -> Vec<i32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().map(|n| n.parse().unwrap()).collect::<Vec<_>>())
        .collect()
}
