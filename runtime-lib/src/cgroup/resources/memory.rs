//! `memory`.
//!
//! On v1 the kernel compares the limits of memory and of memory+swap with each other: which has to go
//! first depends on what is there. They are written in the order that a fresh cgroup takes; what is
//! refused with EINVAL is tried again after the others (see `apply`).

use oci_spec::runtime::LinuxMemory;

use super::{Missing, Settings, UsageCheck, set};
use crate::cgroup::convert;
use crate::error::{Error, Result};

const MEMORY: &str = "memory";

pub(super) fn compile(memory: &LinuxMemory, to: &mut Settings) -> Result<()> {
    // Linux 5.11 took the choice away.
    if memory.use_hierarchy() == Some(false) {
        let reason = "memory is always accounted hierarchically since Linux 5.11";
        return Err(Error::unsupported("linux.resources.memory.useHierarchy", reason));
    }
    let limits = |value: Option<i64>| value.is_some_and(|bytes| bytes > 0);
    // The file is there on v1, and writes to it succeed without any effect.
    #[allow(deprecated)] // It is refused.
    if limits(memory.kernel()) {
        let reason =
            "kernel memory has no limit of its own since Linux 5.16: memory.limit counts it";
        return Err(Error::unsupported("linux.resources.memory.kernel", reason));
    }
    if to.is_v1() { v1(memory, to) } else { v2(memory, to) }
}

fn v1(memory: &LinuxMemory, to: &mut Settings) -> Result<()> {
    let (limit, swap) = (memory.limit(), memory.swap());
    bytes(to, "memory.limit", "memory.limit_in_bytes", limit)?;
    if set(limit) == Some(-1) && set(swap).is_none() {
        // As on v2, and as runc: without a limit of memory there is none of memory+swap either.
        to.push_unlimited(MEMORY, "memory.limit", "memory.memsw.limit_in_bytes", -1);
    }
    bytes(to, "memory.swap", "memory.memsw.limit_in_bytes", swap)?;
    bytes(to, "memory.reservation", "memory.soft_limit_in_bytes", memory.reservation())?;
    bytes(to, "memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp())?;
    match memory.disable_oom_killer() {
        Some(true) => to.push(MEMORY, "memory.disableOOMKiller", "memory.oom_control", 1),
        Some(false) => {
            to.push_unlimited(MEMORY, "memory.disableOOMKiller", "memory.oom_control", 0);
        }
        None => {}
    }
    if let Some(value) = swappiness(memory, to)? {
        to.push(MEMORY, "memory.swappiness", "memory.swappiness", value);
    }
    Ok(())
}

fn v2(memory: &LinuxMemory, to: &mut Settings) -> Result<()> {
    let limit = checked(to, "memory.limit", memory.limit())?;
    let swap = checked(to, "memory.swap", memory.swap())?;
    if memory.check_before_update() == Some(true) {
        let positive = |limit: i64| u64::try_from(limit).ok().filter(|limit| *limit > 0);
        let check = |(what, limit)| Some(UsageCheck { what, limit: positive(limit)? });
        to.usage_checks
            .extend([("memory+swap", swap), ("memory", limit)].into_iter().filter_map(check));
    }
    match convert::swap_max(limit, swap).map_err(|why| to.invalid("memory.swap", why))? {
        // Where swap is not accounted, 0 has nothing to forbid.
        Some(0) => {
            let file = "memory.swap.max".into();
            to.add(MEMORY, "memory.swap".into(), file, "0".into(), Missing::Unlimited);
        }
        Some(-1) => to.push_unlimited(MEMORY, "memory.swap", "memory.swap.max", "max"),
        Some(bytes) => to.push(MEMORY, "memory.swap", "memory.swap.max", bytes),
        None => {}
    }
    match limit {
        0 => {}
        -1 => to.push_unlimited(MEMORY, "memory.limit", "memory.max", "max"),
        bytes => to.push(MEMORY, "memory.limit", "memory.max", bytes),
    }
    match checked(to, "memory.reservation", memory.reservation())? {
        0 => {}
        // What runc writes; here it is no limit that goes, but all memory that is reserved.
        -1 => to.push(MEMORY, "memory.reservation", "memory.low", "max"),
        bytes => to.push(MEMORY, "memory.reservation", "memory.low", bytes),
    }
    v1_only(memory, to)
}

fn v1_only(memory: &LinuxMemory, to: &Settings) -> Result<()> {
    let limits = |value: Option<i64>| value.is_some_and(|bytes| bytes > 0);
    for (field, wanted) in [
        ("memory.kernelTCP", limits(memory.kernel_tcp())),
        ("memory.swappiness", swappiness(memory, to)?.is_some()),
        ("memory.disableOOMKiller", memory.disable_oom_killer() == Some(true)),
    ] {
        if wanted {
            return Err(to.only("v1", field));
        }
    }
    Ok(())
}

/// A limit of v1, where the kernel understands -1.
fn bytes(
    to: &mut Settings,
    field: &'static str,
    file: &'static str,
    value: Option<i64>,
) -> Result<()> {
    match checked(to, field, value)? {
        0 => {}
        -1 => to.push_unlimited(MEMORY, field, file, -1),
        bytes => to.push(MEMORY, field, file, bytes),
    }
    Ok(())
}

fn checked(to: &Settings, field: &str, value: Option<i64>) -> Result<i64> {
    match value.unwrap_or(0) {
        ..-1 => Err(to.invalid(field, "must be bytes, or -1 for no limit")),
        value => Ok(value),
    }
}

/// All bits set is how older Docker wrote -1, "unset".
fn swappiness(memory: &LinuxMemory, to: &Settings) -> Result<Option<u64>> {
    match memory.swappiness() {
        None | Some(u64::MAX) => Ok(None),
        Some(value @ 0..=100) => Ok(Some(value)),
        Some(value) => {
            let problem =
                format!("invalid memory swappiness value: {value} (valid range is 0-100)");
            Err(to.invalid("memory.swappiness", problem))
        }
    }
}
