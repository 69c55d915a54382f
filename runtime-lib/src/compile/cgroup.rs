//! Joining cgroups, and showing them inside.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::plan::op::{Op, Slot, signal};
use crate::plan::{Builder, RuntimeStep};

/// What the plan has to know of the container's cgroups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CgroupShape {
    /// cgroup v2: clone3 puts the new process there (CLONE_INTO_CGROUP).
    pub into_cgroup: bool,
    /// systemd puts the process there, as the runtime asks it to.
    pub by_systemd: Option<BySystemd>,
    /// v1 and hybrid: files that the process itself writes `0` to.
    pub tasks: Vec<Tasks>,
    /// v1 and hybrid: the hierarchies, for a mount of type cgroup.
    pub hierarchies: Vec<Hierarchy>,
}

/// What systemd is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BySystemd {
    /// To start the unit around the process.
    Start { name: String, slice: String },
    /// To move the process into the running unit.
    Attach { name: String },
}

/// The `tasks` file of a v1 cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tasks {
    pub path: PathBuf,
    /// Rootless: the container may do without it where permissions forbid it.
    pub dispensable: bool,
    /// Processes in it are limited in number.
    pub counted: bool,
}

/// A v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Name of its directory below /sys/fs/cgroup: `cpu,cpuacct`, `systemd`.
    pub name: String,
    /// Mount options that select it: `cpu`, `cpuacct` or `name=systemd`.
    pub options: Vec<String>,
    /// The container's directory in it, as the host sees it.
    pub path: PathBuf,
}

/// The process joins by itself: no waiting for the runtime, and "0" needs no pid. `tasks` rather than
/// `cgroup.procs`: the same for a process of one thread, but without the lock that keeps all the
/// machine's processes from forking, for which the kernel waits out an RCU grace period (10 ms where
/// nobody did so lately).
pub(super) fn join(plan: &mut Builder, shape: &CgroupShape, who: Joining) {
    const DENIED: [u8; 3] = [1, 13, 30]; // EPERM, EACCES, EROFS
    plan.origin("linux.cgroupsPath");
    if let Some(by_systemd) = &shape.by_systemd {
        meet_for_systemd(plan, by_systemd);
    }
    let data = plan.bytes("0");
    for Tasks { path, dispensable, counted } in &shape.tasks {
        if *counted && who == Joining::Stage {
            continue;
        }
        let path = plan.text(path.as_os_str().as_bytes());
        let write = Op::WriteFile { dir: Slot::CWD, path, data };
        if *dispensable {
            plan.push_or_skip(write, DENIED);
        } else {
            plan.push(write);
        }
    }
    plan.origin("");
}

/// Who joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joining {
    /// The container's process.
    Process,
    /// One that will clone the container's process. Where processes are limited it would be one too
    /// many: in a container that has as many as it may, but one, the clone would fail. What the
    /// runtime does instead takes the lock that `tasks` is to avoid, hence only there.
    Stage,
}

impl Joining {
    pub(super) fn of(stage: bool) -> Self {
        if stage { Self::Stage } else { Self::Process }
    }
}

/// The runtime puts the clone where the stage has not been.
pub(super) fn join_clone(plan: &mut Builder, shape: &CgroupShape) {
    for Tasks { path, dispensable, .. } in shape.tasks.iter().filter(|tasks| tasks.counted) {
        let (path, dispensable) = (path.clone(), *dispensable);
        plan.runtime(RuntimeStep::JoinCgroup { path, dispensable });
    }
}

/// systemd wants a process for the unit, so that the cgroup is made when there is one. What this process
/// clones later is in it, too.
fn meet_for_systemd(plan: &mut Builder, by_systemd: &BySystemd) {
    plan.push(Op::Signal { number: signal::CGROUP });
    plan.push(Op::Wait { number: signal::CGROUP });
    plan.runtime(RuntimeStep::Await(signal::CGROUP));
    plan.runtime(match by_systemd.clone() {
        BySystemd::Start { name, slice } => RuntimeStep::StartUnit { name, slice },
        BySystemd::Attach { name } => RuntimeStep::AttachToUnit { name },
    });
    plan.runtime(RuntimeStep::Answer(signal::CGROUP));
}
