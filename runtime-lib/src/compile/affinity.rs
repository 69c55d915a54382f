//! On which processors a process may run (sched_setaffinity(2)).

use oci_spec::runtime::ExecCPUAffinity;

use super::cgroup::{self, CgroupShape, Handed};
use crate::plan::Builder;
use crate::plan::op::Op;
use crate::spec::bit_mask;

const EPERM: u8 = 1;
const ENOSYS: u8 = 38;

/// The runtime's own affinity is none of the container's business: it may be that of a daemon that is
/// pinned, and a process that a cpuset has once narrowed would not spread when that grows. The kernel
/// takes what the cpuset allows out of the mask and remembers the rest. No config asks for this, so
/// a sandbox that forbids the call is no reason to fail.
pub(super) fn reset(plan: &mut Builder) {
    plan.origin("cpu affinity");
    let cpus = plan.bytes([]);
    plan.push_or_skip(Op::Affinity { cpus }, [EPERM, ENOSYS, 0]);
    plan.origin("");
}

/// Joins the cgroups, with the affinity that an exec asks for before and after. If it asks for one
/// before alone, what becomes of that in the container's cpuset is left to the kernel.
pub(super) fn around_join(
    plan: &mut Builder,
    affinity: Option<&ExecCPUAffinity>,
    shape: &CgroupShape,
    stage: bool,
) -> Option<Handed> {
    let of = |cpus: &Option<String>| bit_mask(cpus.as_deref().unwrap_or_default());
    // `validate` has refused wrong lists.
    let initial = affinity.and_then(|a| of(a.initial()).ok()).unwrap_or_default();
    let last = affinity.and_then(|a| of(a.cpu_affinity_final()).ok()).unwrap_or_default();
    set(plan, "process.execCPUAffinity.initial", &initial);
    let mut handed = cgroup::join_for(plan, shape, stage);
    if initial.is_empty() && last.is_empty() {
        reset(plan);
    }
    match &mut handed {
        Some(handed) => handed.affinity = last,
        None => set_final(plan, &last),
    }
    handed
}

/// Once it is in the cgroup: to be moved there sets the processors (before Linux 6.2).
pub(super) fn set_final(plan: &mut Builder, cpus: &[u8]) {
    set(plan, "process.execCPUAffinity.final", cpus);
}

fn set(plan: &mut Builder, field: &str, cpus: &[u8]) {
    if !cpus.is_empty() {
        plan.origin(field);
        let cpus = plan.bytes(cpus);
        plan.push(Op::Affinity { cpus });
        plan.origin("");
    }
}
