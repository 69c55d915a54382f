//! A private docker daemon over the runtime under test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::command::{Cmd, Running};
use crate::outcome::Outcome;
use crate::{Kind, Runtime, wait_until};

/// The applets that the test image links to busybox.
const APPLETS: [&str; 10] =
    ["sh", "echo", "cat", "grep", "id", "sleep", "true", "ls", "hostname", "unshare"];

/// A daemon with its own data, containerd and socket; stopped, with all it mounted, when dropped.
#[derive(Debug)]
pub struct Docker {
    dir: TempDir,
    daemon: Option<Running>,
}

impl Docker {
    /// Starts it, with an image called `busybox`.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("teu-it-docker-").tempdir().unwrap();
        let mut docker = Self { dir, daemon: None };
        docker.daemon = Some(docker.dockerd().limit(Duration::from_secs(120)).spawn());
        wait_until("dockerd answers", || docker.client(&["version"]).run().status == 0);
        docker.import();
        docker
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn socket(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    fn dockerd(&self) -> Cmd {
        let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
        // One cgroup parent for all of its containers, removed at the end.
        let parent = format!("--cgroup-parent=/{}", self.mark());
        let config = self.path("daemon.json");
        fs::write(&config, "{}").unwrap();
        let runtime = format!("--add-runtime=tested={}", self.wrapper().display());
        let dirs = [("data-root", "data"), ("exec-root", "exec"), ("pidfile", "docker.pid")];
        Cmd::new("dockerd")
            .args(dirs.map(|(name, file)| option(name, &self.path(file))))
            .args([
                option("config-file", &config),
                format!("--host={}", self.socket()),
                runtime,
                parent,
            ])
            .args([
                "--bridge=none",
                "--iptables=false",
                "--ip6tables=false",
                "--ip-forward=false",
                "--ip-masq=false",
            ])
            .args(["--storage-driver=vfs", "--exec-opt=native.cgroupdriver=cgroupfs"])
    }

    /// The runtime, or a script that starts it the way `Runtime::bare` does.
    fn wrapper(&self) -> PathBuf {
        let path = Runtime::get().path();
        if Runtime::get().kind() != Kind::Crun {
            return path.to_owned();
        }
        let script = self.path("runtime.sh");
        let line = "umount -l /sys/fs/cgroup/unified; exec \"$@\"";
        let text = format!(
            "#!/bin/sh\nexec unshare -m --propagation slave sh -c '{line}' sh {} \"$@\"\n",
            path.display()
        );
        fs::write(&script, text).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        script
    }

    fn mark(&self) -> String {
        self.dir.path().file_name().unwrap().to_string_lossy().into_owned()
    }

    fn import(&self) {
        let root = self.path("image");
        fs::create_dir_all(root.join("bin")).unwrap();
        for dir in ["dev", "etc", "proc", "sys", "tmp"] {
            fs::create_dir(root.join(dir)).unwrap();
        }
        let busybox = crate::require::find("busybox").expect("busybox");
        fs::copy(busybox, root.join("bin/busybox")).unwrap();
        for name in APPLETS {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        let tar = self.path("image.tar");
        Cmd::new("tar").arg("-C").arg(&root).arg("-cf").arg(&tar).arg(".").run().ok();
        self.client(&["import", tar.to_str().unwrap(), "busybox"]).run().ok();
    }

    /// The docker client, talking to this daemon.
    pub fn client(&self, args: &[&str]) -> Cmd {
        let config = self.path("client");
        Cmd::new("docker").arg("--config").arg(config).args(["--host", &self.socket()]).args(args)
    }

    /// `docker run` without network, with further flags.
    pub fn run(&self, flags: &[&str], words: &[&str]) -> Outcome {
        let base = ["run", "--runtime=tested", "--network=none"];
        self.client(&base).args(flags).arg("busybox").args(words).run()
    }

    fn stop(&mut self) {
        for id in self.client(&["ps", "-aq"]).run().stdout.lines() {
            self.client(&["rm", "-f", id]).run();
        }
        if let Some(daemon) = self.daemon.take() {
            let _ = kill(daemon.pid(), Signal::SIGTERM);
            let end = std::time::Instant::now() + Duration::from_secs(15);
            while daemon.is_alive() && std::time::Instant::now() < end {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        self.stop_containerd();
        self.unmount();
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            remove_cgroup(&hierarchy.path().join(self.mark()));
        }
        remove_cgroup(&Path::new("/sys/fs/cgroup").join(self.mark()));
    }

    /// dockerd takes its containerd along; this is for the case that it was killed.
    fn stop_containerd(&self) {
        let pid =
            fs::read_to_string(self.path("exec/containerd/containerd.pid")).unwrap_or_default();
        let Ok(pid) = pid.trim().parse::<i32>() else { return };
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if line.contains(&self.mark()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    fn unmount(&self) {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points = mountinfo.lines().filter_map(|l| l.split(' ').nth(4));
        let own: Vec<&str> =
            points.filter(|p| p.starts_with(self.dir.path().to_str().unwrap())).collect();
        for point in own.iter().rev() {
            let _ = umount2(*point, MntFlags::MNT_DETACH);
        }
    }
}

fn remove_cgroup(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_cgroup(&entry.path());
        }
    }
    let _ = fs::remove_dir(dir);
}

impl Drop for Docker {
    fn drop(&mut self) {
        self.stop();
    }
}
