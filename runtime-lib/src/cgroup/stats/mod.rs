//! What a container uses, as its cgroup counts it.
//!
//! The types serialize to the `data` of runc's `events --stats`, key for key: what is zero or absent
//! is left out where runc leaves it out. What differs between cgroup v1 and v2 is said at each field;
//! a controller that the host does not have leaves zeros.

mod blkio;
mod cpu;
mod cpuset;
mod hugetlb;
mod memory;
mod pids;
mod pressure;
mod rdma;

use std::collections::BTreeMap;

use serde::Serialize;

pub use blkio::{Blkio, BlkioEntry};
pub use cpu::{Cpu, CpuUsage, Throttling};
pub use cpuset::CpuSet;
pub use hugetlb::Hugetlb;
pub use memory::{Memory, MemoryUsage};
pub use pids::Pids;
pub use pressure::{Pressure, PressureData};
pub use rdma::RdmaEntry;

use super::files::Files;
use super::layout::Mode;
use super::paths::{Paths, Place};
use crate::error::Result;
use crate::resctrl::IntelRdt;

/// Controllers of v1 that count something.
const COUNTING: [&str; 8] =
    ["cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "hugetlb", "rdma"];

/// All of it at one moment, more or less: the files are read one after the other.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Stats {
    /// Processor time.
    pub cpu: Cpu,
    /// Processors and memory nodes that may be used; v1 only, as in runc.
    pub cpuset: CpuSet,
    /// Memory.
    pub memory: Memory,
    /// Processes and threads.
    pub pids: Pids,
    /// Block devices.
    pub blkio: Blkio,
    /// Huge pages, by page size as the kernel names it (`2MB`).
    pub hugetlb: BTreeMap<String, Hugetlb>,
    /// Caches and memory bandwidth, which are not the cgroup's to count.
    pub intel_rdt: IntelRdt,
    /// RDMA resources in use. Not part of runc's JSON.
    #[serde(skip)]
    pub rdma: Vec<RdmaEntry>,
    /// Limits of RDMA resources, `u32::MAX` for none. Not part of runc's JSON.
    #[serde(skip)]
    pub rdma_limits: Vec<RdmaEntry>,
}

impl Stats {
    /// Reads them. Zeros if the container has no cgroup (rootless).
    pub(crate) fn read(paths: &Paths) -> Result<Self> {
        match (paths.mode, &paths.unified) {
            (Mode::V1, _) => Self::read_v1(paths),
            (Mode::V2, Some(place)) => Self::read_v2(&Files::open(&place.dir)?),
            (Mode::V2, None) => Ok(Self::default()),
        }
    }

    fn read_v1(paths: &Paths) -> Result<Self> {
        let mut stats = Self::default();
        let counts = |place: &&Place| COUNTING.iter().any(|controller| place.has(controller));
        for place in paths.v1.iter().filter(counts) {
            let files = Files::open(&place.dir)?;
            for controller in &place.controllers {
                stats.add_v1(controller, &files)?;
            }
        }
        Ok(stats)
    }

    fn add_v1(&mut self, controller: &str, files: &Files) -> Result<()> {
        match controller {
            "cpu" => self.cpu.throttling = cpu::throttling_v1(files)?,
            "cpuacct" => self.cpu.usage = cpu::usage_v1(files)?,
            "cpuset" => self.cpuset = cpuset::read(files)?,
            "memory" => self.memory = memory::read_v1(files)?,
            "pids" => self.pids = pids::read(files)?,
            "blkio" => self.blkio = blkio::read_v1(files)?,
            "hugetlb" => self.hugetlb = hugetlb::read_v1(files)?,
            "rdma" => (self.rdma, self.rdma_limits) = rdma::read(files)?,
            _ => {}
        }
        Ok(())
    }

    fn read_v2(files: &Files) -> Result<Self> {
        let (rdma, rdma_limits) = rdma::read(files)?;
        Ok(Self {
            cpu: cpu::read_v2(files)?,
            cpuset: CpuSet::default(),
            memory: memory::read_v2(files)?,
            pids: pids::read(files)?,
            blkio: blkio::read_v2(files)?,
            hugetlb: hugetlb::read_v2(files)?,
            intel_rdt: IntelRdt::default(),
            rdma,
            rdma_limits,
        })
    }
}

/// For fields that runc leaves out of its JSON if they are zero.
fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests;
