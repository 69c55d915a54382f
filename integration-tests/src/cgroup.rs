//! A container's cgroup as the kernel has it, on v1, hybrid and v2 hosts.
//!
//! Files are named twice, for v1 and for v2; which of them is read depends on the host.

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = "/sys/fs/cgroup";

/// The directories of a process, which stay known after its end.
#[derive(Debug, Clone)]
pub struct Cgroup {
    /// v1 controllers (one directory may serve several), or the v2 hierarchy under "".
    dirs: Vec<(String, PathBuf)>,
}

/// Whether this host has v2 alone.
pub fn is_v2() -> bool {
    Path::new(ROOT).join("cgroup.controllers").exists()
}

/// Whether a controller limits containers on this host: on v1 it is mounted, on v2 the root has it.
pub fn has(controller: &str) -> bool {
    if is_v2() {
        let list = fs::read_to_string(Path::new(ROOT).join("cgroup.controllers")).unwrap();
        list.split_whitespace().any(|name| name == controller)
    } else {
        mount_of(controller).is_some()
    }
}

impl Cgroup {
    /// Where a process is.
    ///
    /// # Panics
    /// When there is no such process.
    #[track_caller]
    pub fn of(pid: i32) -> Self {
        let memberships = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let mut dirs = Vec::new();
        for line in memberships.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (names, path) = (fields.next().unwrap(), fields.next().unwrap());
            for name in names.split(',') {
                let mount = if is_v2() { Some((ROOT.into(), "/".into())) } else { mount_of(name) };
                if let Some((mount, root)) = mount {
                    dirs.push((name.to_owned(), below(&mount, &root, path)));
                }
            }
        }
        Self { dirs }
    }

    /// The directory of a v1 controller, or the one there is on v2.
    ///
    /// # Panics
    /// When the controller is not mounted.
    #[track_caller]
    pub fn dir(&self, controller: &str) -> &Path {
        let wanted = if is_v2() { "" } else { controller };
        let found = self.dirs.iter().find(|(name, _)| name == wanted);
        &found.unwrap_or_else(|| panic!("no {controller} among {:?}", self.dirs)).1
    }

    /// The file, by its name on v1 (which begins with the controller's) and on v2.
    #[track_caller]
    pub fn file(&self, v1: &str, v2: &str) -> PathBuf {
        let controller = v1.split('.').next().unwrap();
        self.dir(controller).join(if is_v2() { v2 } else { v1 })
    }

    /// What the file says, without its last newline.
    #[track_caller]
    pub fn read(&self, v1: &str, v2: &str) -> String {
        let file = self.file(v1, v2);
        let text = fs::read_to_string(&file);
        text.unwrap_or_else(|e| panic!("{}: {e}", file.display())).trim_end().to_owned()
    }

    /// Asserts what the file says on this host.
    #[track_caller]
    pub fn is(&self, v1: (&str, &str), v2: (&str, &str)) {
        let expected = if is_v2() { v2.1 } else { v1.1 };
        assert_eq!(self.read(v1.0, v2.0), expected, "{}", self.file(v1.0, v2.0).display());
    }

    /// The number after a key in a file of such lines (`cpu.stat`).
    #[track_caller]
    pub fn counter(&self, v1: &str, v2: &str, key: &str) -> u64 {
        let text = self.read(v1, v2);
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {key} in {text}")).parse().unwrap()
    }

    /// How many of its processes the out-of-memory killer has ended.
    #[track_caller]
    pub fn oom_kills(&self) -> u64 {
        self.counter("memory.oom_control", "memory.events", "oom_kill")
    }
}

/// Mount point and root of the hierarchy of a v1 controller.
fn mount_of(controller: &str) -> Option<(PathBuf, PathBuf)> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap();
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut right = right.split(' ');
        let is_v1 = right.next()? == "cgroup";
        let has = right.nth(1)?.split(',').any(|option| option == controller);
        let mut left = left.split(' ').skip(3);
        let (root, mount) = (left.next()?, left.next()?);
        (is_v1 && has).then(|| (mount.into(), root.into()))
    })
}

fn below(mount: &Path, root: &Path, path: &str) -> PathBuf {
    let path = Path::new(path);
    let inner = path.strip_prefix(root).unwrap_or_else(|_| path.strip_prefix("/").unwrap());
    mount.join(inner)
}

/// A whole disk of this host, as `MAJOR:MINOR`.
pub fn a_disk() -> Option<(i64, i64)> {
    let mut names: Vec<_> =
        fs::read_dir("/sys/block").ok()?.flatten().map(|entry| entry.path()).collect();
    names.sort();
    // Those without size have no queue that could be throttled.
    let real =
        |dir: &&PathBuf| fs::read_to_string(dir.join("size")).is_ok_and(|size| size.trim() != "0");
    let number = fs::read_to_string(names.iter().find(real)?.join("dev")).ok()?;
    let (major, minor) = number.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The directory of a process in the hierarchy of a v1 controller, or in that of v2.
///
/// # Panics
/// When the process is in none.
#[track_caller]
pub fn dir(pid: i32, controller: &str) -> PathBuf {
    Cgroup::of(pid).dir(controller).to_owned()
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
