//! A bundle of its own, with its own state root and id, for every test.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::getegid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{Cmd, wait_until};
use crate::container::Container;
use crate::leaks::Leaks;
use crate::outcome::Outcome;
use crate::report::Report;
use crate::runtime::{self, Runtime};
use crate::user::{is_root, ordinary_user};
use crate::{config, host_devices, leaks};

/// A bundle directory; dropping it deletes its containers by force, and panics if devices of the host have changed.
#[derive(Debug)]
pub struct Bundle {
    dir: TempDir,
    id: String,
    pub(crate) config: Value,
    user: Option<u32>,
    subids: bool,
    flags: Vec<String>,
    env: Vec<(String, String)>,
    covers: Vec<(PathBuf, PathBuf)>,
}

impl Default for Bundle {
    fn default() -> Self {
        Self::new()
    }
}

impl Bundle {
    /// A root file system with the probe and empty directories, and the default configuration.
    ///
    /// # Panics
    /// When the temporary directory cannot be filled.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        host_devices::remember();
        let id = format!("teu-it-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::Builder::new().prefix(&format!("{id}-")).tempdir().unwrap();
        let config = config::default();
        let (flags, env) = (Vec::new(), Vec::new());
        let covers = Vec::new();
        let mut bundle = Self { dir, id, config, user: None, subids: false, flags, env, covers };
        if !is_root() {
            bundle.make_rootless(getegid().as_raw());
        }
        fs::set_permissions(bundle.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(bundle.root()).unwrap();
        for dir in ["proc", "dev", "sys", "tmp", "etc", "run"] {
            bundle.dir(dir);
        }
        let probe = bundle.rootfs().join("probe");
        fs::copy(runtime::probe(), &probe).unwrap();
        wait_for_writers(&probe);
        bundle
    }

    /// A bundle whose process is the probe with these arguments.
    pub fn probe(args: &[&str]) -> Self {
        let mut bundle = Self::new();
        bundle.args(args);
        bundle
    }

    /// The same as an ordinary user runs it: the one who runs the tests, or if that is root, [`ordinary_user`].
    pub fn rootless() -> Self {
        let mut bundle = Self::new();
        if is_root() {
            bundle.as_user(ordinary_user()).make_rootless(ordinary_user());
        }
        bundle
    }

    fn make_rootless(&mut self, gid: u32) {
        config::make_rootless(&mut self.config, ordinary_user(), gid);
    }

    // ---- what it is ------------------------------------------------------------------------------------------------

    /// The container's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The bundle directory.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("bundle")
    }

    /// The root file system.
    pub fn rootfs(&self) -> PathBuf {
        self.path().join("rootfs")
    }

    /// The runtime's state root.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// A place for the test's own files, beside the bundle.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The name that everything of this bundle has in its path: to find its processes by.
    pub fn mark(&self) -> String {
        self.dir.path().file_name().unwrap().to_string_lossy().into_owned()
    }

    /// The configuration as it stands.
    pub fn config(&self) -> &Value {
        &self.config
    }

    // ---- changing it: see also edit.rs ----------------------------------------------------------------------

    /// Runs the runtime as this ordinary user, who owns the bundle.
    ///
    /// # Panics
    /// When the tests run as yet another ordinary user.
    pub fn as_user(&mut self, uid: u32) -> &mut Self {
        if is_root() {
            self.user = Some(uid);
        } else {
            assert_eq!(uid, ordinary_user(), "only root can be somebody else");
        }
        self
    }

    /// Gives that user subordinate ids 100000 to 165535, as `/etc/subuid` would. One who is not played by root has
    /// them already (`require!("uidmap")`).
    pub fn with_subids(&mut self) -> &mut Self {
        let Some(user) = self.user else { return self };
        for name in ["subuid", "subgid"] {
            fs::write(self.scratch(name), format!("{user}:100000:65536\n")).unwrap();
        }
        self.subids = true;
        self
    }

    /// Has every verb run with this flag before it.
    pub fn global_flag(&mut self, flag: &str) -> &mut Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// Has every verb run with this variable in its environment.
    pub fn env(&mut self, key: &str, value: &str) -> &mut Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Has every verb see this file where another is.
    pub fn cover(&mut self, file: impl Into<PathBuf>, target: impl Into<PathBuf>) -> &mut Self {
        self.covers.push((file.into(), target.into()));
        self
    }

    /// A directory in the root file system.
    pub fn dir(&self, path: &str) -> PathBuf {
        let path = self.rootfs().join(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// A file in the root file system.
    pub fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.rootfs().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A symbolic link in the root file system.
    pub fn symlink(&self, path: &str, target: &str) {
        let path = self.rootfs().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
    }

    // ---- running it ------------------------------------------------------------------------------------------------

    /// Writes `config.json` and, for an ordinary user, hands everything over.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self) {
        self.write_config(&self.config);
    }

    /// The same, but with these arguments of the probe's.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_with_args(&self, args: &[&str]) {
        let mut config = self.config.clone();
        let line: Vec<&str> = std::iter::once("/probe").chain(args.iter().copied()).collect();
        config["process"]["args"] = json!(line);
        self.write_config(&config);
    }

