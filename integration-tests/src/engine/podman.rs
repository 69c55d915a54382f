//! podman and buildah over the runtime under test, with storage, state and configuration of their own.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Client, Sandbox, Started, image};
use crate::command::{Cmd, patience};
use crate::leaks::{entries, processes};
use crate::outcome::Outcome;
use crate::{Runtime, is_root, ordinary_user};

/// For whom subordinate ids are made up where there are none: see `require!("uidmap")`.
const SUBIDS: &str = "100000:65536";

/// podman takes every directory for a controller, also one that is somebody's mount point of another namespace.
const HIERARCHIES: &str = "
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
	new=$(mktemp -d)
	mount -t tmpfs -o mode=755 tmpfs $new
	for dir in /sys/fs/cgroup/*; do
		mountpoint -q $dir || continue
		mkdir $new/${dir##*/}
		mount --bind $dir $new/${dir##*/}
	done
	umount -R -l /sys/fs/cgroup
	mount --move $new /sys/fs/cgroup
	rmdir $new
fi";

/// podman for one user. There is no daemon: what is left after the last command is [`Podman::finish`]'s to tell.
#[derive(Debug)]
pub struct Podman {
    place: Place,
    rootless: bool,
    runtime: PathBuf,
}

/// Where it runs.
#[derive(Debug)]
enum Place {
    Sandbox(Sandbox),
    /// Of an ordinary user, who cannot have a sandbox. The tests' own namespaces.
    Directory(TempDir),
}

impl Podman {
    /// root's, with an image called `busybox`.
    pub fn rootful() -> Self {
        let sandbox = Sandbox::prepared("podman", HIERARCHIES);
        Self::start(Place::Sandbox(sandbox), false)
    }

    /// An ordinary user's: of who runs the tests or, if that is root, of one with subordinate ids and without a
    /// session.
    pub fn rootless() -> Self {
        if !is_root() {
            let dir = tempfile::Builder::new().prefix("teu-it-rootless-").tempdir().unwrap();
            return Self::start(Place::Directory(dir), true);
        }
        let sandbox = Sandbox::prepared("rootless", HIERARCHIES);
        let subids = sandbox.path("subids");
        fs::write(&subids, format!("{}:{SUBIDS}\n", ordinary_user())).unwrap();
        for file in ["/etc/subuid", "/etc/subgid"] {
            sandbox.cmd("mount").arg("--bind").arg(&subids).arg(file).run().ok();
        }
        sandbox.cmd("mount").args(["--make-rshared", "/"]).run().ok();
        fs::set_permissions(sandbox.path("."), fs::Permissions::from_mode(0o755)).unwrap();
        Self::start(Place::Sandbox(sandbox), true)
    }

    fn start(place: Place, rootless: bool) -> Self {
        let mut podman = Self { place, rootless, runtime: Runtime::get().path().to_owned() };
        for dir in ["home", "networks", "root", "run", "tmp"] {
            podman.make_dir(dir);
        }
        // That of the workspace may be below a directory that others cannot enter.
        if rootless && podman.runtime.is_absolute() {
            let copy = podman.path(podman.runtime.file_name().unwrap().to_str().unwrap());
            fs::copy(&podman.runtime, &copy).unwrap();
            crate::bundle::wait_for_writers(&copy);
            podman.runtime = copy;
        }
        podman.configure("containers.conf", "");
        let tar = image::archive(&podman.path("."));
        let import = ["import", "-q", "--change=ENV PATH=/bin", tar.to_str().unwrap(), "busybox"];
        podman.client(&import).run().ok();
        podman
    }

    /// Writes a configuration file with further lines for `[engine]`, and returns its path for `CONTAINERS_CONF`.
    pub fn configure(&self, name: &str, engine: &str) -> PathBuf {
        let manager = if Runtime::systemd() { "systemd" } else { "cgroupfs" };
        let (networks, runtime) = (self.path("networks"), self.runtime.display());
        // Raising limits, as podman does for root, needs CAP_SYS_RESOURCE.
        let text = format!(
            "[containers]\n\
             log_driver = \"k8s-file\"\n\
             default_ulimits = [\"nofile=1024:1024\", \"nproc=2048:2048\"]\n\
             [network]\n\
             network_config_dir = \"{}\"\n\
             [engine]\n\
             cgroup_manager = \"{manager}\"\n\
             events_logger = \"file\"\n\
             lock_type = \"file\"\n\
             runtime = \"tested\"\n\
             {engine}\n\
             [engine.runtimes]\n\
             tested = [\"{runtime}\"]\n\
             named = [\"{runtime}\"]\n",
            networks.display()
        );
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A file or directory of its own.
    pub fn path(&self, name: &str) -> PathBuf {
        match &self.place {
            Place::Sandbox(sandbox) => sandbox.path(name),
            Place::Directory(dir) => dir.path().join(name),
        }
    }

    /// A directory that belongs to its user.
    pub fn make_dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        if let Some(uid) = self.played() {
            chown(&path, Some(uid), Some(uid)).unwrap();
        }
        path
    }

    /// The user that root plays.
    fn played(&self) -> Option<u32> {
        (self.rootless && is_root()).then(ordinary_user)
    }

    /// What the names of its things contain.
    fn mark(&self) -> String {
        self.path(".").components().next_back().unwrap().as_os_str().to_string_lossy().into_owned()
    }

    /// The cgroup or slice above all of its containers.
    pub fn cgroup_parent(&self) -> String {
        match Runtime::systemd() {
            true => format!("{}.slice", self.mark().replace('-', "_")),
            false => format!("/{}", self.mark()),
        }
    }

    /// A program as its user.
    fn program(&self, name: &str) -> Cmd {
        let cmd = match &self.place {
            Place::Sandbox(sandbox) => sandbox.cmd(name),
            Place::Directory(_) => Cmd::new(name),
        };
        let cmd = match self.played() {
            None => cmd,
            // Within nsenter, which only root can do.
            Some(uid) => {
                let Place::Sandbox(sandbox) = &self.place else { unreachable!() };
                let ids = [format!("--reuid={uid}"), format!("--regid={uid}")];
                let setpriv = sandbox.cmd("setpriv").args(ids).args(["--clear-groups", "env"]);
                setpriv.args(self.variables()).arg(name).cwd("/")
            }
        };
        cmd.env("CONTAINERS_CONF", self.path("containers.conf"))
    }

    /// Of a user without session.
    fn variables(&self) -> Vec<String> {
        let (home, run) = (self.path("home"), self.path("run"));
        let run = format!("XDG_RUNTIME_DIR={}", run.display());
        let unset = ["-u", "DBUS_SESSION_BUS_ADDRESS", "-u", "USER"].map(String::from);
        unset.into_iter().chain([format!("HOME={}", home.display()), run]).collect()
    }

    fn storage(&self) -> Vec<String> {
        let option = |name: &str, dir: &str| format!("--{name}={}", self.path(dir).display());
        // Ordinary users get no overlay where the kernel is old.
        let driver = if self.rootless { "vfs" } else { "overlay" };
        let driver = format!("--storage-driver={driver}");
        vec![option("root", "root"), option("runroot", "run/storage"), driver]
    }

    /// podman with this verb.
    pub fn client(&self, args: &[&str]) -> Cmd {
        let tmp = format!("--tmpdir={}", self.path("tmp").display());
        self.program("podman").args(self.storage()).arg(tmp).args(args)
    }

    /// buildah with this verb.
    pub fn buildah(&self, args: &[&str]) -> Cmd {
        self.program("buildah").args(self.storage()).args(args)
    }

    /// `podman run --rm` of the image. Unless a flag has to do with networks there is none, which is quicker.
    ///
    /// The output is the log's where podman has none: conmon accepts who attaches in its main loop, and leaves the loop
    /// when the container ends, on a busy machine before that.
    pub fn run(&self, flags: &[&str], words: &[&str]) -> Outcome {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let log = self.make_dir("logs").join(run.to_string());
        let option = format!("--log-opt=path={}", log.display());
        let logged = ["run", "--rm", "--log-driver=k8s-file", &option];
        let mut outcome = self.with_image(&logged, flags, words).run();
        if outcome.stdout.is_empty() {
            outcome.stdout =
                fs::read_to_string(log).map_or_else(|_| String::new(), |log| printed(&log));
        }
        outcome
    }

    /// The same, to be started.
    pub fn run_cmd(&self, flags: &[&str], words: &[&str]) -> Cmd {
        self.with_image(&["run", "--rm"], flags, words)
    }

    fn with_image(&self, verb: &[&str], flags: &[&str], words: &[&str]) -> Cmd {
        let networks = ["--net", "-p", "--publish", "--pod"];
        let networked = flags.iter().any(|flag| networks.iter().any(|n| flag.starts_with(n)));
        let parented =
            flags.iter().any(|flag| ["--pod", "--cgroups="].iter().any(|f| flag.starts_with(f)));
        let none = (!networked).then_some("--network=none");
        let parent = (!parented && !self.rootless).then(|| self.cgroup_parent());
        let parent = parent.map(|parent| format!("--cgroup-parent={parent}"));
        self.client(verb).args(none).args(parent).args(flags).arg("busybox").args(words)
    }

    /// `podman run -d`, which must succeed.
    #[track_caller]
    pub fn start_container(&self, flags: &[&str], words: &[&str]) -> Started<'_, Self> {
        self.started(&["run", "-d"], flags, words)
    }

    /// `podman create`, which must succeed.
    #[track_caller]
    pub fn create(&self, flags: &[&str], words: &[&str]) -> Started<'_, Self> {
        self.started(&["create"], flags, words)
    }

    #[track_caller]
    fn started(&self, verb: &[&str], flags: &[&str], words: &[&str]) -> Started<'_, Self> {
        let out = self.with_image(verb, flags, words).run().ok();
        Started::known(self, out.out())
    }

    /// A container by id or name, which is removed like one that was started here.
    pub fn known(&self, id: &str) -> Started<'_, Self> {
        Started::known(self, id)
    }

    /// Its namespaces and directory, if they are its own.
    pub fn sandbox(&self) -> Option<&Sandbox> {
        match &self.place {
            Place::Sandbox(sandbox) => Some(sandbox),
            Place::Directory(_) => None,
        }
    }

    /// Removes everything and ends the process that keeps an ordinary user's namespaces.
    ///
    /// Returns what is left then: containers, cgroups, mounts, network namespaces, devices, processes, the runtime's
    /// state.
    pub fn finish(&self) -> Vec<String> {
        let mut left = Vec::new();
        for (kind, list, remove) in [
            ("container", vec!["ps", "-aq"], vec!["rm", "-ft0"]),
            ("pod", vec!["pod", "ps", "-q"], vec!["pod", "rm", "-ft0"]),
            ("volume", vec!["volume", "ls", "-q"], vec!["volume", "rm", "-f"]),
        ] {
            for id in self.client(&list).run().stdout.lines() {
                left.push(format!("{kind} {id}, which its test has not removed"));
                self.client(&remove).arg(id).run();
            }
        }
        if self.rootless {
            self.client(&["system", "migrate"]).run();
        }
        let parent = self.cgroup_parent();
        if !self.rootless && parent.ends_with(".slice") {
            // systemd keeps a slice that nobody stops.
            Cmd::new("systemctl").args(["stop", &parent]).run();
        }
        let end = Instant::now() + patience(Duration::from_secs(5));
        while !self.remains().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        left.extend(self.remains());
        left
    }

    fn remains(&self) -> Vec<String> {
        let mut left = Vec::new();
        let mut note = |what: &str, list: Vec<String>| {
            left.extend(list.into_iter().map(|name| format!("{what} {name}")));
        };
        note("cgroup", self.cgroups());
        note("state of", self.states());
        match &self.place {
            Place::Sandbox(sandbox) => {
                note("mount", self.mounts(sandbox));
                note("network namespace", entries(&sandbox.run_dir().join("netns")));
                note("device", sandbox.veths());
                note("process", shown(sandbox.processes()));
            }
            Place::Directory(_) => note("process", shown(processes(&self.mark()))),
        }
        left
    }

    /// The state roots of the three runtimes.
    fn states(&self) -> Vec<String> {
        let run = match &self.place {
            Place::Sandbox(sandbox) if !self.rootless => sandbox.run_dir(),
            Place::Sandbox(_) => self.path("run"),
            Place::Directory(_) => std::env::var_os("XDG_RUNTIME_DIR").unwrap_or_default().into(),
        };
        let mut all = ["teu", "runc", "crun"].map(|name| entries(&run.join(name))).concat();
        // Of other tests of the same user.
        let own = |id: &String| id.len() == 64 || id.starts_with("buildah");
        all.retain(own);
        all
    }

    /// Less podman's own: its storage on itself, the directory of namespaces, and what `rootless` has mounted.
    fn mounts(&self, sandbox: &Sandbox) -> Vec<String> {
        let overlay = self.path("root/overlay").display().to_string();
        let own = [overlay.as_str(), "/run/netns", "/etc/subuid", "/etc/subgid"];
        let all = sandbox.mounts().into_iter();
        // What has changed its propagation alone is mounted as before.
        all.filter(|mount| !own.contains(&mount.split(' ').next().unwrap_or_default()))
            .filter(|mount| mount.contains(&self.mark()) || mount.starts_with("/run/netns/"))
            .collect()
    }

    /// Below the parent, less what podman makes for its monitors. An ordinary user's are where podman wants them.
    fn cgroups(&self) -> Vec<String> {
        if self.rootless {
            let mut found = Vec::new();
            super::sandbox::below(Path::new("/sys/fs/cgroup/user.slice"), &mut found);
            found.retain(|dir| dir.to_string_lossy().contains("/libpod-"));
            return found.iter().map(|dir| dir.display().to_string()).collect();
        }
        let (root, parent) = (Path::new("/sys/fs/cgroup"), self.cgroup_parent());
        let parent = parent.trim_start_matches('/');
        let hierarchies =
            entries(root).into_iter().map(|name| root.join(name)).chain([root.into()]);
        let mut found = Vec::new();
        hierarchies.for_each(|dir| super::sandbox::below(&dir.join(parent), &mut found));
        // So does a pod's in hierarchies of which podman does not know, whatever the runtime.
        let unknown = ["systemd", "unified"].map(|name| root.join(name));
        let left_by_podman = |dir: &PathBuf| {
            let pod = dir.file_name().is_some_and(|name| name.len() == 64)
                && unknown.iter().any(|hierarchy| dir.starts_with(hierarchy));
            (pod || dir.ends_with("conmon"))
                && fs::read_to_string(dir.join("cgroup.procs")).is_ok_and(|p| p.is_empty())
        };
        found.retain(|dir| !left_by_podman(dir));
        found.iter().map(|dir| dir.display().to_string()).collect()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.client(&["rm", "-aft0"]).run();
        if self.rootless {
            self.client(&["system", "migrate"]).run();
            // Files of subordinate ids are not the user's to remove.
            self.client(&["unshare", "rm", "-rf"]).arg(self.path("root")).run();
            self.client(&["system", "migrate"]).run();
        } else {
            self.program("umount").arg("-l").arg(self.path("root/overlay")).run();
            remove_default_parents();
        }
    }
}

/// What podman leaves where nobody names a parent (`kube play`): directories, as far as they are empty.
fn remove_default_parents() {
    let root = Path::new("/sys/fs/cgroup");
    for parent in entries(root).iter().map(|name| root.join(name).join("libpod_parent")) {
        for child in entries(&parent) {
            let _ = fs::remove_dir(parent.join(child));
        }
        let _ = fs::remove_dir(parent);
    }
}

fn shown(processes: Vec<(i32, String)>) -> Vec<String> {
    processes.iter().map(|(pid, line)| format!("{pid} {line}")).collect()
}

impl Client for Podman {
    const REMOVE: [&str; 2] = ["rm", "-fvt0"];

    fn command(&self, words: &[&str]) -> Cmd {
        self.client(words)
    }
}

/// Lines of `TIME STREAM TAG TEXT`, with the tag P where the text's line goes on.
fn printed(log: &str) -> String {
    let mut text = String::new();
    for line in log.lines() {
        let mut fields = line.splitn(4, ' ').skip(1);
        if fields.next() == Some("stdout") {
            let end = if fields.next() == Some("P") { "" } else { "\n" };
            text += fields.next().unwrap_or_default();
            text += end;
        }
    }
    text
}
