//! What a group has and uses, under the names of runc's `events --stats` (`intel_rdt`).

use std::path::Path;

use nix::errno::Errno;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::fdio;

/// Empty for a container that is in no group of its own. What the hardware does not have is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IntelRdt {
    /// What there is to share out of the L3 cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l3_cache_info: Option<L3CacheInfo>,
    /// The default group's line for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub l3_cache_schema_root: String,
    /// The group's line for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub l3_cache_schema: String,
    /// What there is to share out of memory bandwidth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem_bw_info: Option<MemoryBandwidthInfo>,
    /// The default group's line for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mem_bw_schema_root: String,
    /// The group's line for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mem_bw_schema: String,
    /// All lines of the group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemata: Vec<String>,
    /// Memory traffic in each domain of the L3 cache, of the container alone if its config has
    /// `enableMonitoring`, or else of the whole group. Domains that the hardware cannot count at the
    /// moment ("Unavailable") are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mbm_stats: Option<Vec<MemoryBandwidth>>,
    /// What it occupies of the cache, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmt_stats: Option<Vec<CacheOccupancy>>,
}

/// `info/L3`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct L3CacheInfo {
    /// All bits that a share may have, hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cbm_mask: String,
    /// The fewest that one may have.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_cbm_bits: u64,
    /// How many groups there may be.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_closids: u64,
}

/// `info/MB`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemoryBandwidthInfo {
    /// Shares are multiples of this, in percent.
    #[serde(skip_serializing_if = "is_zero")]
    pub bandwidth_gran: u64,
    /// 1 if the delay grows with the share that is taken away.
    #[serde(skip_serializing_if = "is_zero")]
    pub delay_linear: u64,
    /// The least that one may have, in percent.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_bandwidth: u64,
    /// How many groups there may be.
    #[serde(skip_serializing_if = "is_zero")]
    pub num_closids: u64,
}

/// Counters of one domain, in bytes since the group was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MemoryBandwidth {
    /// To and from all memory.
    pub mbm_total_bytes: u64,
    /// To and from that of the domain's own node.
    pub mbm_local_bytes: u64,
}

/// A domain's cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CacheOccupancy {
    /// In bytes.
    pub llc_occupancy: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

pub(super) fn read(mount: &Path, dir: &Path, monitoring: Option<&Path>) -> Result<IntelRdt> {
    let (root, own) = (text(&mount.join("schemata"))?, text(&dir.join("schemata"))?);
    let mut stats = IntelRdt {
        schemata: own.lines().map(|line| line.trim().to_owned()).collect(),
        ..IntelRdt::default()
    };
    let (l3, mb) = (mount.join("info/L3"), mount.join("info/MB"));
    if l3.is_dir() {
        stats.l3_cache_info = Some(L3CacheInfo {
            cbm_mask: text(&l3.join("cbm_mask"))?,
            min_cbm_bits: number(&l3.join("min_cbm_bits"))?,
            num_closids: number(&l3.join("num_closids"))?,
        });
        (stats.l3_cache_schema_root, stats.l3_cache_schema) = (line(&root, "L3"), line(&own, "L3"));
    }
    if mb.is_dir() {
        stats.mem_bw_info = Some(MemoryBandwidthInfo {
            bandwidth_gran: number(&mb.join("bandwidth_gran"))?,
            delay_linear: number(&mb.join("delay_linear"))?,
            min_bandwidth: number(&mb.join("min_bandwidth"))?,
            num_closids: number(&mb.join("num_closids"))?,
        });
        (stats.mem_bw_schema_root, stats.mem_bw_schema) = (line(&root, "MB"), line(&own, "MB"));
    }
    count(&mut stats, mount, monitoring.unwrap_or(dir))?;
    Ok(stats)
}

/// Counters, if the hardware has any.
fn count(stats: &mut IntelRdt, mount: &Path, group: &Path) -> Result<()> {
    let features = match text(&mount.join("info/L3_MON/mon_features")) {
        Err(e) if e.errno() == Some(Errno::ENOENT) => return Ok(()),
        other => other?,
    };
    let counts = |name: &str| features.lines().any(|feature| feature == name);
    let (total, local) = (counts("mbm_total_bytes"), counts("mbm_local_bytes"));
    let domains = domains(&group.join("mon_data"))?;
    let read = |name: &str, there: bool| -> Result<Vec<Option<u64>>> {
        let value = |domain| {
            if there {
                counter(&group.join("mon_data").join(domain).join(name))
            } else {
                Ok(Some(0))
            }
        };
        domains.iter().map(value).collect()
    };
    if total || local {
        let pairs =
            read("mbm_total_bytes", total)?.into_iter().zip(read("mbm_local_bytes", local)?);
        let pairs = pairs.filter_map(|(total, local)| {
            Some(MemoryBandwidth { mbm_total_bytes: total?, mbm_local_bytes: local? })
        });
        stats.mbm_stats = Some(pairs.collect());
    }
    if counts("llc_occupancy") {
        let values = read("llc_occupancy", true)?.into_iter().flatten();
        stats.cmt_stats =
            Some(values.map(|llc_occupancy| CacheOccupancy { llc_occupancy }).collect());
    }
    Ok(())
}

/// `mon_L3_00` and its like, in their order.
fn domains(dir: &Path) -> Result<Vec<String>> {
    let failed = |e: &std::io::Error| Error::io("read", dir, e);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|e| failed(&e))? {
        let name = entry.map_err(|e| failed(&e))?.file_name().to_string_lossy().into_owned();
        if name.starts_with("mon_L3_") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The last line that speaks of a resource, as runc takes it: one of several if code and data have
/// lines of their own.
fn line(schemata: &str, resource: &str) -> String {
    let mut lines = schemata.lines().filter(|line| line.contains(resource));
    lines.next_back().map_or_else(String::new, |line| line.trim().to_owned())
}

pub(super) fn text(file: &Path) -> Result<String> {
    let bytes = fdio::read(file).map_err(|e| Error::system("read", file.display(), e))?;
    Ok(String::from_utf8_lossy(&bytes).trim_matches(['\n', '\0']).to_owned())
}

fn number(file: &Path) -> Result<u64> {
    let text = text(file)?;
    text.trim().parse().map_err(|_| {
        Error::unsupported("events", format!("{}: {text:?} is no number", file.display()))
    })
}

/// `None` if the hardware cannot tell.
fn counter(file: &Path) -> Result<Option<u64>> {
    text(file).map(|text| text.trim().parse().ok())
}
