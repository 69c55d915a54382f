//! A private containerd over the runtime under test, driven by `ctr`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Sandbox, image};
use crate::cgroup::Cgroup;
use crate::command::{Cmd, Running, patience};
use crate::leaks::entries;
use crate::outcome::Outcome;
use crate::{Runtime, wait_until};

const IMAGE: &str = "localhost/busybox:latest";

/// A daemon with its own directories, socket, mounts and network; ended when dropped.
#[derive(Debug)]
pub struct Containerd {
    daemon: Mutex<Option<Running>>,
    count: AtomicU32,
    sandbox: Sandbox,
}

impl Containerd {
    /// Starts it, with an image made of busybox.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        Self::start_in(Sandbox::new("containerd"))
    }

    /// The same, in these namespaces.
    pub fn start_in(sandbox: Sandbox) -> Self {
        let path = |name: &str| sandbox.path(name).display().to_string();
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {:?}\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = {:?}\n",
            path("root"),
            path("state"),
            path("sock"),
            path("opt")
        );
        std::fs::write(sandbox.path("config.toml"), config).unwrap();
        let containerd = Self { daemon: Mutex::default(), count: AtomicU32::new(0), sandbox };
        containerd.begin();
        let tar = image::oci_archive(&containerd.sandbox.path("."));
        containerd.ctr(&["image", "import", tar.to_str().unwrap()]).run().ok();
        containerd
    }

    /// Starts the daemon again after [`end`](Self::end).
    ///
    /// # Panics
    /// When it does not come up.
    pub fn begin(&self) {
        let config = self.sandbox.path("config.toml");
        let daemon = self.sandbox.cmd("containerd").arg("-c").arg(config).spawn();
        *self.daemon.lock().unwrap() = Some(daemon);
        wait_until("containerd answers", || self.ctr(&["version"]).run().status == 0);
    }

    /// Ends the daemon, and waits for that; its containers go on.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(&self) {
        let Some(daemon) = self.daemon.lock().unwrap().take() else { return };
        daemon.signal(Signal::SIGTERM);
        wait_until("containerd ends", || !daemon.is_alive());
    }

    /// Its namespaces and directory.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// `ctr`, talking to this daemon, in a namespace (of containerd) that gives cgroups their parent's name.
    pub fn ctr(&self, args: &[&str]) -> Cmd {
        let socket = self.sandbox.path("sock");
        let cmd = self.sandbox.cmd("ctr").arg("--address").arg(socket);
        cmd.args(["--namespace", &self.sandbox.mark()]).args(args)
    }

    /// `ctr run --rm` of the image, in the foreground.
    pub fn run(&self, flags: &[&str], words: &[&str]) -> Outcome {
        self.run_cmd(flags, words).run()
    }

    /// The same, to be started.
    pub fn run_cmd(&self, flags: &[&str], words: &[&str]) -> Cmd {
        self.with_image("run", &[&["--rm"], flags].concat(), &self.id(), words)
    }

    fn id(&self) -> String {
        format!("box{}", self.count.fetch_add(1, Ordering::Relaxed))
    }

    fn with_image(&self, verb: &str, flags: &[&str], id: &str, words: &[&str]) -> Cmd {
        let runtime = Runtime::get().path().to_str().unwrap();
        let cmd = self.ctr(&[verb, "--runc-binary", runtime]).args(flags);
        cmd.arg(IMAGE).arg(id).args(words)
    }

    /// `ctr run -d`, which must succeed; what it prints goes to a file.
    #[track_caller]
    pub fn start_container(&self, flags: &[&str], words: &[&str]) -> Task<'_> {
        let id = self.id();
        let log = self.sandbox.path(&format!("{id}.log"));
        let uri = format!("--log-uri=file://{}", log.display());
        self.with_image("run", &[&["-d", &uri], flags].concat(), &id, words).run().ok();
        Task { containerd: self, id, log }
    }

    /// Removes all containers and ends the daemon.
    ///
    /// Returns what is left then: containers, cgroups, mounts, processes, the runtime's state, sockets of shims.
    pub fn finish(&self) -> Vec<String> {
        let mut left = Vec::new();
        for id in self.ctr(&["containers", "list", "-q"]).run().stdout.lines() {
            left.push(format!("container {id}, which its test has not removed"));
            self.ctr(&["task", "rm", "-f", id]).run();
            self.ctr(&["containers", "rm", id]).run();
        }
        self.end();
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
        let (run, mark) = (self.sandbox.run_dir(), self.sandbox.mark());
        let tasks = Path::new("state/io.containerd.runtime.v2.task").join(&mark);
        let cgroups = self.sandbox.cgroups().iter().map(|p| p.display().to_string()).collect();
        note("cgroup", cgroups);
        note("mount", self.sandbox.mounts());
        note("bundle", entries(&self.sandbox.path(tasks.to_str().unwrap())));
        note("state of", entries(&run.join("containerd/runc").join(&mark)));
        note("socket", entries(&run.join("containerd/s")));
        let processes = self.sandbox.processes().into_iter();
        note("process", processes.map(|(pid, line)| format!("{pid} {line}")).collect());
        left
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.end();
    }
}

/// A container with a task; both removed by force when dropped.
#[derive(Debug)]
pub struct Task<'a> {
    containerd: &'a Containerd,
    id: String,
    log: PathBuf,
}

impl Task<'_> {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A verb on its task: `ctr task VERB FLAGS ID WORDS`.
    pub fn verb(&self, verb: &str, flags: &[&str], words: &[&str]) -> Outcome {
        self.containerd.ctr(&["task", verb]).args(flags).arg(&self.id).args(words).run()
    }

    /// `ctr task exec`.
    pub fn exec(&self, words: &[&str]) -> Outcome {
        self.exec_cmd(&[], words).run()
    }

    /// The same with flags, to be started.
    pub fn exec_cmd(&self, flags: &[&str], words: &[&str]) -> Cmd {
        let name = format!("--exec-id={}", self.containerd.id());
        let cmd = self.containerd.ctr(&["task", "exec", &name]).args(flags);
        cmd.arg(&self.id).args(words)
    }

    /// Status and pid as `ctr task ls` has them.
    ///
    /// # Panics
    /// When there is no such task.
    #[track_caller]
    pub fn listed(&self) -> (String, i32) {
        let list = self.containerd.ctr(&["task", "ls"]).run().ok().stdout;
        let mut rows = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.find(|row| row[0] == self.id).unwrap_or_else(|| panic!("{list}"));
        (row[2].to_owned(), row[1].parse().unwrap())
    }

    /// Waits for a status.
    #[track_caller]
    pub fn wait_status(&self, status: &str) {
        wait_until(&format!("status {status}"), || self.listed().0 == status);
    }

    /// Deletes the task, which has stopped; returns its exit status, of which `ctr` warns if it is not 0.
    #[track_caller]
    pub fn delete(&self) -> i32 {
        let said = self.verb("rm", &[], &[]).ok().stderr;
        let status = said.rsplit_once("non-zero exit code ").map_or("0", |(_, rest)| rest);
        status.trim_end_matches(['"', '\n']).parse().unwrap()
    }

    /// Its cgroup.
    #[track_caller]
    pub fn cgroup(&self) -> Cgroup {
        Cgroup::of(self.listed().1)
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has printed something.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_until(&format!("{text:?} in the log"), || self.log().contains(text));
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.verb("rm", &["-f"], &[]);
        self.containerd.ctr(&["containers", "rm", &self.id]).run();
    }
}
