//! What the kernel lets one process set for another, by its pid: rlimits, scheduling, I/O priority.

use oci_spec::runtime::{
    IOPriorityClass, LinuxIOPriority, LinuxSchedulerFlag, LinuxSchedulerPolicy, PosixRlimit,
    PosixRlimitType, Process, Scheduler,
};

use crate::plan::op::signal;
use crate::plan::{Builder, RuntimeStep, SchedAttr};

/// Set from outside, for raising a limit needs the runtime's own privileges, and late, for a low one
/// must not hit the executor; but before the ids change, or the runtime would need CAP_SYS_RESOURCE
/// even to lower them (prlimit(2)).
pub(super) fn set_from_outside(plan: &mut Builder, process: &Process) {
    let limits = process.rlimits().as_deref().unwrap_or_default();
    let mut steps: Vec<RuntimeStep> = limits.iter().enumerate().map(rlimit).collect();
    steps.extend(process.scheduler().as_ref().map(scheduler));
    steps.extend(process.io_priority().as_ref().map(io_priority));
    if !steps.is_empty() {
        plan.origin("process");
        plan.meet(signal::LIMITS, steps);
    }
}

fn rlimit((index, limit): (usize, &PosixRlimit)) -> RuntimeStep {
    RuntimeStep::Rlimit {
        name: limit.typ().to_string(),
        resource: resource(limit.typ()),
        soft: limit.soft(),
        hard: limit.hard(),
        index,
    }
}

/// Numbers of include/uapi/asm-generic/resource.h.
fn resource(typ: PosixRlimitType) -> u32 {
    match typ {
        PosixRlimitType::RlimitCpu => 0,
        PosixRlimitType::RlimitFsize => 1,
        PosixRlimitType::RlimitData => 2,
        PosixRlimitType::RlimitStack => 3,
        PosixRlimitType::RlimitCore => 4,
        PosixRlimitType::RlimitRss => 5,
        PosixRlimitType::RlimitNproc => 6,
        PosixRlimitType::RlimitNofile => 7,
        PosixRlimitType::RlimitMemlock => 8,
        PosixRlimitType::RlimitAs => 9,
        PosixRlimitType::RlimitLocks => 10,
        PosixRlimitType::RlimitSigpending => 11,
        PosixRlimitType::RlimitMsgqueue => 12,
        PosixRlimitType::RlimitNice => 13,
        PosixRlimitType::RlimitRtprio => 14,
        PosixRlimitType::RlimitRttime => 15,
    }
}

fn scheduler(scheduler: &Scheduler) -> RuntimeStep {
    let flags = scheduler.flags().as_deref().unwrap_or_default();
    RuntimeStep::Scheduler(SchedAttr {
        name: scheduler.policy().to_string(),
        policy: policy(*scheduler.policy()),
        flags: flags.iter().fold(0, |all, flag| all | scheduler_flag(*flag)),
        nice: scheduler.nice().unwrap_or(0),
        // `validate` has refused negative ones.
        priority: scheduler.priority().unwrap_or(0).unsigned_abs(),
        runtime: scheduler.runtime().unwrap_or(0),
        deadline: scheduler.deadline().unwrap_or(0),
        period: scheduler.period().unwrap_or(0),
    })
}

/// Numbers of include/uapi/linux/sched.h; the kernel has none but the number for SCHED_ISO.
fn policy(policy: LinuxSchedulerPolicy) -> u32 {
    match policy {
        LinuxSchedulerPolicy::SchedOther => 0,
        LinuxSchedulerPolicy::SchedFifo => 1,
        LinuxSchedulerPolicy::SchedRr => 2,
        LinuxSchedulerPolicy::SchedBatch => 3,
        LinuxSchedulerPolicy::SchedIso => 4,
        LinuxSchedulerPolicy::SchedIdle => 5,
        LinuxSchedulerPolicy::SchedDeadline => 6,
    }
}

fn scheduler_flag(flag: LinuxSchedulerFlag) -> u64 {
    match flag {
        LinuxSchedulerFlag::SchedResetOnFork => 0x01,
        LinuxSchedulerFlag::SchedFlagReclaim => 0x02,
        LinuxSchedulerFlag::SchedFlagDLOverrun => 0x04,
        LinuxSchedulerFlag::SchedFlagKeepPolicy => 0x08,
        LinuxSchedulerFlag::SchedFlagKeepParams => 0x10,
        LinuxSchedulerFlag::SchedFlagUtilClampMin => 0x20,
        LinuxSchedulerFlag::SchedFlagUtilClampMax => 0x40,
    }
}

/// IOPRIO_PRIO_VALUE of include/uapi/linux/ioprio.h.
fn io_priority(io: &LinuxIOPriority) -> RuntimeStep {
    let class = match io.class() {
        IOPriorityClass::IoprioClassRt => 1,
        IOPriorityClass::IoprioClassBe => 2,
        IOPriorityClass::IoprioClassIdle => 3,
    };
    // `validate` has refused what is not from 0 to 7.
    let level = u16::try_from(io.priority()).unwrap_or(u16::MAX) & 7;
    RuntimeStep::IoPriority { name: io.class().to_string(), value: class << 13 | level }
}
