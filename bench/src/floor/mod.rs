//! The floor: what the kernel has to do for a start, and nothing around it. No config is read, no
//! state kept, nothing checked, no error survived; what to do is compiled in or comes as arguments.
//! It runs as a process of its own, `bench floor …`, so that it pays for its exec like a runtime.

mod mounts;

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, setgroups, sethostname};

use crate::config::{CAPABILITIES, Config, GROUPS};
use crate::sys;

/// What runc and teu leave every container to use, whatever the config says.
const DEVICE_RULES: [&str; 11] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:8 rwm",
    "c 1:7 rwm",
    "c 5:0 rwm",
    "c 1:5 rwm",
    "c 1:9 rwm",
    "c 136:* rwm",
    "c 5:2 rwm",
    "c 10:200 rwm",
];

/// What went wrong, where.
type Step<T = ()> = Result<T, String>;

/// The arguments.
struct Floor {
    config: Config,
    rootfs: PathBuf,
    cpuset: [String; 2],
    unified: Option<PathBuf>,
    v1: Vec<PathBuf>,
    /// Of the container to enter.
    pid: Option<i32>,
}

/// Arguments for [`main`]: where the cgroup is comes as whole directories.
pub struct Arguments<'a> {
    /// Which kernel work.
    pub config: Config,
    /// The root filesystem.
    pub rootfs: &'a Path,
    /// cpus and mems for a new cpuset.
    pub cpuset: &'a [String; 2],
    /// The container's directory in the v2 hierarchy.
    pub unified: Option<PathBuf>,
    /// The container's directories in the v1 hierarchies.
    pub v1: Vec<PathBuf>,
    /// A running container to enter, instead of a start.
    pub pid: Option<i32>,
}

impl Arguments<'_> {
    /// As words for a command line.
    pub fn words(&self) -> Vec<String> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let [cpus, mems] = self.cpuset.clone();
        let pid = self.pid.unwrap_or(0).to_string();
        let unified = self.unified.as_deref().map(path).unwrap_or_default();
        let config = self.config.name().to_owned();
        let mut words =
            vec!["floor".to_owned(), config, path(self.rootfs), cpus, mems, pid, unified];
        words.extend(self.v1.iter().map(|dir| path(dir)));
        words
    }
}

/// The program. The words are those after `floor`.
pub fn main(words: &[String]) -> Result<(), String> {
    let [config, rootfs, cpus, mems, pid, unified, v1 @ ..] = words else {
        return Err("the floor is started by the benchmark itself".to_owned());
    };
    let config = Config::ALL.into_iter().find(|c| c.name() == config).ok_or("which config?")?;
    let floor = Floor {
        config,
        rootfs: rootfs.into(),
        cpuset: [cpus.clone(), mems.clone()],
        unified: (!unified.is_empty()).then(|| unified.into()),
        v1: v1.iter().map(PathBuf::from).collect(),
        pid: pid.parse().ok().filter(|pid| *pid != 0),
    };
    if floor.pid.is_some() { floor.enter() } else { floor.start() }
}

impl Floor {
    fn start(&self) -> Step {
        self.make_cgroups()?;
        let unified = self.open_unified()?;
        let namespaces = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWNET;
        let namespaces = u64::from(namespaces.bits().cast_unsigned());
        let child = sys::vfork(namespaces, unified.as_ref().map(AsFd::as_fd), start_child, self);
        let ended = wait(child);
        for dir in self.v1.iter().chain(&self.unified) {
            fs::remove_dir(dir).map_err(|e| format!("rmdir {}: {e}", dir.display()))?;
        }
        ended
    }

    fn make_cgroups(&self) -> Step {
        for dir in self.v1.iter().chain(&self.unified) {
            fs::create_dir(dir).map_err(|e| format!("mkdir {}: {e}", dir.display()))?;
        }
        for dir in &self.v1 {
            let mount = dir.ancestors().nth(2).unwrap_or(dir);
            if mount.ends_with("cpuset") {
                let [cpus, mems] = &self.cpuset;
                write(&dir.join("cpuset.cpus"), cpus)?;
                write(&dir.join("cpuset.mems"), mems)?;
            } else if mount.ends_with("devices") {
                device_rules(dir, self.config)?;
            }
        }
        Ok(())
    }

