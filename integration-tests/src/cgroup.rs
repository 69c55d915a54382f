//! A container's cgroup, as the kernel shows it.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// Whether cgroup v2 rules alone.
pub fn is_v2() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// The directory in which a process is, in the hierarchy of this v1 controller, or in that of v2
/// where it rules alone.
///
/// # Panics
/// When the process is in none.
#[track_caller]
pub fn dir(pid: i32, controller: &str) -> PathBuf {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let found = text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (names, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
        let v1 = names.split(',').any(|name| name == controller);
        match is_v2() {
            true => names.is_empty().then(|| Path::new(ROOT).join(path)),
            false => v1.then(|| Path::new(ROOT).join(controller).join(path)),
        }
    });
    found.unwrap_or_else(|| panic!("no {controller} cgroup in {text}"))
}

/// Whether every process in the cgroup that freezes is stopped.
#[track_caller]
pub fn is_frozen(pid: i32) -> bool {
    let dir = dir(pid, "freezer");
    if is_v2() {
        fs::read_to_string(dir.join("cgroup.events")).unwrap().contains("frozen 1")
    } else {
        fs::read_to_string(dir.join("freezer.state")).unwrap().trim() == "FROZEN"
    }
}

/// Freezes a cgroup without the runtime, or thaws it.
#[track_caller]
pub fn freeze(dir: &Path, frozen: bool) {
    let (name, text) = match (is_v2(), frozen) {
        (true, true) => ("cgroup.freeze", "1"),
        (true, false) => ("cgroup.freeze", "0"),
        (false, true) => ("freezer.state", "FROZEN"),
        (false, false) => ("freezer.state", "THAWED"),
    };
    fs::write(dir.join(name), text).unwrap();
}

/// A cgroup of the test's own, in the hierarchy that freezes; removed with what is below it when
/// dropped.
#[derive(Debug)]
pub struct Parent {
    name: String,
}

impl Parent {
    /// Makes it.
    pub fn new(name: &str) -> Self {
        let parent = Self { name: name.to_owned() };
        fs::create_dir(parent.dir()).unwrap();
        parent
    }

    /// Its directory.
    pub fn dir(&self) -> PathBuf {
        let hierarchy = if is_v2() { "" } else { "freezer" };
        Path::new(ROOT).join(hierarchy).join(&self.name)
    }

    /// What `cgroupsPath` may be.
    pub fn path(&self, below: &str) -> String {
        format!("/{}/{below}", self.name)
    }
}

impl Drop for Parent {
    /// The container was made, hence is removed, in every hierarchy; so are its parents.
    fn drop(&mut self) {
        freeze(&self.dir(), false);
        for hierarchy in fs::read_dir(ROOT).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(hierarchy.path().join(&self.name));
        }
        let _ = fs::remove_dir(self.dir());
    }
}
