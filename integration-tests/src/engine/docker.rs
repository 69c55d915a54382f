//! A private docker daemon over the runtime under test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::{Client, Sandbox, Started, Wrapper, image};
use crate::command::{Cmd, Running, patience};
use crate::leaks::entries;
use crate::outcome::Outcome;
use crate::{Runtime, wait_until};

/// A daemon with its own data, containerd, socket, mounts and network; ended when dropped.
#[derive(Debug)]
pub struct Docker {
    daemon: Mutex<Option<Running>>,
    flags: Vec<String>,
    sandbox: Sandbox,
}

impl Docker {
    /// Starts it with further flags, and with an image called `busybox`.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(flags: &[&str]) -> Self {
        Self::start_in(Sandbox::new("docker"), flags)
    }

    /// The same, in namespaces that something has been done to.
    pub fn start_in(sandbox: Sandbox, flags: &[&str]) -> Self {
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let docker = Self { daemon: Mutex::default(), flags, sandbox };
        docker.begin();
        let tar = image::archive(docker.sandbox.path(".").as_path());
        let import = ["import", "--change=CMD [\"sh\"]", tar.to_str().unwrap(), "busybox"];
        docker.client(&import).run().ok();
        docker
    }

    /// Starts the daemon again after [`end`](Self::end).
    ///
    /// # Panics
    /// When it does not come up.
    pub fn begin(&self) {
        *self.daemon.lock().unwrap() = Some(self.dockerd().spawn());
        wait_until("dockerd answers", || self.client(&["version"]).run().status == 0);
    }

    /// Ends the daemon, and waits for that.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(&self) {
        let Some(daemon) = self.daemon.lock().unwrap().take() else { return };
        daemon.signal(Signal::SIGTERM);
        wait_until("dockerd ends", || !daemon.is_alive());
    }

    /// Kills the daemon, which leaves its containerd behind.
    ///
    /// # Panics
    /// When it does not end.
    pub fn kill(&self) {
        let Some(daemon) = self.daemon.lock().unwrap().take() else { return };
        daemon.signal(Signal::SIGKILL);
        // With it goes containerd, whose pid dockerd takes for a living one as long as nobody has reaped it.
        let pid = self.sandbox.path("exec/containerd/containerd.pid");
        let containerd = |(_, line): &(i32, String)| line.starts_with("containerd ");
        wait_until("dockerd and containerd are gone", || {
            !daemon.is_alive() && !self.sandbox.processes().iter().any(containerd)
        });
        fs::remove_file(pid).unwrap();
    }

    /// Its namespaces and directory.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// What its runtime `beside` is.
    pub fn beside(&self) -> Wrapper {
        let dir = self.sandbox.path("beside");
        fs::create_dir_all(&dir).unwrap();
        Wrapper::new(&dir)
    }

    fn dockerd(&self) -> Cmd {
        let path = |name: &str| self.sandbox.path(name).display().to_string();
        let beside = self.beside();
        let runtimes = json!({ "tested": { "path": Runtime::get().path() }, "beside": { "path": beside.path() } });
        let config = json!({ "runtimes": runtimes, "default-runtime": "tested" });
        fs::write(self.sandbox.path("daemon.json"), config.to_string()).unwrap();
        let mut flags = vec![
            format!("--data-root={}", path("data")),
            format!("--exec-root={}", path("exec")),
            format!("--pidfile={}", path("docker.pid")),
            format!("--config-file={}", path("daemon.json")),
            format!("--host={}", self.socket()),
            // One cgroup parent for all of its containers, removed at the end.
            format!("--cgroup-parent=/{}", self.sandbox.mark()),
            "--exec-opt=native.cgroupdriver=cgroupfs".into(),
        ];
        if !networks() {
            flags
                .extend(["--bridge=none", "--iptables=false", "--ip6tables=false"].map(Into::into));
        }
        self.sandbox.cmd("dockerd").args(flags).args(&self.flags)
    }

    fn socket(&self) -> String {
        format!("unix://{}", self.sandbox.path("docker.sock").display())
    }

    /// The docker client, talking to this daemon.
    pub fn client(&self, args: &[&str]) -> Cmd {
        let config = self.sandbox.path("client");
        Cmd::new(client()).arg("--config").arg(config).args(["--host", &self.socket()]).args(args)
    }

    /// `docker run` of the image. Unless a flag has to do with networks there is none, which is quicker.
    pub fn run(&self, flags: &[&str], words: &[&str]) -> Outcome {
        self.run_cmd(flags, words).run()
    }

    /// The same, to be started.
    pub fn run_cmd(&self, flags: &[&str], words: &[&str]) -> Cmd {
        self.with_image("run", flags, words)
    }

    fn with_image(&self, verb: &str, flags: &[&str], words: &[&str]) -> Cmd {
        let networks = ["--net", "-p", "--publish", "--link"];
        let networked = flags.iter().any(|flag| networks.iter().any(|n| flag.starts_with(n)));
        let none = (!networked).then_some("--network=none");
        self.client(&[verb]).args(none).args(flags).arg("busybox").args(words)
    }

    /// `docker run -d`, which must succeed.
    #[track_caller]
    pub fn start_container(&self, flags: &[&str], words: &[&str]) -> Started<'_, Self> {
        let out = self.with_image("run", &[&["-d"], flags].concat(), words).run().ok();
        Started::known(self, out.out())
    }

    /// `docker create`, which must succeed.
    #[track_caller]
    pub fn create(&self, flags: &[&str], words: &[&str]) -> Started<'_, Self> {
        let out = self.with_image("create", flags, words).run().ok();
        Started::known(self, out.out())
    }

    /// Removes all containers and ends the daemon.
    ///
    /// Returns what is left then: containers, cgroups, mounts, devices, processes, the runtime's state, sockets of shims.
    pub fn finish(&self) -> Vec<String> {
        let mut left = Vec::new();
        for id in self.client(&["ps", "-aq"]).run().stdout.lines() {
            left.push(format!("container {id}, which its test has not removed"));
            self.client(&["rm", "-fv", id]).run();
        }
        // With the daemon's end its mounts would go, too.
        let end = Instant::now() + patience(Duration::from_secs(5));
        while !self.remains().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        left.extend(self.remains());
        self.end();
        let end = Instant::now() + patience(Duration::from_secs(5));
        while !self.sandbox.processes().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        left.extend(self.sandbox.processes().iter().map(|p| format!("process {p:?}")));
        left.extend(self.mounts().iter().map(|m| format!("mount {m}")));
        left
    }

    /// Less the daemon's own: its data directory on itself (`data/UID.GID` where ids are remapped), and the host's
    /// network namespace by a name.
    fn mounts(&self) -> Vec<String> {
        let (data, host) = (self.sandbox.path("data"), self.sandbox.path("exec/netns/default"));
        let own = |mount: &String| {
            let point = Path::new(mount.split(' ').next().unwrap());
            let name = point.file_name().unwrap_or_default().to_string_lossy();
            let remapped = name.chars().all(|c| c == '.' || c.is_ascii_digit());
            point == data || point == host || (point.parent() == Some(&data) && remapped)
        };
        self.sandbox.mounts().into_iter().filter(|mount| !own(mount)).collect()
    }

    /// What containers have left while the daemon runs.
    fn remains(&self) -> Vec<String> {
        let mut left = Vec::new();
        let mut note = |what: &str, list: Vec<String>| {
            left.extend(list.into_iter().map(|name| format!("{what} {name}")));
        };
        let shown = |paths: Vec<PathBuf>| paths.iter().map(|p| p.display().to_string()).collect();
        note("cgroup", shown(self.sandbox.cgroups()));
        note("mount", self.mounts());
        note("device", self.sandbox.veths());
        note("state of", entries(&self.sandbox.path("exec/runtime-runc/moby")));
        note("socket", entries(&self.sandbox.run_dir().join("containerd/s")));
        let shims = self.sandbox.processes().into_iter();
        let shims = shims
            .filter(|(_, line)| !["dockerd", "containerd "].iter().any(|d| line.starts_with(d)));
        note("process", shims.map(|(pid, line)| format!("{pid} {line}")).collect());
        left
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for id in self.client(&["ps", "-aq"]).run().stdout.lines() {
                self.client(&["rm", "-fv", id]).run();
            }
        }
        self.end();
    }
}

/// Debian's client fits its daemon; another one may come before it on `PATH`.
fn client() -> &'static Path {
    let debian = Path::new("/usr/bin/docker");
    if debian.is_file() { debian } else { Path::new("docker") }
}

/// Whether the kernel has what docker's networks are made of, see `require!("bridge")`.
fn networks() -> bool {
    crate::require::missing("bridge").is_none()
}

impl Client for Docker {
    const REMOVE: [&str; 2] = ["rm", "-fv"];

    fn command(&self, words: &[&str]) -> Cmd {
        self.client(words)
    }
}
