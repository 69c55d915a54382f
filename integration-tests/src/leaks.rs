//! What a container leaves on the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Bundle, is_root, patience};

/// Everything on the machine that belongs to one bundle.
#[derive(Debug, PartialEq, Eq)]
pub struct Leaks {
    /// Cgroup directories with the container's id in their name.
    pub cgroups: Vec<PathBuf>,
    /// Transient units of systemd, also those that have failed.
    pub units: Vec<String>,
    /// Mounts in this process's mount namespace.
    pub mounts: Vec<String>,
    /// Entries of the state root.
    pub state: Vec<String>,
    /// Processes, by pid and command line, that were started for it or live in its mount namespace.
    pub processes: Vec<(i32, String)>,
}

impl Leaks {
    pub(crate) fn of(bundle: &Bundle) -> Self {
        let mark = bundle.mark();
        let mut cgroups = Vec::new();
        walk(Path::new("/sys/fs/cgroup"), bundle.id(), &mut cgroups);
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
        Self {
            cgroups,
            units: units(bundle.id()),
            mounts: mountinfo.lines().filter(|l| l.contains(&mark)).map(String::from).collect(),
            state: entries(&bundle.root()),
            processes: processes(&mark),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        let Self { cgroups, units, mounts, state, processes } = self;
        cgroups.is_empty()
            && units.is_empty()
            && mounts.is_empty()
            && state.is_empty()
            && processes.is_empty()
    }
}

fn walk(dir: &Path, id: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_named(&name, id) {
                found.push(entry.path());
            }
            walk(&entry.path(), id, found);
        }
    }
}

/// "-1" must not match "-10".
fn is_named(name: &str, id: &str) -> bool {
    name.split(id).skip(1).any(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// systemd keeps the file of a transient unit as long as it knows the unit.
fn units(id: &str) -> Vec<String> {
    let run = match is_root() {
        true => Some("/run".into()),
        false => std::env::var_os("XDG_RUNTIME_DIR"),
    };
    let dir = run.map(|run| Path::new(&run).join("systemd/transient"));
    let mut names = dir.map(|dir| entries(&dir)).unwrap_or_default();
    names.retain(|name| is_named(name, id));
    names
}

/// The names in a directory.
pub fn entries(dir: &Path) -> Vec<String> {
    let list = fs::read_dir(dir).into_iter().flatten().flatten();
    list.map(|e| e.file_name().to_string_lossy().into_owned()).collect()
}

/// Processes, by pid and command line, with a text in their command line or among their mounts.
pub fn processes(mark: &str) -> Vec<(i32, String)> {
    let own = std::process::id().cast_signed();
    let own_mounts = fs::read_link("/proc/self/ns/mnt").ok();
    let pids = entries(Path::new("/proc")).into_iter().filter_map(|name| name.parse::<i32>().ok());
    pids.filter(|pid| *pid != own)
        .filter_map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            // Of the hundreds of processes nearly all are in the mount namespace of the tests.
            let elsewhere = fs::read_link(format!("/proc/{pid}/ns/mnt")).ok() != own_mounts;
            let mounts = match elsewhere {
                true => fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default(),
                false => String::new(),
            };
            (line.contains(mark) || mounts.contains(mark)).then_some((pid, line))
        })
        .collect()
}

/// Waits a little: the last process of a cgroup may still be on its way out.
#[track_caller]
pub fn wait_until_clean(bundle: &Bundle) {
    let end = Instant::now() + patience(Duration::from_secs(2));
    loop {
        let leaks = Leaks::of(bundle);
        if leaks.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "left over: {leaks:#?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ends what a failed test left: only processes that carry this bundle's mark, each by its pid, then its cgroups. A
/// killed process leaves its cgroup a moment later, so removing is tried for a while.
pub fn kill_leftovers(bundle: &Bundle) {
    let end = Instant::now() + Duration::from_secs(2);
    loop {
        let Leaks { cgroups, processes, .. } = Leaks::of(bundle);
        if cgroups.is_empty() && processes.is_empty() {
            return;
        }
        for (pid, _) in processes {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        for dir in cgroups.iter().rev() {
            let _ = fs::remove_dir(dir);
        }
        if Instant::now() > end {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
