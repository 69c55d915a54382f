//! Runs the config's hooks with the state they are entitled to.

use std::ffi::OsString;
use std::os::fd::BorrowedFd;

use oci_spec::runtime::{Hook, Process, Spec};
use serde_json::{Value, json};

use super::entering::shape;
use super::seccomp::EnteringLane;
use crate::cgroup::{Cgroup, Paths};
use crate::compile::{self, CgroupShape, ExecRequest, HookPlace};
use crate::error::{Error, Result};
use crate::host::HostFacts;
use crate::launch::{HookRun, run_hook};
use crate::plan::{HookKind, Plan};
use crate::prepare::Prepare;
use crate::resctrl::Group;
use crate::seccomp::Filter;
use crate::state::Record;

/// What hooks are told, and where those that run inside find the container.
pub(super) struct HookContext<'a> {
    pub spec: &'a Spec,
    pub record: &'a Record,
    pub host: &'a HostFacts,
    /// The init; `None` once it is gone.
    pub init: Option<(i32, BorrowedFd<'a>)>,
    /// The container's filter, for those of its own programs.
    pub filter: Option<&'a Filter>,
}

impl HookContext<'_> {
    /// Runs all hooks of a kind in their order; the first failure ends it.
    pub fn run(&self, kind: HookKind) -> Result<()> {
        let hooks = compile::hooks(self.spec, kind);
        (0..hooks.len()).try_for_each(|index| self.run_one(kind, index))
    }

    /// Runs all hooks of a kind, whether or not some of them fail.
    pub fn run_all(&self, kind: HookKind) -> Vec<Error> {
        let hooks = compile::hooks(self.spec, kind);
        (0..hooks.len()).filter_map(|index| self.run_one(kind, index).err()).collect()
    }

    fn run_one(&self, kind: HookKind, index: usize) -> Result<()> {
        let Some(hook) = compile::hooks(self.spec, kind).get(index) else { return Ok(()) };
        let state = self.state(kind)?;
        let cgroup = self.cgroup_of(kind);
        let shape = shape(&cgroup, None);
        let plan = self.plan(kind, hook, &shape)?;
        let cgroup_dir = if shape.into_cgroup { cgroup.unified_fd()? } else { None };
        let from = Prepare { init: self.init, cgroup_dir, ..Prepare::default() };
        let mut lane = EnteringLane { spec: self.spec, record: self.record, cgroup: &cgroup };
        run_hook(HookRun { kind, index, hook, state: &state, plan: &plan, from }, &mut lane)
    }

    /// A startContainer hook is a program of the container, with the container's limits; the others
    /// are the host's and keep the runtime's cgroup.
    fn cgroup_of(&self, kind: HookKind) -> Cgroup {
        let paths = self.record.cgroup.clone();
        Cgroup::open(if kind == HookKind::StartContainer { paths } else { Paths::default() })
    }

    /// createContainer hooks run in the container's namespaces with the runtime's privileges and
    /// the host's files. startContainer hooks are the container's own programs: they get what its
    /// process gets, and no more.
    fn plan(&self, kind: HookKind, hook: &Hook, shape: &CgroupShape) -> Result<Plan> {
        let env: Vec<_>;
        let place = match kind {
            HookKind::StartContainer => return self.program_of_the_container(hook, shape),
            HookKind::CreateContainer => {
                let rootfs = &self.record.rootfs;
                HookPlace::Container { spec: self.spec, host: self.host, rootfs }
            }
            _ => {
                env = environment();
                HookPlace::Runtime { bundle: &self.record.bundle, env: &env }
            }
        };
        compile::hook(hook, place)
    }

    fn program_of_the_container(&self, hook: &Hook, shape: &CgroupShape) -> Result<Plan> {
        let mut process = self.spec.process().clone().unwrap_or_default();
        // Without an environment of its own it has the process's, as with runc.
        let own = hook.env().clone().filter(|env| !env.is_empty());
        let home = own.is_none();
        if own.is_some() {
            Process::set_env(&mut process, own);
        }
        let path = hook.path().to_string_lossy().into_owned();
        let args = hook.args().clone().filter(|args| !args.is_empty());
        Process::set_args(&mut process, Some(args.unwrap_or_else(|| vec![path])));
        Process::set_exec_cpu_affinity(&mut process, None);
        // Its input is the state, its output is for the error.
        Process::set_terminal(&mut process, None);
        compile::exec(&ExecRequest {
            spec: self.spec,
            process: &process,
            program: Some(hook.path()),
            home,
            host: self.host,
            cgroup: shape,
            resctrl: &self.record.resctrl.as_ref().map_or_else(Vec::new, Group::tasks),
            own_stdio: true,
            foreground: None,
            preserve_fds: 0,
            keyring: self.record.keyring(),
            filter: self.filter,
        })
    }

    /// The state object of the specification. prestart hooks are told `created`, as the suites and
    /// crun have it; the newer kinds `creating`, as the specification says.
    fn state(&self, kind: HookKind) -> Result<Vec<u8>> {
        let status = match kind {
            HookKind::CreateRuntime | HookKind::CreateContainer => "creating",
            HookKind::Prestart | HookKind::StartContainer => "created",
            HookKind::Poststart => "running",
            HookKind::Poststop => "stopped",
        };
        let state = state_object(self.record, status, self.init.map_or(0, |(pid, _)| pid));
        serde_json::to_vec(&state).map_err(|e| Error::unsupported("hooks", e.to_string()))
    }
}

/// The state object of the specification (runtime.md).
pub(super) fn state_object(record: &Record, status: &str, pid: i32) -> Value {
    json!({
        "ociVersion": record.oci_version,
        "id": record.id,
        "status": status,
        "pid": pid,
        "bundle": record.bundle,
        "annotations": record.annotations,
    })
}

/// The runtime's own environment.
pub(super) fn environment() -> Vec<OsString> {
    let join = |(name, value): (OsString, OsString)| {
        let mut variable = name;
        variable.push("=");
        variable.push(value);
        variable
    };
    std::env::vars_os().map(join).collect()
}