    pub(crate) fn write_config(&self, config: &Value) {
        let text = serde_json::to_string_pretty(config).unwrap();
        fs::write(self.path().join("config.json"), text).unwrap();
        if let Some(uid) = self.user {
            hand_over(self.dir.path(), uid);
        }
    }

    /// The runtime with `--root` and a verb; write the configuration first if the verb reads it.
    pub fn verb(&self, verb: &str) -> Cmd {
        let mut cmd = self.runtime().user(self.user);
        if self.subids {
            cmd = cmd
                .bind(self.scratch("subuid"), "/etc/subuid")
                .bind(self.scratch("subgid"), "/etc/subgid");
        }
        for (file, target) in &self.covers {
            cmd = cmd.bind(file, target);
        }
        cmd = self.env.iter().fold(cmd, |cmd, (key, value)| cmd.env(key, value));
        cmd.args(&self.flags).arg("--root").arg(self.root()).arg(verb)
    }

    fn runtime(&self) -> Cmd {
        let runtime = Runtime::get();
        if self.user.is_none() {
            return runtime.bare();
        }
        // Without --systemd-cgroup: a user whom root plays has no session.
        if !runtime.is_teu() {
            return runtime.without_driver();
        }
        // The build directory may be closed to other users.
        let copy = self.scratch("teu");
        if !copy.exists() {
            fs::copy(runtime.path(), &copy).unwrap();
            wait_for_writers(&copy);
        }
        Cmd::new(copy)
    }

    /// `run`, with further flags, not yet started.
    pub fn run_cmd(&self, flags: &[&str]) -> Cmd {
        self.write();
        self.verb("run").args(flags).arg("--bundle").arg(self.path()).arg(&self.id)
    }

    /// `run` to the end; nothing may be left over.
    #[track_caller]
    pub fn run(&self) -> Outcome {
        let outcome = self.run_cmd(&[]).run();
        self.assert_clean();
        outcome
    }

    /// Runs the probe with these arguments, whatever the configuration said; its output.
    #[track_caller]
    pub fn run_probe(&mut self, args: &[&str]) -> String {
        self.args(args);
        self.run().ok().out().to_owned()
    }

    /// Runs `probe report` and reads it.
    #[track_caller]
    pub fn report(&self) -> Report {
        Report(self.run().ok().json())
    }

    /// `create`, which must succeed.
    #[track_caller]
    pub fn create(&self) -> Container<'_> {
        Container::create(self, &self.config, &[])
    }

    /// `create` with further flags, which must succeed.
    #[track_caller]
    pub fn create_with(&self, flags: &[&str]) -> Container<'_> {
        Container::create(self, &self.config, flags)
    }

    /// The container of this bundle, however it was made.
    pub fn container(&self) -> Container<'_> {
        Container::known(self)
    }

    /// `create` and `start` of a container that sleeps.
    #[track_caller]
    pub fn start_sleeper(&self) -> Container<'_> {
        let mut config = self.config.clone();
        config["process"]["args"] = json!(["/probe", "sleep"]);
        let container = Container::create(self, &config, &[]);
        container.start().ok();
        container
    }

    /// `create` that is expected to fail.
    pub fn try_create(&self) -> Outcome {
        self.write();
        self.verb("create").arg("--bundle").arg(self.path()).arg(&self.id).run()
    }

    /// Waits until nothing of this bundle is left on the machine.
    ///
    /// # Panics
    /// When something stays.
    #[track_caller]
    pub fn assert_clean(&self) {
        leaks::wait_until_clean(self);
    }

    /// What is there of this bundle.
    pub fn leaks(&self) -> Leaks {
        Leaks::of(self)
    }
}

/// Children that other tests fork at this moment have the file open for writing until their own exec, and until
/// then it cannot be executed (ETXTBSY). A read lease is granted when there is no writer (fcntl(2)).
#[allow(unsafe_code, reason = "nix has no leases")]
pub(crate) fn wait_for_writers(path: &Path) {
    let file = fs::File::open(path).unwrap();
    // SAFETY: plain numbers.
    let lease = || unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) };
    wait_until("no writer", || lease() == 0);
}

fn hand_over(path: &Path, uid: u32) {
    std::os::unix::fs::lchown(path, Some(uid), Some(uid)).unwrap();
    let is_dir = fs::symlink_metadata(path).unwrap().is_dir();
    if is_dir {
        chown(path, Some(uid), Some(uid)).unwrap();
        for entry in fs::read_dir(path).unwrap() {
            hand_over(&entry.unwrap().path(), uid);
        }
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        for id in leaks::entries(&self.root()) {
            let _ = self.verb("delete").args(["--force", &id]).run();
        }
        leaks::kill_leftovers(self);
        host_devices::check();
    }
}
