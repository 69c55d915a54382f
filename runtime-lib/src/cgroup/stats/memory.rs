//! Memory, by the files of v1 and v2.

use std::collections::BTreeMap;

use serde::Serialize;

use super::is_zero;
use super::pressure::{self, Pressure};
use crate::cgroup::files::Files;
use crate::error::Result;

/// Memory, in bytes where nothing else is said.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Memory {
    /// The page cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache: u64,
    /// All memory.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: MemoryUsage,
    /// Memory and swap together, also on v2, whose kernel counts them apart. There the maximum is
    /// unknown (0).
    #[serde(skip_serializing_if = "is_zero")]
    pub swap: MemoryUsage,
    /// Swap alone. Not part of runc's JSON.
    #[serde(skip)]
    pub swap_only: MemoryUsage,
    /// The kernel's own; v1 only.
    #[serde(skip_serializing_if = "is_zero")]
    pub kernel: MemoryUsage,
    /// Buffers of TCP sockets; v1 only.
    #[serde(rename = "kernelTCP", skip_serializing_if = "is_zero")]
    pub kernel_tcp: MemoryUsage,
    /// All of `memory.stat`, in the units it has.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw: BTreeMap<String, u64>,
    /// How long processes waited for memory; v2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psi: Option<Pressure>,
}

/// One kind of memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemoryUsage {
    /// Bytes that may be used. Without a limit, the highest multiple of the page size on v1, and
    /// `u64::MAX` on v2.
    pub limit: u64,
    /// Bytes in use.
    #[serde(skip_serializing_if = "is_zero")]
    pub usage: u64,
    /// The most that was ever in use; on v2 since Linux 5.19, swap 6.5, before it 0.
    #[serde(skip_serializing_if = "is_zero")]
    pub max: u64,
    /// How often the limit was hit; v1 only.
    pub failcnt: u64,
}

pub(super) fn read_v1(files: &Files) -> Result<Memory> {
    let raw = files.table("memory.stat")?.unwrap_or_default();
    let usage = usage_v1(files, "memory")?;
    let swap = usage_v1(files, "memory.memsw")?;
    let swap_only = MemoryUsage {
        usage: swap.usage.saturating_sub(usage.usage),
        failcnt: swap.failcnt.saturating_sub(usage.failcnt),
        ..MemoryUsage::default()
    };
    Ok(Memory {
        cache: raw.get("cache").copied().unwrap_or_default(),
        usage,
        swap,
        swap_only,
        kernel: usage_v1(files, "memory.kmem")?,
        kernel_tcp: usage_v1(files, "memory.kmem.tcp")?,
        raw,
        psi: None,
    })
}

/// Swap and kernel memory are counted only where the kernel is configured for it.
fn usage_v1(files: &Files, prefix: &str) -> Result<MemoryUsage> {
    let number = |name| files.number(&format!("{prefix}.{name}")).map(Option::unwrap_or_default);
    Ok(MemoryUsage {
        limit: number("limit_in_bytes")?,
        usage: number("usage_in_bytes")?,
        max: number("max_usage_in_bytes")?,
        failcnt: number("failcnt")?,
    })
}

pub(super) fn read_v2(files: &Files) -> Result<Memory> {
    let psi = pressure::read(files, "memory.pressure")?;
    // The rest is there only if the controller is.
    let Some(raw) = files.table("memory.stat")? else {
        return Ok(Memory { psi, ..Memory::default() });
    };
    let usage = usage_v2(files, "memory")?;
    let swap_only = usage_v2(files, "memory.swap")?;
    Ok(Memory {
        cache: raw.get("file").copied().unwrap_or_default(),
        usage,
        swap: together(usage, swap_only),
        swap_only,
        raw,
        psi,
        ..Memory::default()
    })
}

fn usage_v2(files: &Files, prefix: &str) -> Result<MemoryUsage> {
    let number = |name| files.number(&format!("{prefix}.{name}")).map(Option::unwrap_or_default);
    Ok(MemoryUsage {
        limit: number("max")?,
        usage: number("current")?,
        max: number("peak")?,
        failcnt: 0,
    })
}

/// Both as v1 counts them. Their two maxima need not have been at the same time.
fn together(memory: MemoryUsage, swap: MemoryUsage) -> MemoryUsage {
    MemoryUsage {
        limit: swap.limit.saturating_add(memory.limit),
        usage: swap.usage.saturating_add(memory.usage),
        max: 0,
        failcnt: swap.failcnt,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn memory_and_swap_without_a_limit_have_none_together() {
        let memory = MemoryUsage { limit: 100, usage: 60, max: 70, failcnt: 0 };
        let swap = MemoryUsage { limit: 50, usage: 5, max: 9, failcnt: 0 };
        let expected = MemoryUsage { limit: 150, usage: 65, max: 0, failcnt: 0 };
        assert_eq!(together(memory, swap), expected);
        for (a, b) in [(100, u64::MAX), (u64::MAX, 50), (u64::MAX, u64::MAX)] {
            let limit = |limit| MemoryUsage { limit, ..MemoryUsage::default() };
            assert_eq!(together(limit(a), limit(b)).limit, u64::MAX);
        }
    }

    proptest! {
        #[test]
        fn adding_never_overflows(a in any::<[u64; 4]>(), b in any::<[u64; 4]>()) {
            let of = |[limit, usage, max, failcnt]: [u64; 4]| MemoryUsage { limit, usage, max, failcnt };
            prop_assert!(together(of(a), of(b)).usage >= of(a).usage);
        }
    }
}