    fn open_unified(&self) -> Step<Option<OwnedFd>> {
        self.unified.as_deref().map(open_directory).transpose()
    }

    /// `tasks`, not `cgroup.procs`: a thread that moves itself takes no lock.
    fn join(&self) -> Step {
        self.v1.iter().try_for_each(|dir| write(&dir.join("tasks"), "0"))
    }

    fn enter(&self) -> Step {
        let pidfd = sys::pidfd_open(self.pid.unwrap_or(0)).map_err(at("pidfd_open"))?;
        let unified = self.open_unified()?;
        // The hierarchies cannot be seen from inside.
        let tasks = self.v1.iter().map(|dir| {
            let path = dir.join("tasks");
            fs::OpenOptions::new().write(true).open(&path).map_err(|e| path_error(&path, &e))
        });
        let tasks = tasks.collect::<Step<Vec<_>>>()?;
        let namespaces = CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWNET;
        setns(&pidfd, namespaces).map_err(at("setns"))?;
        wait(sys::vfork(0, unified.as_ref().map(AsFd::as_fd), enter_child, &(self, tasks)))
    }

    /// Identity, capabilities, exec.
    fn become_program(&self) -> Step {
        sys::join_session_keyring(c"floor").map_err(at("keyctl"))?;
        for cap in 0..=40 {
            if !CAPABILITIES.iter().any(|(_, number)| *number == cap) {
                sys::drop_bounding(cap).map_err(at("PR_CAPBSET_DROP"))?;
            }
        }
        if self.config == Config::Docker {
            setgroups(&GROUPS.map(Gid::from_raw)).map_err(at("setgroups"))?;
        }
        let caps = CAPABILITIES.iter().fold(0, |set, (_, number)| set | 1u64 << number);
        sys::set_capabilities(caps).map_err(at("capset"))?;
        Err(at("execve")(sys::exec(c"/bin/true")))
    }
}

extern "C" fn start_child(floor: &Floor) -> ! {
    let work = || {
        floor.join()?;
        if floor.config == Config::Docker {
            write(Path::new("/proc/self/oom_score_adj"), "0")?;
        }
        sys::loopback_up().map_err(at("loopback"))?;
        mounts::make(floor)?;
        sethostname("bench").map_err(at("sethostname"))?;
        mounts::pivot()?;
        floor.become_program()
    };
    end_child(work())
}

extern "C" fn enter_child((floor, tasks): &(&Floor, Vec<fs::File>)) -> ! {
    let work = || {
        for mut file in tasks {
            std::io::Write::write_all(&mut file, b"0").map_err(|e| format!("tasks: {e}"))?;
        }
        floor.become_program()
    };
    end_child(work())
}

fn end_child(result: Step) -> ! {
    if let Err(e) = result {
        eprintln!("floor: {e}");
    }
    sys::exit_now(1)
}

fn wait(child: Result<i32, Errno>) -> Step {
    match sys::wait_with_usage(child.map_err(at("clone3"))?).map_err(at("wait4"))? {
        (0, _) => Ok(()),
        (status, _) => Err(format!("the program ended with wait status {status:#x}")),
    }
}

fn device_rules(dir: &Path, config: Config) -> Step {
    write(&dir.join("devices.deny"), "a")?;
    let path = dir.join("devices.allow");
    let file = fs::OpenOptions::new().write(true).open(&path).map_err(|e| path_error(&path, &e))?;
    // Docker's own rules name one device that the defaults do not.
    let own = ["c 5:1 rwm"].into_iter().filter(|_| config == Config::Docker);
    for rule in DEVICE_RULES.into_iter().chain(own) {
        let written = std::io::Write::write_all(&mut &file, rule.as_bytes());
        written.map_err(|e| path_error(&path, &e))?;
    }
    Ok(())
}

fn open_directory(dir: &Path) -> Step<OwnedFd> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(dir, flags, Mode::empty()).map_err(|e| format!("{}: {e}", dir.display()))
}

fn write(path: &Path, text: &str) -> Step {
    fs::write(path, text).map_err(|e| path_error(path, &e))
}

fn path_error(path: &Path, e: &std::io::Error) -> String {
    format!("{}: {e}", path.display())
}

fn at(what: &str) -> impl Fn(Errno) -> String {
    move |e| format!("{what}: {e}")
}
