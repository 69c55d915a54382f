//! What a container leaves on the machine, as fast as it can be told: thousands of times.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use integration_tests::{Bundle, patience};
use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

/// State, filters, cgroups and mounts of one bundle.
#[derive(Debug, PartialEq, Eq)]
pub struct Traces {
    state: Vec<String>,
    filters: Vec<String>,
    cgroups: Vec<PathBuf>,
    mounts: Vec<String>,
}

impl Traces {
    /// What is there now. `parent` is the cgroup that the container's is made in, relative to each hierarchy.
    pub fn of(bundle: &Bundle, parent: &str) -> Self {
        let mark = bundle.mark();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mut cgroups = Vec::new();
        for hierarchy in hierarchies() {
            walk(&hierarchy.join(parent), &mut cgroups);
            let own = hierarchy.join(bundle.id());
            cgroups.extend(own.exists().then_some(own));
        }
        Self {
            state: names(&bundle.root()),
            filters: names(&bundle.root().with_extension("filters")),
            cgroups,
            mounts: mounts.lines().filter(|line| line.contains(&mark)).map(String::from).collect(),
        }
    }
}

/// Waits a little until all is as before and no child is left: a killed process is gone a moment later.
pub fn wait_until_as_before(bundle: &Bundle, parent: &str, before: &Traces) -> Result<(), String> {
    let end = Instant::now() + patience(Duration::from_secs(10));
    loop {
        let (children, now) = (living_children(), Traces::of(bundle, parent));
        if children.is_empty() && now == *before {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("left over: processes {children:?}, {now:?}, before {before:?}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Children, and as this process is a subreaper, all that ever came of one and has lost its parent. The dead are reaped.
fn living_children() -> Vec<String> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Err(Errno::ECHILD) => return Vec::new(),
            Ok(WaitStatus::StillAlive) => break,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => panic!("waitpid: {e}"),
        }
    }
    children()
}

/// The pid and name of each child.
pub fn children() -> Vec<String> {
    let list = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    list.split_whitespace()
        .map(|pid| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("{pid} {}", comm.trim())
        })
        .collect()
}

/// The mount points of cgroup hierarchies.
pub fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let cgroup = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (dir, kind) = (words.next()?, words.next()?);
        (kind.starts_with("cgroup") && dir.starts_with("/sys/fs/cgroup"))
            .then(|| PathBuf::from(dir))
    };
    mounts.lines().filter_map(cgroup).collect()
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
            walk(&entry.path(), found);
        }
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
