//! Scheduling and I/O priority of a process, set from outside.

#![allow(unsafe_code)]

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::plan::SchedAttr;

/// struct sched_attr of include/uapi/linux/sched/types.h, version 1 (Linux 5.3): libc's lacks the
/// last two fields, without which the kernel refuses the flags about them.
#[repr(C)]
struct Attr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
    util_min: u32,
    util_max: u32,
}

/// sched_setattr(2).
pub(super) fn set_scheduler(pid: i32, wanted: &SchedAttr) -> Result<()> {
    const SIZE: u32 = 56;
    const _: () = assert!(size_of::<Attr>() == SIZE as usize);
    let SchedAttr { policy, flags, nice, priority, runtime, deadline, period, .. } = *wanted;
    let attr = Attr {
        size: SIZE,
        policy,
        flags,
        nice,
        priority,
        runtime,
        deadline,
        period,
        util_min: 0,
        util_max: 0,
    };
    // SAFETY: the kernel reads as many bytes as the structure says it has, and writes at most its
    // size; `attr` outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, pid, &raw const attr, 0) };
    Errno::result(result).map(drop).map_err(|errno| {
        let object = format!("process.scheduler ({})", wanted.name);
        Error::system("sched_setattr", object, errno).with_hint(scheduler_hint(errno))
    })
}

fn scheduler_hint(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM => {
            "realtime policies and a lower nice need CAP_SYS_NICE, on cgroup v1 also cpu.rt_runtime_us; \
             process scheduler can't be used together with AllowedCPUs"
        }
        Errno::EBUSY => "there is not enough realtime capacity left for that runtime and period",
        _ => "the kernel does not know the policy, or its parameters do not fit, see sched(7)",
    }
}

/// ioprio_set(2); `value` is class and level, `name` the class's.
pub(super) fn set_io(pid: i32, value: u16, name: &str) -> Result<()> {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    // SAFETY: plain numbers.
    let result =
        unsafe { libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, pid, i32::from(value)) };
    Errno::result(result).map(drop).map_err(|errno| {
        let hint = "IOPRIO_CLASS_RT needs CAP_SYS_ADMIN or CAP_SYS_NICE";
        Error::system("ioprio_set", format!("process.ioPriority ({name})"), errno).with_hint(hint)
    })
}
