//! The runtime's part of a restore: what is done when CRIU says how far it is.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::stat::stat;
use oci_spec::runtime::LinuxNamespaceType;
use serde_json::{Value, json};

use crate::cgroup::Cgroup;
use crate::compile;
use crate::criu::Listener;
use crate::error::{Error, Result};
use crate::launch::{Child, Lane, NoLane, launch};
use crate::lifecycle::Runtime;
use crate::lifecycle::console::hand_over;
use crate::lifecycle::create::{Draft, start_unit};
use crate::lifecycle::hooks::HookContext;
use crate::plan::HookKind;
use crate::prepare::{Prepare, prepare};
use crate::signal::open_pidfd;
use crate::spec::{Namespace, namespace, pointer_mut};
use crate::state::{Entry, ProcStat, Record, now};
use crate::timings::Timer;

pub(super) struct RestoreLane<'a> {
    pub draft: &'a Draft,
    pub entry: &'a Entry,
    pub cgroup: &'a mut Cgroup,
    pub record: Record,
    /// The terminal's master end has been sent.
    pub sent_terminal: bool,
    runtime: &'a Runtime,
    console: Option<OwnedFd>,
    init: Option<Child>,
}

impl<'a> RestoreLane<'a> {
    pub fn new(
        runtime: &'a Runtime,
        draft: &'a Draft,
        (entry, cgroup): (&'a Entry, &'a mut Cgroup),
        record: Record,
        console: Option<OwnedFd>,
    ) -> Self {
        Self { draft, entry, cgroup, record, sent_terminal: false, runtime, console, init: None }
    }

    /// The restored container's init.
    pub fn init(&mut self) -> Result<Child> {
        self.init.take().ok_or_else(|| Error::ExecutorDied("was not restored".into()))
    }

    /// The specification continues a failed create at its delete, hence with poststop.
    pub fn poststop(&self) {
        for failed in self.context(None).run_all(HookKind::Poststop) {
            self.runtime.warn(&failed.to_string());
        }
    }

    fn context<'b>(&'b self, init: Option<(i32, &'b OwnedFd)>) -> HookContext<'b> {
        let Draft { bundle, host, filter, .. } = self.draft;
        HookContext {
            spec: &bundle.spec,
            record: &self.record,
            host,
            init: init.map(|(pid, pidfd)| (pid, pidfd.as_fd())),
            filter: filter.as_ref().map(|compiled| &compiled.filter),
        }
    }

    /// CRIU has made the namespaces. The hooks are those that runc runs at a restore.
    fn namespaces_are_made(&self, pid: i32) -> Result<()> {
        let pidfd = open_pidfd(pid).map_err(|e| Error::system("pidfd_open", pid, e))?;
        if namespace(&self.draft.bundle.spec, LinuxNamespaceType::Network) == Some(Namespace::New) {
            let plan = compile::loopback()?;
            let from = Prepare { init: Some((pid, pidfd.as_fd())), ..Prepare::default() };
            launch(&plan, prepare(&plan, from)?, &mut NoLane, &mut Timer::off()).map(drop)?;
        }
        let context = self.context(Some((pid, &pidfd)));
        context.run(HookKind::Prestart)?;
        context.run(HookKind::CreateRuntime)
    }

    /// All processes are there, and do not run yet.
    fn processes_are_made(&mut self, pid: i32) -> Result<()> {
        let init = Child::told(pid)?;
        let stat = ProcStat::read(pid)?.ok_or_else(|| Error::ExecutorDied("is gone".into()))?;
        self.record.pid = pid;
        self.record.start_time = stat.start_time;
        self.record.created = now();
        self.init = Some(init);
        self.note_clocks(pid)?;
        self.entry.write_record(&self.record)
    }

    /// So that its clocks go on where they were, CRIU puts a container into a time namespace: an exec
    /// has to get there, too.
    fn note_clocks(&mut self, pid: i32) -> Result<()> {
        let spec = &self.draft.bundle.spec;
        let listed = namespace(spec, LinuxNamespaceType::Time).is_some();
        let inode = |of: &str| stat(format!("/proc/{of}/ns/time").as_str()).map(|s| s.st_ino).ok();
        if listed || inode(&pid.to_string()) == inode("thread-self") {
            return Ok(());
        }
        self.record.namespaces.push("time".into());
        self.entry.write_config(&with_time_namespace(&self.draft.bundle.raw)?)
    }

    fn terminal_is_made(&mut self, master: OwnedFd) -> Result<()> {
        // The first is that of the init; others are nobody's.
        let Some(console) = self.console.take() else { return Ok(()) };
        hand_over(&console, &master)?;
        self.sent_terminal = true;
        Ok(())
    }
}

/// The config with a time namespace in its list.
fn with_time_namespace(raw: &[u8]) -> Result<Vec<u8>> {
    let failed = |e: serde_json::Error| Error::unsupported("linux.namespaces", e.to_string());
    let mut config: Value = serde_json::from_slice(raw).map_err(failed)?;
    let list = pointer_mut(&mut config, "/linux/namespaces").and_then(Value::as_array_mut);
    if let Some(list) = list {
        list.push(json!({ "type": "time" }));
    }
    serde_json::to_vec(&config).map_err(failed)
}

impl Lane for RestoreLane<'_> {
    fn start_unit(&mut self, criu: &Child) -> Result<()> {
        start_unit(self.draft, self.cgroup, criu.pid)
    }

    fn hooks(&mut self, _: HookKind, _: &Child) -> Result<()> {
        Ok(())
    }

    fn save(&mut self, _: &Child) -> Result<()> {
        Ok(())
    }

    fn listener(&mut self, _: OwnedFd, _: &Child) -> Result<()> {
        Err(Error::unsupported("linux.seccomp", "a listener cannot be restored"))
    }
}

impl Listener for RestoreLane<'_> {
    fn notice(&mut self, script: &str, pid: i32, descriptor: Option<OwnedFd>) -> Result<()> {
        match (script, descriptor) {
            ("setup-namespaces", _) => self.namespaces_are_made(pid),
            ("post-restore", _) => self.processes_are_made(pid),
            ("orphan-pts-master", Some(master)) => self.terminal_is_made(master),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frozen_config_knows_of_the_time_namespace() {
        for raw in [
            r#"{"x": 1, "linux": {"namespaces": [{"type": "pid"}]}}"#,
            r#"{"x": 1, "Linux": {"nameSpaces": [{"type": "pid"}]}}"#,
        ] {
            let frozen = with_time_namespace(raw.as_bytes()).unwrap();
            let mut config: Value = serde_json::from_slice(&frozen).unwrap();
            assert_eq!(config["x"], 1);
            let list = pointer_mut(&mut config, "/linux/namespaces").unwrap();
            assert_eq!(list[1]["type"], "time");
        }
    }
}
