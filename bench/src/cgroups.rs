//! The cgroups that everything happens under: one parent in every hierarchy, gone afterwards.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, statfs};
use nix::unistd::Pid;

const ROOT: &str = "/sys/fs/cgroup";

/// The parent cgroup, removed with all below it when dropped.
#[derive(Debug)]
pub struct Cgroups {
    /// Its path in every hierarchy.
    pub path: String,
    /// Mount points of the v1 hierarchies; empty on a v2 host.
    pub v1: Vec<PathBuf>,
    /// Mount point of the v2 hierarchy, if any.
    pub unified: Option<PathBuf>,
}

impl Cgroups {
    /// Finds the hierarchies and makes the parent in them.
    pub fn make() -> Result<Self, String> {
        let root = Path::new(ROOT);
        let path = format!("/teu-bench-{}", std::process::id());
        let mut cgroups = Self { path, v1: Vec::new(), unified: None };
        if is(root, CGROUP2_SUPER_MAGIC) {
            cgroups.unified = Some(root.to_owned());
        } else {
            cgroups.find_v1(root)?;
        }
        for mount in cgroups.mounts() {
            let dir = cgroups.in_mount(mount);
            fs::create_dir(&dir).map_err(|e| format!("mkdir {}: {e}", dir.display()))?;
        }
        cgroups.fill_cpuset()?;
        Ok(cgroups)
    }

    fn find_v1(&mut self, root: &Path) -> Result<(), String> {
        let entries = fs::read_dir(root).map_err(|e| format!("{ROOT}: {e}"))?;
        // "cpu" may be a link to "cpu,cpuacct", of which the latter is meant.
        let dirs = entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
        for dir in dirs.map(|entry| entry.path()) {
            if is(&dir, CGROUP_SUPER_MAGIC) {
                self.v1.push(dir);
            } else if is(&dir, CGROUP2_SUPER_MAGIC) {
                self.unified = Some(dir);
            }
        }
        self.v1.sort();
        Ok(())
    }

    /// A new v1 cpuset is empty, and nothing can join it.
    fn fill_cpuset(&self) -> Result<(), String> {
        let [cpus, mems] = self.cpuset()?;
        let Some(mount) = self.v1.iter().find(|mount| mount.ends_with("cpuset")) else {
            return Ok(());
        };
        let dir = self.in_mount(mount);
        for (name, value) in [("cpuset.cpus", cpus), ("cpuset.mems", mems)] {
            fs::write(dir.join(name), value).map_err(|e| format!("{name}: {e}"))?;
        }
        Ok(())
    }

    /// cpus and mems of the root cpuset.
    pub fn cpuset(&self) -> Result<[String; 2], String> {
        let Some(mount) = self.v1.iter().find(|mount| mount.ends_with("cpuset")) else {
            return Ok([String::new(), String::new()]);
        };
        let read = |name: &str| {
            let text = fs::read_to_string(mount.join(name)).map_err(|e| format!("{name}: {e}"))?;
            Ok::<_, String>(text.trim().to_owned())
        };
        Ok([read("cpuset.cpus")?, read("cpuset.mems")?])
    }

    /// All mount points.
    pub fn mounts(&self) -> impl Iterator<Item = &Path> {
        self.v1.iter().chain(&self.unified).map(PathBuf::as_path)
    }

    fn in_mount(&self, mount: &Path) -> PathBuf {
        mount.join(self.path.trim_start_matches('/'))
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        let dirs: Vec<_> = self.mounts().map(|mount| self.in_mount(mount)).collect();
        for _ in 0..100 {
            dirs.iter().for_each(|dir| remove_tree(dir));
            if !dirs.iter().any(|dir| dir.exists()) {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        eprintln!("bench: could not remove the cgroups {} below {ROOT}", self.path);
    }
}

/// Kills what is in it and removes it, as far as that can be done at once.
fn remove_tree(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_tree(&entry.path());
    }
    let procs = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    for pid in procs.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    let _ = fs::remove_dir(dir);
}

/// crun 1.8 refuses a v2 hierarchy beside v1 that has controllers. All are to do the same, so then
/// nobody sees it: this process gets a mount namespace of its own, without it.
pub fn hide_unified() -> Result<bool, String> {
    let unified = Path::new(ROOT).join("unified");
    let controllers = fs::read_to_string(unified.join("cgroup.controllers")).unwrap_or_default();
    if controllers.trim().is_empty() {
        return Ok(false);
    }
    let hidden = || {
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(
            None::<&str>,
            "/",
            None::<&str>,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            None::<&str>,
        )?;
        umount2(&unified, MntFlags::MNT_DETACH)
    };
    hidden().map(|()| true).map_err(|e| format!("hiding {}: {e}", unified.display()))
}

fn is(dir: &Path, magic: nix::sys::statfs::FsType) -> bool {
    statfs(dir).is_ok_and(|fs| fs.filesystem_type() == magic)
}
