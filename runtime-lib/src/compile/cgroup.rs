//! Joining cgroups, and showing them inside.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::affinity;
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

/// The `tasks` file of a v1 cgroup, or the `cgroup.procs` of a v2 one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tasks {
    pub path: PathBuf,
    /// Rootless: the container may do without it where permissions forbid it.
    pub dispensable: bool,
    /// Processes in it are counted, and can be limited in number.
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

const DENIED: [u8; 3] = [1, 13, 30]; // EPERM, EACCES, EROFS

/// The process joins by itself: no waiting for the runtime, and "0" needs no pid. `tasks` rather than
/// `cgroup.procs`: the same for a process of one thread, but without the lock that keeps all the
/// machine's processes from forking, for which the kernel waits out an RCU grace period (10 ms where
/// nobody did so lately).
pub(super) fn join(plan: &mut Builder, shape: &CgroupShape) {
    join_those(plan, shape, |_| true);
}

/// The same, also of a `stage`: a process that will clone the container's process. Where processes are
/// limited it would be one too many: in a container that has as many as it may, but one, the clone would
/// fail. So it only opens that file for the clone, which could not: it is in other namespaces by then. Or
/// systemd moves the clone, unless there are v1 hierarchies that it knows nothing of: their files are there
/// only when it is done.
pub(super) fn join_for(plan: &mut Builder, shape: &CgroupShape, stage: bool) -> Option<Handed> {
    if !stage {
        join(plan, shape);
        return None;
    }
    if let (Some(by_systemd), []) = (&shape.by_systemd, shape.tasks.as_slice()) {
        return Some(Handed::of(Way::Unit(by_systemd.clone())));
    }
    join_those(plan, shape, |tasks| !tasks.counted);
    shape.tasks.iter().find(|tasks| tasks.counted).map(|tasks| hand(plan, tasks))
}

fn join_those(plan: &mut Builder, shape: &CgroupShape, wanted: impl Fn(&Tasks) -> bool) {
    plan.origin("linux.cgroupsPath");
    if let Some(by_systemd) = &shape.by_systemd {
        meet_for_systemd(plan, by_systemd);
    }
    let data = plan.bytes("0");
    for Tasks { path, dispensable, .. } in shape.tasks.iter().filter(|tasks| wanted(tasks)) {
        let path = plan.text(path.as_os_str().as_bytes());
        push(plan, Op::WriteFile { dir: Slot::CWD, path, data }, *dispensable);
    }
    plan.origin("");
}

fn push(plan: &mut Builder, op: Op, dispensable: bool) {
    if dispensable {
        plan.push_or_skip(op, DENIED);
    } else {
        plan.push(op);
    }
}

fn hand(plan: &mut Builder, tasks: &Tasks) -> Handed {
    const O_WRONLY_CLOEXEC: u32 = (libc::O_WRONLY | libc::O_CLOEXEC).cast_unsigned();
    plan.origin("linux.cgroupsPath");
    let file = plan.slot();
    let path = plan.text(tasks.path.as_os_str().as_bytes());
    let open = |path| Op::Open { dir: Slot::CWD, out: file, path, flags: O_WRONLY_CLOEXEC };
    if tasks.dispensable {
        plan.push_or_else(open(path), DENIED);
        let path = plan.text("/dev/null"); // takes what is written
        plan.push(open(path));
    } else {
        plan.push(open(path));
    }
    plan.origin("");
    Handed::of(Way::File { file, dispensable: tasks.dispensable })
}

/// How the clone joins what its stage has not joined.
#[derive(Debug)]
pub(super) struct Handed {
    way: Way,
    /// The processors that it runs on once it is there, if that is asked for.
    pub(super) affinity: Vec<u8>,
}

#[derive(Debug)]
enum Way {
    /// An open `tasks` or `cgroup.procs`. The kernel judges a write by who has opened it (CVE-2021-4197).
    File { file: Slot, dispensable: bool },
    /// systemd puts it there.
    Unit(BySystemd),
}

impl Handed {
    fn of(way: Way) -> Self {
        Self { way, affinity: Vec::new() }
    }

    /// What the clone inherits.
    pub(super) fn file(&self) -> Option<Slot> {
        match self.way {
            Way::File { file, .. } => Some(file),
            Way::Unit(_) => None,
        }
    }

    /// In the clone.
    pub(super) fn join(self, plan: &mut Builder) {
        plan.origin("linux.cgroupsPath");
        match self.way {
            Way::File { file, dispensable } => {
                let data = plan.bytes("0");
                push(plan, Op::Write { file, data }, dispensable);
                plan.push(Op::Close { slot: file });
            }
            Way::Unit(by_systemd) => meet_for_systemd(plan, &by_systemd),
        }
        affinity::set_final(plan, &self.affinity);
        plan.origin("");
    }
}

/// systemd wants a process for the unit, so that the cgroup is made when there is one.
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
