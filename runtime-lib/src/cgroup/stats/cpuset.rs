//! The cpuset controller of v1.

use serde::Serialize;

use crate::cgroup::files::Files;
use crate::error::Result;

/// Processors and memory nodes, and the flags of the controller (0 or 1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CpuSet {
    /// Numbers of the processors that may be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u16>,
    /// No sibling cgroup may use the same processors.
    pub cpu_exclusive: u64,
    /// Numbers of the memory nodes that may be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mems: Vec<u16>,
    /// Kernel memory comes from those nodes, too.
    pub mem_hardwall: u64,
    /// No sibling cgroup may use the same nodes.
    pub mem_exclusive: u64,
    /// Pages move along when the nodes change.
    pub memory_migrate: u64,
    /// The page cache is spread over the nodes.
    pub memory_spread_page: u64,
    /// Slab caches are spread over the nodes.
    pub memory_spread_slab: u64,
    /// Direct reclaims a second, times 1000, if the root cgroup has that counting turned on.
    pub memory_pressure: u64,
    /// The scheduler balances load over the processors.
    pub sched_load_balance: u64,
    /// How far the scheduler looks for idle processors, -1 for its default.
    pub sched_relax_domain_level: i64,
}

pub(super) fn read(files: &Files) -> Result<CpuSet> {
    let flag = |name: &str| files.number(name).map(Option::unwrap_or_default);
    let list = |name: &str| files.parsed(name, numbers).map(Option::unwrap_or_default);
    let level = |text: &str| text.trim().parse().ok();
    Ok(CpuSet {
        cpus: list("cpuset.cpus")?,
        cpu_exclusive: flag("cpuset.cpu_exclusive")?,
        mems: list("cpuset.mems")?,
        mem_hardwall: flag("cpuset.mem_hardwall")?,
        mem_exclusive: flag("cpuset.mem_exclusive")?,
        memory_migrate: flag("cpuset.memory_migrate")?,
        memory_spread_page: flag("cpuset.memory_spread_page")?,
        memory_spread_slab: flag("cpuset.memory_spread_slab")?,
        memory_pressure: flag("cpuset.memory_pressure")?,
        sched_load_balance: flag("cpuset.sched_load_balance")?,
        sched_relax_domain_level: files
            .parsed("cpuset.sched_relax_domain_level", level)?
            .unwrap_or_default(),
    })
}

/// `0-3,7`. Empty only for a cpuset that was never set up.
fn numbers(text: &str) -> Option<Vec<u16>> {
    let mut numbers = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
        // Each number stands there once: a damaged list must not fill memory.
        if first > last || numbers.len() > usize::from(u16::MAX) {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_and_ranges() {
        assert_eq!(numbers("0-3,7,9-9\n"), Some(vec![0, 1, 2, 3, 7, 9]));
        assert_eq!(numbers("\n"), Some(vec![]));
        assert_eq!(numbers("0-65535").map(|list| list.len()), Some(65536));
        for wrong in ["3-1", "a", "1-", "-1", "65536", "1-2-3"] {
            assert_eq!(numbers(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_damaged_list_does_not_fill_memory() {
        assert_eq!(numbers(&"0-65535,".repeat(10_000)), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*|[-0-9,]*") {
            let _ = numbers(&text);
        }

        #[test]
        fn what_the_kernel_writes_is_read(list in proptest::collection::btree_set(any::<u16>(), 0..50)) {
            let text = list.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
            prop_assert_eq!(numbers(&text), Some(list.into_iter().collect()));
        }
    }
}
