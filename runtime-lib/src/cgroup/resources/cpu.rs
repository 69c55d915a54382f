//! `cpu`, but for cpusets.
//!
//! The kernel checks period, burst and quota against each other at every write: what comes too early is tried
//! again after the others (see `apply`). It takes no weight for an idle cgroup.

use oci_spec::runtime::{LinuxCpu, LinuxResources};

use super::{Settings, set};
use crate::cgroup::convert;
use crate::error::Result;

const CPU: &str = "cpu";

/// The period that a quota without one is meant for, in microseconds, and the kernel's own.
const DEFAULT_PERIOD: u64 = 100_000;

/// Files of the weight that an idle cgroup does not have.
const WEIGHT: [&str; 3] = ["cpu.shares", "cpu.weight", "cpu.weight.nice"];

/// Whether an idle cgroup is asked for, by the field or, which counts for more, by `unified`.
pub(crate) fn is_idle(resources: &LinuxResources) -> bool {
    let file = resources.unified().as_ref().and_then(|files| files.get("cpu.idle"));
    let field = resources.cpu().as_ref().and_then(LinuxCpu::idle);
    file.map_or(field == Some(1), |value| value.trim() == "1")
}

/// What to say where a weight is asked for as well. The words are runc's.
pub(crate) fn weight_of_idle(resources: &LinuxResources) -> Option<&'static str> {
    let shares = resources.cpu().as_ref().and_then(|cpu| set(cpu.shares())).is_some();
    let files = resources.unified().iter().flatten();
    let weight = shares || files.into_iter().any(|(name, _)| WEIGHT.contains(&name.as_str()));
    let text = "unable to apply both cpu.weight and cpu.idle, ignoring cpu.weight";
    (weight && is_idle(resources)).then_some(text)
}

/// Leaves out the weight of an idle cgroup, which the kernel refuses and which would have no effect.
pub(super) fn without_weight_of_idle(resources: &LinuxResources, to: &mut Settings) {
    if is_idle(resources) {
        to.list.retain(|setting| !WEIGHT.contains(&&*setting.file));
    }
}

pub(super) fn compile(cpu: &LinuxCpu, to: &mut Settings) -> Result<()> {
    if to.is_v1() { v1(cpu, to) } else { v2(cpu, to) }
}

fn v1(cpu: &LinuxCpu, to: &mut Settings) -> Result<()> {
    if let Some(shares) = set(cpu.shares()) {
        to.push(CPU, "cpu.shares", "cpu.shares", possible_shares(to, shares)?);
    }
    if let Some(period) = set(cpu.period()) {
        to.push(CPU, "cpu.period", "cpu.cfs_period_us", period);
    }
    burst(cpu, to, "cpu.cfs_burst_us");
    match set(cpu.quota()) {
        Some(..0) => to.push_unlimited(CPU, "cpu.quota", "cpu.cfs_quota_us", -1),
        Some(quota) => to.push(CPU, "cpu.quota", "cpu.cfs_quota_us", quota),
        None => {}
    }
    idle(cpu, to)?;
    // A new cgroup has no realtime at all: a period needs a runtime, and -1 is as much as there is.
    if let Some(period) = set(cpu.realtime_period()) {
        to.push(CPU, "cpu.realtimePeriod", "cpu.rt_period_us", period);
    }
    if let Some(runtime) = set(cpu.realtime_runtime()) {
        to.push(CPU, "cpu.realtimeRuntime", "cpu.rt_runtime_us", runtime);
    }
    Ok(())
}

fn v2(cpu: &LinuxCpu, to: &mut Settings) -> Result<()> {
    if let Some(shares) = set(cpu.shares()) {
        to.push(CPU, "cpu.shares", "cpu.weight", convert::cpu_weight(shares));
    }
    idle(cpu, to)?;
    burst(cpu, to, "cpu.max.burst");
    let (quota, period) = (set(cpu.quota()), set(cpu.period()));
    let period_or_default = period.unwrap_or(DEFAULT_PERIOD);
    match quota {
        Some(quota @ 1..) => {
            to.push(CPU, "cpu.quota", "cpu.max", format!("{quota} {period_or_default}"));
        }
        _ if period.is_some() => {
            to.push(CPU, "cpu.period", "cpu.max", format!("max {period_or_default}"));
        }
        Some(_) => {
            let value = format!("max {period_or_default}");
            to.push_unlimited(CPU, "cpu.quota", "cpu.max", value);
        }
        None => {}
    }
    let realtime = [
        ("cpu.realtimePeriod", set(cpu.realtime_period()).is_some()),
        ("cpu.realtimeRuntime", set(cpu.realtime_runtime()).is_some()),
    ];
    match realtime.iter().find(|(_, wanted)| *wanted) {
        Some((field, _)) => Err(to.only("v1", field)),
        None => Ok(()),
    }
}

/// The kernel would silently take the nearest that it has (MIN_SHARES, MAX_SHARES in
/// kernel/sched/sched.h). The words are runc's.
fn possible_shares(to: &Settings, shares: u64) -> Result<u64> {
    let wrong = |what: &str, end: u64| {
        to.invalid("cpu.shares", format!("the {what} allowed cpu-shares is {end}"))
    };
    match shares {
        ..2 => Err(wrong("minimum", 2)),
        262_145.. => Err(wrong("maximum", 262_144)),
        _ => Ok(shares),
    }
}

fn burst(cpu: &LinuxCpu, to: &mut Settings, file: &'static str) {
    match cpu.burst() {
        Some(0) => to.push_unlimited(CPU, "cpu.burst", file, 0),
        Some(burst) => to.push(CPU, "cpu.burst", file, burst),
        None => {}
    }
}

fn idle(cpu: &LinuxCpu, to: &mut Settings) -> Result<()> {
    match cpu.idle() {
        Some(0) => to.push_unlimited(CPU, "cpu.idle", "cpu.idle", 0),
        Some(1) => to.push(CPU, "cpu.idle", "cpu.idle", 1),
        Some(value) => return Err(to.invalid("cpu.idle", format!("must be 0 or 1, is {value}"))),
        None => {}
    }
    Ok(())
}
