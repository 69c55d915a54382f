//! A container that was created and not yet deleted.

use std::fs::{self, File};
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cgroup::Cgroup;
use crate::command::wait_until;
use crate::outcome::Outcome;
use crate::{Bundle, Report};

/// A created container; the bundle deletes it by force when dropped.
#[derive(Debug)]
pub struct Container<'a> {
    bundle: &'a Bundle,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl<'a> Container<'a> {
    #[track_caller]
    pub(crate) fn create(bundle: &'a Bundle, config: &Value, flags: &[&str]) -> Self {
        bundle.write_config(config);
        let container = Self::known(bundle);
        let cmd =
            bundle.verb("create").args(flags).arg("--bundle").arg(bundle.path()).arg(bundle.id());
        let (out, err) = (File::create(&container.stdout), File::create(&container.stderr));
        cmd.spawn_into(out.unwrap(), err.unwrap()).wait().ok();
        container
    }

    pub(crate) fn known(bundle: &'a Bundle) -> Self {
        Self { bundle, stdout: bundle.scratch("stdout"), stderr: bundle.scratch("stderr") }
    }

    /// A verb on this container.
    pub fn verb(&self, verb: &str, flags: &[&str]) -> Outcome {
        self.bundle.verb(verb).args(flags).arg(self.bundle.id()).run()
    }

    /// Its cgroup.
    #[track_caller]
    pub fn cgroup(&self) -> Cgroup {
        Cgroup::of(self.pid())
    }

    /// `start`.
    pub fn start(&self) -> Outcome {
        self.verb("start", &[])
    }

    /// `kill`.
    pub fn kill(&self, signal: &str) -> Outcome {
        self.bundle.verb("kill").args([self.bundle.id(), signal]).run()
    }

    /// `delete`.
    pub fn delete(&self) -> Outcome {
        self.verb("delete", &[])
    }

    /// `state`, which must succeed.
    #[track_caller]
    pub fn state(&self) -> Value {
        self.verb("state", &[]).ok().json()
    }

    /// The status in `state`.
    #[track_caller]
    pub fn status(&self) -> String {
        self.state()["status"].as_str().unwrap().to_owned()
    }

    /// The pid in `state`.
    #[track_caller]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.state()["pid"].as_i64().unwrap()).unwrap()
    }

    /// Sends SIGTERM once the probe is ready for it: to a pid 1 without a handler the kernel would not deliver it.
    #[track_caller]
    pub fn terminate(&self) {
        wait_ready(self.pid());
        self.kill("TERM").ok();
    }

    /// Waits until `state` says so.
    #[track_caller]
    pub fn wait_status(&self, status: &str) {
        wait_until(&format!("status {status}"), || self.status() == status);
    }

    /// Kills and deletes it, and asserts that nothing is left.
    #[track_caller]
    pub fn finish(&self) {
        self.verb("delete", &["--force"]).ok();
        self.bundle.assert_clean();
    }

    /// `exec` of the probe, with arguments.
    pub fn exec(&self, args: &[&str]) -> Outcome {
        self.exec_with(&[], args)
    }

    /// `exec` of the probe, with flags and arguments.
    pub fn exec_with(&self, flags: &[&str], args: &[&str]) -> Outcome {
        self.bundle.verb("exec").args(flags).arg(self.bundle.id()).arg("/probe").args(args).run()
    }

    /// `exec` with a process file: the configuration's process with these changes, running the probe.
    pub fn exec_process(&self, args: &[&str], change: impl FnOnce(&mut Value)) -> Outcome {
        let mut process = self.bundle.config()["process"].clone();
        let line: Vec<&str> = std::iter::once("/probe").chain(args.iter().copied()).collect();
        process["args"] = json!(line);
        change(&mut process);
        let file = self.bundle.scratch("process.json");
        fs::write(&file, process.to_string()).unwrap();
        self.bundle.verb("exec").arg("--process").arg(file).arg(self.bundle.id()).run()
    }

    /// `exec` of `probe report`.
    #[track_caller]
    pub fn report(&self) -> Report {
        Report(self.exec(&["report"]).ok().json())
    }

    /// What the container's own process has printed.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap()
    }

    /// What the container's own process (or `create`) has complained about.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until the container's own process has printed something.
    #[track_caller]
    pub fn wait_stdout(&self, what: &str) {
        wait_until(&format!("{what:?} on stdout"), || self.stdout().contains(what));
    }
}

/// Waits until the probe with this pid (`probe sleep`) handles SIGTERM.
pub fn wait_ready(pid: i32) {
    let handled = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mask =
            status.lines().find_map(|l| l.strip_prefix("SigCgt:")).unwrap_or("0").trim().to_owned();
        u64::from_str_radix(&mask, 16).unwrap_or(0) & (1 << 14) != 0
    };
    wait_until("the probe handles SIGTERM", handled);
}
