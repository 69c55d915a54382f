//! Processor time: cpuacct and cpu of v1, `cpu.stat` of v2.

use serde::Serialize;

use super::is_zero;
use super::pressure::{self, Pressure};
use crate::cgroup::files::{Files, number};
use crate::error::Result;

/// `cpuacct.stat` counts in USER_HZ, which is 100 for every architecture.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

/// Processor time since the cgroup was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Cpu {
    /// Time that was used.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: CpuUsage,
    /// What a quota took away.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttling: Throttling,
    /// How long processes waited for a processor; v2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// Times in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CpuUsage {
    /// All of it.
    #[serde(skip_serializing_if = "is_zero")]
    pub total: u64,
    /// By processor; v1 only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu: Vec<u64>,
    /// In the kernel, by processor; v1 only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_kernel: Vec<u64>,
    /// Outside the kernel, by processor; v1 only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub percpu_user: Vec<u64>,
    /// In the kernel. On v1 in steps of 10 ms.
    pub kernel: u64,
    /// Outside the kernel. On v1 in steps of 10 ms.
    pub user: u64,
}

/// What a quota took away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Throttling {
    /// Periods in which a quota was in force.
    #[serde(skip_serializing_if = "is_zero")]
    pub periods: u64,
    /// Periods in which it was used up.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_periods: u64,
    /// Nanoseconds for which processes had to wait, added up.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled_time: u64,
}

pub(super) fn usage_v1(files: &Files) -> Result<CpuUsage> {
    let ticks = files.table("cpuacct.stat")?.unwrap_or_default();
    let time = |name| ticks.get(name).map_or(0, |n| n.saturating_mul(NANOSECONDS_PER_TICK));
    let (percpu_user, percpu_kernel) =
        files.parsed("cpuacct.usage_all", by_mode)?.unwrap_or_default();
    Ok(CpuUsage {
        total: files.number("cpuacct.usage")?.unwrap_or_default(),
        percpu: files.parsed("cpuacct.usage_percpu", numbers)?.unwrap_or_default(),
        percpu_kernel,
        percpu_user,
        kernel: time("system"),
        user: time("user"),
    })
}

pub(super) fn throttling_v1(files: &Files) -> Result<Throttling> {
    let table = files.table("cpu.stat")?.unwrap_or_default();
    let value = |name| table.get(name).copied().unwrap_or_default();
    Ok(Throttling {
        periods: value("nr_periods"),
        throttled_periods: value("nr_throttled"),
        throttled_time: value("throttled_time"),
    })
}

/// `cpu.stat` is there even where the controller is not enabled.
pub(super) fn read_v2(files: &Files) -> Result<Cpu> {
    let table = files.table("cpu.stat")?.unwrap_or_default();
    let value = |name| table.get(name).copied().unwrap_or_default();
    let nanoseconds = |name| value(name).saturating_mul(1000);
    Ok(Cpu {
        usage: CpuUsage {
            total: nanoseconds("usage_usec"),
            kernel: nanoseconds("system_usec"),
            user: nanoseconds("user_usec"),
            ..CpuUsage::default()
        },
        throttling: Throttling {
            periods: value("nr_periods"),
            throttled_periods: value("nr_throttled"),
            throttled_time: nanoseconds("throttled_usec"),
        },
        psi: pressure::read(files, "cpu.pressure")?,
    })
}

fn numbers(text: &str) -> Option<Vec<u64>> {
    text.split_ascii_whitespace().map(number).collect()
}

/// User and kernel times, from a table with the head `cpu user system` and a line a processor.
fn by_mode(text: &str) -> Option<(Vec<u64>, Vec<u64>)> {
    let mut lines = text.lines();
    if !lines.next()?.starts_with("cpu user system") {
        return None;
    }
    let pair = |line: &str| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        Some((number(columns.next()?)?, number(columns.next()?)?))
    };
    lines.map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn per_processor_times_are_split_by_mode() {
        let text = "cpu user system\n0 15 7\n1 20 0\n";
        assert_eq!(by_mode(text), Some((vec![15, 20], vec![7, 0])));
        assert_eq!(by_mode("cpu user system more\n0 1 2 3\n"), Some((vec![1], vec![2])));
        assert_eq!(by_mode("0 1 2\n"), None);
        assert_eq!(by_mode(""), None);
    }

    #[test]
    fn processors_stand_in_one_line() {
        assert_eq!(numbers("1 2 3 \n"), Some(vec![1, 2, 3]));
        assert_eq!(numbers("\n"), Some(vec![]));
        assert_eq!(numbers("1 x"), None);
    }

    proptest! {
        #[test]
        fn parsers_never_panic(text in "\\PC*|(cpu user system\n)?[-a-z0-9 \n]*") {
            let _ = (numbers(&text), by_mode(&text));
        }
    }
}
