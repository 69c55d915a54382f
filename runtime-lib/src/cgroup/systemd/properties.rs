//! `linux.resources` as properties of a unit (systemd.resource-control(5)): pure.
//!
//! systemd writes its properties into the cgroup's files whenever it sees a reason to, for instance when it
//! is reloaded. What it has a property for is therefore told to it; the files are written as well, by
//! those who know all limits, since systemd does not have a property for each.

use oci_spec::runtime::{LinuxCpu, LinuxMemory, LinuxResources};
use zbus::Variant;

use super::manager::Property;
use crate::cgroup::convert;
use crate::cgroup::devices::unit::DeviceProperties;
use crate::cgroup::layout::Mode;
use crate::cgroup::resources;
use crate::error::{Error, Result};

/// What a value is checked for; relative to `linux.resources`.
type Field = String;
type Checked<T> = std::result::Result<T, (Field, String)>;

/// First versions of systemd with the property.
mod since {
    pub(super) const QUOTA_PERIOD: u32 = 242;
    pub(super) const ALLOWED_CPUS: u32 = 244;
    pub(super) const IDLE_WEIGHT: u32 = 252;
    pub(super) const OOM_POLICY: u32 = 253;
}

const UNLIMITED: u64 = u64::MAX;
/// As in the kernel's `cpu.max` and `cpu.cfs_period_us`.
const DEFAULT_PERIOD: u64 = 100_000;

/// Whether it depends on systemd's version how these are said.
pub(crate) fn depend_on_version(resources: &LinuxResources) -> bool {
    const KEYS: [&str; 5] =
        ["cpu.idle", "cpu.max", "cpuset.cpus", "cpuset.mems", "memory.oom.group"];
    let unified = resources.unified().as_ref();
    let keyed = unified.is_some_and(|map| KEYS.iter().any(|key| map.contains_key(*key)));
    let cpu = resources.cpu().as_ref().is_some_and(|cpu| {
        let listed = |list: &Option<String>| list.as_deref().is_some_and(|list| !list.is_empty());
        cpu.period().unwrap_or(0) != 0
            || cpu.idle() == Some(1)
            || listed(cpu.cpus())
            || listed(cpu.mems())
    });
    keyed || cpu
}

/// What can be changed while the unit runs, for systemd of that version.
pub(crate) fn of_resources(
    resources: &LinuxResources,
    mode: Mode,
    version: u32,
) -> Result<Vec<Property>> {
    let mut list = List { properties: Vec::new(), mode, version };
    list.resources(resources).map_err(|(field, problem)| Error::Config {
        file: "config.json".into(),
        field: format!("linux.resources.{field}"),
        problem,
    })?;
    Ok(list.properties)
}

/// Device rules. On cgroup v1 systemd would allow all again whenever it is reloaded, if it did not know
/// them. The list is emptied first, since systemd adds to it.
pub(super) fn of_devices(DeviceProperties { policy, allow }: DeviceProperties) -> Vec<Property> {
    let list = |entries: Vec<(String, String)>| ("DeviceAllow".to_owned(), entries.into());
    vec![list(Vec::new()), ("DevicePolicy".to_owned(), policy.into()), list(allow)]
}

/// The same limits, with a quota as systemd has it; `None` if that is the one that was asked for.
pub(crate) fn with_quota_of_unit(resources: &LinuxResources) -> Option<LinuxResources> {
    let cpu = resources.cpu().as_ref()?;
    let asked = u64::try_from(cpu.quota()?).ok()?;
    let period = cpu.period().filter(|period| *period != 0).unwrap_or(DEFAULT_PERIOD);
    let quota = convert::cpu_quota_of_unit(asked, period);
    if quota == asked {
        return None;
    }
    let (mut cpu, mut resources) = (cpu.clone(), resources.clone());
    cpu.set_quota(Some(i64::try_from(quota).ok()?));
    resources.set_cpu(Some(cpu));
    Some(resources)
}

/// `memory.oom.group` as what systemd does itself, which it wants to know from the start.
pub(super) fn oom_policy(resources: &LinuxResources, version: u32) -> Option<Property> {
    let group = resources.unified().as_ref()?.get("memory.oom.group")?;
    let policy = match group.trim() {
        "0" => "continue",
        "1" => "kill",
        _ => return None,
    };
    (version >= since::OOM_POLICY).then(|| ("OOMPolicy".to_owned(), policy.into()))
}

struct List {
    properties: Vec<Property>,
    mode: Mode,
    version: u32,
}

impl List {
    fn push(&mut self, name: &str, value: impl Into<Variant<'static>>) {
        self.properties.push((name.to_owned(), value.into()));
    }

    fn resources(&mut self, resources: &LinuxResources) -> Checked<()> {
        if let Some(memory) = resources.memory() {
            self.memory(memory)?;
        }
        if let Some(cpu) = resources.cpu() {
            self.cpu(cpu)?;
        }
        if let Some(weight) = resources.block_io().as_ref().and_then(|io| io.weight())
            && self.mode == Mode::V1
            && weight != 0
        {
            self.push("BlockIOWeight", u64::from(weight));
        }
        if let Some(pids) = resources.pids() {
            self.push("TasksMax", tasks(pids.limit()));
        }
        let unified =
            resources.unified().iter().flatten().collect::<std::collections::BTreeMap<_, _>>();
        let idle = resources::is_idle(resources) && self.version >= since::IDLE_WEIGHT;
        for (key, value) in unified {
            self.unified(key, value.trim(), idle)
                .map_err(|problem| (format!("unified[{key:?}]"), problem))?;
        }
        Ok(())
    }

