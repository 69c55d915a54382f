//! What the specification has and this version does not do. Refused by name: a limit or a filter that
//! is silently left out would be worse than no container.
//!
//! A value that changes nothing in a fresh cgroup is not a request: absent, 0 where 0 means unset,
//! -1 where it means unlimited, and empty objects, as engines write them by default. The list of
//! device rules is not looked at here, it is supported.

use oci_spec::runtime::{
    LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxNetwork, LinuxResources, Process, Spec,
};

use super::{Checked, HostLimits, linux_of, list, mounts as mount_checks, text, unsupported};

const REASON: &str = "is not supported by this version of teu";

/// Fields (relative to the object) with whether they ask for something.
type Wishes<'a> = &'a [(&'static str, bool)];

fn refuse(wishes: Wishes<'_>) -> Checked {
    match wishes.iter().find(|(_, wanted)| *wanted) {
        Some((field, _)) => Err(unsupported(*field, REASON)),
        None => Ok(()),
    }
}

fn refuse_within(outer: &str, wishes: Wishes<'_>) -> Checked {
    refuse(wishes).map_err(|problem| problem.within(outer))
}

pub(super) fn spec_process(spec: &Spec, _: &HostLimits) -> Checked {
    let Some(object) = spec.process() else { return Ok(()) };
    process(object).map_err(|problem| problem.within("process"))
}

pub(super) fn process(process: &Process) -> Checked {
    refuse(&[
        ("scheduler", process.scheduler().is_some()),
        ("ioPriority", process.io_priority().is_some()),
        ("execCPUAffinity", process.exec_cpu_affinity().is_some()),
        ("apparmorProfile", !text(process.apparmor_profile()).is_empty()),
        ("selinuxLabel", !text(process.selinux_label()).is_empty()),
    ])
}

pub(super) fn mounts(spec: &Spec, _: &HostLimits) -> Checked {
    mount_checks::each(spec, |_, options| {
        options
            .not_yet
            .first()
            .map_or(Ok(()), |name| Err(unsupported("options", format!("{name} {REASON}"))))
    })
}

pub(super) fn linux(spec: &Spec, _: &HostLimits) -> Checked {
    let Some(linux) = linux_of(spec) else { return Ok(()) };
    let net_devices = linux.net_devices().as_ref().is_some_and(|map| !map.is_empty());
    let time_offsets = linux.time_offsets().as_ref().is_some_and(|map| !map.is_empty());
    refuse_within(
        "linux",
        &[
            ("seccomp", linux.seccomp().is_some()),
            ("intelRdt", linux.intel_rdt().is_some()),
            ("memoryPolicy", linux.memory_policy().is_some()),
            ("netDevices", net_devices),
            ("mountLabel", !text(linux.mount_label()).is_empty()),
            ("personality", linux.personality().is_some()),
            ("timeOffsets", time_offsets),
        ],
    )
}

pub(super) fn vm(spec: &Spec, _: &HostLimits) -> Checked {
    refuse(&[("vm", spec.vm().is_some())])
}

pub(super) fn resources(spec: &Spec, _: &HostLimits) -> Checked {
    let Some(resources) = linux_of(spec).and_then(|linux| linux.resources().as_ref()) else {
        return Ok(());
    };
    let within = |outer: &'static str, checked: Checked| {
        checked.map_err(|problem| problem.within(&format!("linux.resources{outer}")))
    };
    within("", lists(resources))?;
    within(".memory", resources.memory().as_ref().map_or(Ok(()), memory))?;
    within(".cpu", resources.cpu().as_ref().map_or(Ok(()), cpu))?;
    within(".blockIO", resources.block_io().as_ref().map_or(Ok(()), block_io))?;
    within(".network", resources.network().as_ref().map_or(Ok(()), network))
}

fn lists(resources: &LinuxResources) -> Checked {
    let pids = resources.pids().as_ref().is_some_and(|pids| pids.limit() > 0);
    let rdma = resources.rdma().as_ref().is_some_and(|map| !map.is_empty());
    let unified = resources.unified().as_ref().is_some_and(|map| !map.is_empty());
    refuse(&[
        ("pids.limit", pids),
        ("hugepageLimits", !list(resources.hugepage_limits()).is_empty()),
        ("rdma", rdma),
        ("unified", unified),
    ])
}

/// A swappiness of 0 is a request; all bits set is how older Docker wrote -1, "unset".
#[allow(deprecated)] // `kernel` is, and would have to be set if it were given.
fn memory(memory: &LinuxMemory) -> Checked {
    let limits = |value: Option<i64>| value.is_some_and(|bytes| bytes > 0);
    refuse(&[
        ("limit", limits(memory.limit())),
        ("reservation", limits(memory.reservation())),
        ("swap", limits(memory.swap())),
        ("kernel", limits(memory.kernel())),
        ("kernelTCP", limits(memory.kernel_tcp())),
        ("swappiness", memory.swappiness().is_some_and(|value| value != u64::MAX)),
        ("disableOOMKiller", memory.disable_oom_killer() == Some(true)),
    ])
}

fn cpu(cpu: &LinuxCpu) -> Checked {
    let set = |value: Option<u64>| value.unwrap_or(0) != 0;
    let limits = |value: Option<i64>| value.is_some_and(|value| value > 0);
    refuse(&[
        ("shares", set(cpu.shares())),
        ("quota", limits(cpu.quota())),
        ("burst", set(cpu.burst())),
        ("period", set(cpu.period())),
        ("realtimeRuntime", limits(cpu.realtime_runtime())),
        ("realtimePeriod", set(cpu.realtime_period())),
        ("cpus", !text(cpu.cpus()).is_empty()),
        ("mems", !text(cpu.mems()).is_empty()),
        ("idle", cpu.idle().unwrap_or(0) != 0),
    ])
}

fn block_io(io: &LinuxBlockIo) -> Checked {
    refuse(&[
        ("weight", io.weight().unwrap_or(0) != 0),
        ("leafWeight", io.leaf_weight().unwrap_or(0) != 0),
        ("weightDevice", !list(io.weight_device()).is_empty()),
        ("throttleReadBpsDevice", !list(io.throttle_read_bps_device()).is_empty()),
        ("throttleWriteBpsDevice", !list(io.throttle_write_bps_device()).is_empty()),
        ("throttleReadIOPSDevice", !list(io.throttle_read_iops_device()).is_empty()),
        ("throttleWriteIOPSDevice", !list(io.throttle_write_iops_device()).is_empty()),
    ])
}

fn network(network: &LinuxNetwork) -> Checked {
    refuse(&[
        ("classID", network.class_id().unwrap_or(0) != 0),
        ("priorities", !list(network.priorities()).is_empty()),
    ])
}

#[cfg(test)]
mod tests;
