//! Where everything is: bundles, state roots and cgroups, all of it gone when dropped.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use tempfile::TempDir;

use crate::cgroups::Cgroups;
use crate::config::{Config, ETC};
use crate::elf;
use crate::floor;
use crate::meter::Meter;
use crate::subject::{Measure, Subject};

/// Directories that images bring along, so that no run has to make them.
const DIRECTORIES: [&str; 6] = ["bin", "dev", "etc", "proc", "sys", "tmp"];

/// See the module.
#[derive(Debug)]
pub struct Site {
    subjects: Vec<Subject>,
    cgroups: Cgroups,
    cpuset: [String; 2],
    bundles: TempDir,
    states: TempDir,
}

impl Site {
    /// Makes bundles for all.
    pub fn make(subjects: &[Subject], configs: &[Config]) -> Result<Self, String> {
        let temporary = |dir: &Path| {
            let made = tempfile::Builder::new().prefix("teu-bench-").tempdir_in(dir);
            made.map_err(|e| format!("temporary directory in {}: {e}", dir.display()))
        };
        let cgroups = Cgroups::make()?;
        let site = Self {
            subjects: subjects.to_vec(),
            cpuset: cgroups.cpuset()?,
            cgroups,
            bundles: temporary(&std::env::temp_dir())?,
            states: temporary(&state_place())?,
        };
        for subject in subjects {
            for config in configs {
                let bundle = site.bundle(subject, *config);
                site.make_bundle(&bundle, *config, "/bin/true")?;
                let sleeper = site.sleeper(subject, *config);
                site.make_bundle(&sleeper, *config, "/bin/sleep")?;
            }
        }
        Ok(site)
    }

    /// Starts the containers that `exec` enters. If one fails, so will its `exec`.
    pub fn start_sleepers(&self, meter: &mut Meter, configs: &[Config]) {
        for config in configs {
            for words in self.subjects.iter().filter_map(|s| s.run_sleeper(self, *config)) {
                if let Err(e) = meter.time(&words) {
                    eprintln!("bench: {e}");
                }
            }
        }
    }

    /// A directory with config.json and a rootfs.
    pub fn bundle(&self, subject: &Subject, config: Config) -> PathBuf {
        self.bundles.path().join(format!("{}-{}", subject.name, config.name()))
    }

    /// The same for the container that `exec` enters.
    pub fn sleeper(&self, subject: &Subject, config: Config) -> PathBuf {
        self.bundles.path().join(format!("{}-{}-sleep", subject.name, config.name()))
    }

    /// For `--root`.
    pub fn state(&self, subject: &Subject) -> PathBuf {
        self.states.path().join(subject.name)
    }

    /// Where state roots are, for the description of the machine.
    pub fn state_kind(&self) -> &'static str {
        if is_tmpfs(self.states.path()) { "tmpfs" } else { "disk" }
    }

    /// A file to write to.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.bundles.path().join(name)
    }

    /// The command line of the floor.
    pub fn floor(&self, subject: &Subject, config: Config, measure: Measure) -> Vec<String> {
        let exec = measure == Measure::Exec;
        let owner = self.subjects.iter().find(|s| s.is_runtime()).filter(|_| exec);
        let bundle =
            owner.map_or_else(|| self.bundle(subject, config), |s| self.sleeper(s, config));
        let leaf = bundle.file_name().unwrap_or_default();
        let parent = self.cgroups.path.trim_start_matches('/');
        let dir = |mount: &Path| mount.join(parent).join(leaf);
        let arguments = floor::Arguments {
            config,
            rootfs: &bundle.join("rootfs"),
            cpuset: &self.cpuset,
            unified: self.cgroups.unified.as_deref().map(dir),
            v1: self.cgroups.v1.iter().map(|mount| dir(mount)).collect(),
            // Without a container to enter it is to fail, not to start one.
            pid: exec.then(|| self.first_pid(leaf.as_ref()).unwrap_or(-1)),
        };
        let program = std::env::current_exe().unwrap_or_default();
        let program = program.to_string_lossy().into_owned();
        std::iter::once(program).chain(arguments.words()).collect()
    }

    /// The process in a container's cgroup.
    fn first_pid(&self, leaf: &Path) -> Option<i32> {
        let parent = self.cgroups.path.trim_start_matches('/');
        let mount = self.cgroups.mounts().next()?;
        let file = mount.join(parent).join(leaf).join("cgroup.procs");
        fs::read_to_string(file).ok()?.lines().next()?.parse().ok()
    }

    fn make_bundle(&self, bundle: &Path, config: Config, program: &str) -> Result<(), String> {
        let made = || -> std::io::Result<()> {
            let rootfs = bundle.join("rootfs");
            for name in DIRECTORIES {
                fs::create_dir_all(rootfs.join(name))?;
            }
            elf::write_programs(&rootfs.join("bin"))?;
            for name in ETC {
                fs::write(bundle.join(name), "bench\n")?;
                fs::write(rootfs.join("etc").join(name), "")?;
            }
            let leaf = bundle.file_name().unwrap_or_default().to_string_lossy();
            let cgroup = format!("{}/{leaf}", self.cgroups.path);
            let own_cgroupns = self.cgroups.v1.is_empty();
            let json = config.json(bundle, program, &cgroup, own_cgroupns);
            fs::write(bundle.join("config.json"), json.to_string())
        };
        made().map_err(|e| format!("bundle {}: {e}", bundle.display()))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.subjects.iter().for_each(|subject| subject.force_delete(self));
    }
}

/// Runtimes keep their state in /run, which is a tmpfs on most machines.
fn state_place() -> PathBuf {
    let places = ["/run", "/dev/shm"].map(PathBuf::from);
    places.into_iter().find(|place| is_tmpfs(place)).unwrap_or_else(std::env::temp_dir)
}

fn is_tmpfs(path: &Path) -> bool {
    statfs(path).is_ok_and(|fs| fs.filesystem_type() == TMPFS_MAGIC)
}
