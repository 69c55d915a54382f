//! Joining cgroups, and showing them inside.

use std::path::PathBuf;

use crate::plan::op::Op;
use crate::plan::{Builder, Source};

/// What the plan has to know of the container's cgroups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CgroupShape {
    /// cgroup v2: clone3 puts the new process there (CLONE_INTO_CGROUP).
    pub into_cgroup: bool,
    /// v1 and hybrid: so many `cgroup.procs` files, which the process itself writes to.
    pub procs: usize,
    /// v1 and hybrid: the hierarchies, for a mount of type cgroup.
    pub hierarchies: Vec<Hierarchy>,
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

/// The process joins by itself: no waiting for the runtime, and "0" needs no pid.
pub(super) fn join(plan: &mut Builder, shape: &CgroupShape) {
    plan.origin("linux.cgroupsPath");
    let slots: Vec<_> = (0..shape.procs).map(|n| plan.input(Source::CgroupProcs(n))).collect();
    for slot in slots {
        let data = plan.bytes("0");
        plan.push(Op::Write { slot, data });
        plan.done(slot);
    }
    plan.origin("");
}
