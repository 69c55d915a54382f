//! Namespaces for an engine, so that it leaves the machine's mounts and network alone.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::command::{Cmd, Running};
use crate::leaks::{entries, processes};

/// `/run` is the engine's own, so that its sockets and whatever a runtime leaves there can be told from the machine's;
/// but systemd's part of it is.
/// `/etc/docker` gets a key at dockerd's start.
const SETUP: &str = "
old=$(mktemp -d)
mount --bind /run $old
mount -t tmpfs tmpfs /run
for own in systemd dbus; do
	[ ! -d $old/$own ] || { mkdir /run/$own && mount --rbind $old/$own /run/$own; }
done
umount -l $old
rmdir $old
[ ! -d /etc/docker ] || mount -t tmpfs tmpfs /etc/docker
ip link set lo up";

/// crun 1.8 turns all controllers off when a v2 hierarchy beside v1 has any (see `Runtime::without_driver`).
const WITHOUT_UNIFIED: &str = "[ ! -d /sys/fs/cgroup/unified ] || umount -l /sys/fs/cgroup/unified";

/// A directory, a mount namespace and a network namespace with nothing but a loopback device.
#[derive(Debug)]
pub struct Sandbox {
    dir: TempDir,
    holder: Running,
    user: bool,
    mounts: Vec<String>,
}

impl Sandbox {
    /// Makes it; all that belongs to it has a name with `teu-it-NAME-` and something random in it.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn new(name: &str) -> Self {
        Self::prepared(name, "")
    }

    /// The same, after a shell script inside.
    pub fn prepared(name: &str, script: &str) -> Self {
        Self::make(name, script, false)
    }

    /// The same in a user namespace that has the host's first 65536 ids: root there has all capabilities, also those
    /// that the tests lack.
    pub fn in_user_namespace(name: &str) -> Self {
        Self::make(name, "", true)
    }

    fn make(name: &str, script: &str, user: bool) -> Self {
        let dir = tempfile::Builder::new().prefix(&format!("teu-it-{name}-")).tempdir().unwrap();
        // Mounts that come from an outer user namespace cannot be taken away.
        let crun = crate::Runtime::get().kind() == crate::Kind::Crun;
        let first = if crun { WITHOUT_UNIFIED } else { ":" };
        let hold = ["-m", "-n", "sh", "-c", "echo ready; exec sleep infinity"];
        let holder = Cmd::new("unshare").args(user.then_some("-U")).args(hold);
        let outer = format!("{first}; exec \"$@\"");
        let holder = holder.wrapped(["unshare", "-m", "sh", "-c", &outer, "sh"]).spawn();
        holder.wait_for("ready");
        if user {
            for map in ["uid_map", "gid_map"] {
                fs::write(format!("/proc/{}/{map}", holder.pid()), "0 0 65536").unwrap();
            }
        }
        let mut sandbox = Self { dir, holder, user, mounts: Vec::new() };
        let script = format!("set -e\n{script}\n{SETUP}");
        sandbox.cmd("sh").args(["-c", &script]).run().ok();
        sandbox.mounts = sandbox.all_mounts();
        sandbox
    }

    /// A file or directory of its own, on the machine as well as inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What the names of its things contain: directories, cgroups, command lines.
    pub fn mark(&self) -> String {
        self.dir.path().file_name().unwrap().to_string_lossy().into_owned()
    }

    /// A command inside.
    pub fn cmd(&self, program: impl AsRef<std::ffi::OsStr>) -> Cmd {
        let holder = self.holder.pid().to_string();
        let enter = ["nsenter", "-t", &holder, "-m", "-n"];
        Cmd::new(program).wrapped(enter.into_iter().chain(self.user.then_some("-U")))
    }

    /// Its own `/run`.
    pub fn run_dir(&self) -> PathBuf {
        format!("/proc/{}/root/run", self.holder.pid()).into()
    }

    fn all_mounts(&self) -> Vec<String> {
        let text = fs::read_to_string(format!("/proc/{}/mountinfo", self.holder.pid())).unwrap();
        text.lines().map(|line| line.split(' ').skip(4).collect::<Vec<_>>().join(" ")).collect()
    }

    /// Mounts that were not there at the beginning, as mountinfo has them from the mount point on.
    pub fn mounts(&self) -> Vec<String> {
        self.all_mounts().into_iter().filter(|mount| !self.mounts.contains(mount)).collect()
    }

    /// Processes that have to do with it, by pid and command line.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let mut all = processes(&self.mark());
        all.retain(|(pid, _)| *pid != self.holder.pid().as_raw());
        all
    }

    /// Ends of virtual Ethernet pairs.
    pub fn veths(&self) -> Vec<String> {
        let list = self.cmd("ip").args(["-o", "link", "show", "type", "veth"]).run().ok().stdout;
        list.lines().map(String::from).collect()
    }

    /// Cgroups below those with its mark in their name.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for parent in self.cgroup_parents() {
            below(&parent, &mut found);
        }
        found
    }

    /// An engine makes these for its containers, and leaves them to whoever asked for them.
    fn cgroup_parents(&self) -> Vec<PathBuf> {
        cgroup_parents(&self.mark())
    }

    /// Ends what a failed test has left.
    fn clear(&self) {
        for (pid, _) in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let end = std::time::Instant::now() + std::time::Duration::from_secs(2);
        while !self.processes().is_empty() && std::time::Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        for dir in self.cgroups().iter().rev().chain(&self.cgroup_parents()) {
            let _ = fs::remove_dir(dir);
        }
    }
}

impl Drop for Sandbox {
    /// Its mounts and network go with the last process in it.
    fn drop(&mut self) {
        self.clear();
    }
}

pub(super) fn below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            found.push(entry.path());
            below(&entry.path(), found);
        }
    }
}

fn cgroup_parents(mark: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = entries(root).into_iter().map(|name| root.join(name));
    let candidates = hierarchies.chain([root.to_owned()]);
    let dirs = candidates.flat_map(|dir| entries(&dir).into_iter().map(move |n| dir.join(n)));
    dirs.filter(|dir| dir.to_string_lossy().contains(mark)).collect()
}

/// What there still is of a sandbox that was dropped.
pub fn traces(mark: &str) -> Vec<String> {
    let dir = std::env::temp_dir().join(mark);
    let paths = cgroup_parents(mark).into_iter().chain(dir.exists().then_some(dir));
    let paths = paths.map(|path| path.display().to_string());
    paths.chain(processes(mark).into_iter().map(|(pid, line)| format!("{pid} {line}"))).collect()
}