    fn memory(&mut self, memory: &LinuxMemory) -> Checked<()> {
        let limit = memory.limit().unwrap_or(0);
        if self.mode == Mode::V1 {
            if limit != 0 {
                self.push("MemoryLimit", bytes(limit));
            }
            return Ok(());
        }
        for (name, value) in
            [("MemoryMax", limit), ("MemoryLow", memory.reservation().unwrap_or(0))]
        {
            if value != 0 {
                self.push(name, bytes(value));
            }
        }
        let swap = convert::swap_max(limit, memory.swap().unwrap_or(0));
        if let Some(swap) = swap.map_err(|e| ("memory.swap".to_owned(), e.to_owned()))? {
            self.push("MemorySwapMax", bytes(swap));
        }
        Ok(())
    }

    fn cpu(&mut self, cpu: &LinuxCpu) -> Checked<()> {
        let shares = cpu.shares().unwrap_or(0);
        if self.mode == Mode::V1 {
            if shares != 0 {
                self.push("CPUShares", shares);
            }
        } else if cpu.idle() == Some(1) && self.version >= since::IDLE_WEIGHT {
            // No weight is what systemd calls idle. cpu.weight has no effect beside it.
            self.push("CPUWeight", 0u64);
        } else if shares != 0 {
            self.push("CPUWeight", convert::cpu_weight(shares));
        }
        self.quota(cpu.quota().unwrap_or(0), cpu.period().unwrap_or(0));
        for (name, field, list) in [
            ("AllowedCPUs", "cpu.cpus", cpu.cpus()),
            ("AllowedMemoryNodes", "cpu.mems", cpu.mems()),
        ] {
            let list = list.as_deref().unwrap_or_default();
            if !list.is_empty() {
                self.set(name, list).map_err(|problem| (field.to_owned(), problem))?;
            }
        }
        Ok(())
    }

    fn quota(&mut self, quota: i64, period: u64) {
        if period != 0 && self.version >= since::QUOTA_PERIOD {
            self.push("CPUQuotaPeriodUSec", period);
        }
        let period_or_default = if period == 0 { DEFAULT_PERIOD } else { period };
        match u64::try_from(quota) {
            Ok(0) if period == 0 => {}
            Ok(0) | Err(_) => self.push("CPUQuotaPerSecUSec", UNLIMITED),
            Ok(quota) => {
                let second = convert::cpu_quota_per_second(quota, period_or_default);
                self.push("CPUQuotaPerSecUSec", second);
            }
        }
    }

    /// A list of CPUs or memory nodes, where systemd can be told of them.
    fn set(&mut self, name: &str, list: &str) -> std::result::Result<(), String> {
        let bits = bits(list)?;
        if self.version >= since::ALLOWED_CPUS {
            self.push(name, bits);
        }
        Ok(())
    }

    /// Keys that systemd has no property for are none of its business.
    fn unified(&mut self, key: &str, value: &str, idle: bool) -> std::result::Result<(), String> {
        let number = || value.parse::<u64>().map_err(|e| format!("{value:?}: {e}"));
        let or_max = || if value == "max" { Ok(UNLIMITED) } else { number() };
        match key {
            "cpu.idle" if idle => self.push("CPUWeight", 0u64),
            "cpu.max" => {
                let (quota, period) = cpu_max(value)?;
                self.quota(quota, period);
            }
            "cpu.weight" if !idle => self.push("CPUWeight", number()?),
            "cpuset.cpus" => self.set("AllowedCPUs", value)?,
            "cpuset.mems" => self.set("AllowedMemoryNodes", value)?,
            "memory.high" => self.push("MemoryHigh", or_max()?),
            "memory.low" => self.push("MemoryLow", or_max()?),
            "memory.min" => self.push("MemoryMin", or_max()?),
            "memory.max" => self.push("MemoryMax", or_max()?),
            "memory.swap.max" => self.push("MemorySwapMax", or_max()?),
            // systemd does not take 0.
            "pids.max" => self.push("TasksMax", or_max()?.max(1)),
            _ => {}
        }
        Ok(())
    }
}

fn tasks(limit: i64) -> u64 {
    u64::try_from(limit).map_or(UNLIMITED, |limit| limit.max(1))
}

fn bytes(limit: i64) -> u64 {
    u64::try_from(limit).unwrap_or(UNLIMITED)
}

/// `QUOTA [PERIOD]` as in cpu.max; a quota of 0 stands for "max".
fn cpu_max(value: &str) -> std::result::Result<(i64, u64), String> {
    let wrong = || format!("{value:?} is not \"QUOTA [PERIOD]\"");
    let mut words = value.split_ascii_whitespace();
    let quota = match words.next().ok_or_else(wrong)? {
        "max" => 0,
        number => number.parse().map_err(|_| wrong())?,
    };
    let period = words.next().map_or(Ok(DEFAULT_PERIOD), str::parse).map_err(|_| wrong())?;
    if words.next().is_some() { Err(wrong()) } else { Ok((quota, period)) }
}

/// `1,3-5` as a bit mask, the lowest byte first. Spaces and empty elements are passed over, as by the
/// kernel.
fn bits(list: &str) -> std::result::Result<Vec<u8>, String> {
    /// Far beyond the kernel's largest NR_CPUS, and MAX_NUMNODES.
    const MAX: usize = 1 << 16;
    let mut mask: Vec<u8> = Vec::new();
    for range in list.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        let wrong = || format!("{list:?}: invalid range {range:?}");
        let number = |text: &str| text.parse::<usize>().ok().filter(|n| *n < MAX).ok_or_else(wrong);
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(wrong());
        }
        mask.resize(mask.len().max(last / 8 + 1), 0);
        for bit in first..=last {
            if let Some(byte) = mask.get_mut(bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }
    if mask.is_empty() { Err(format!("{list:?}: names nothing")) } else { Ok(mask) }
}

#[cfg(test)]
#[path = "properties_tests.rs"]
mod tests;
