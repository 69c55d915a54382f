//! update: other limits for a container that is there.

use oci_spec::runtime::LinuxResources;

use super::limits::{resources_of, spares_devices};
use super::start::{frozen_config, record_of};
use super::{CacheShares, Container, Runtime};
use crate::cgroup::resources::{self, Target};
use crate::cgroup::{Cgroup, Mode, Paths, devices, systemd};
use crate::error::{Error, Result};
use crate::resctrl::{Group, Schemata};
use crate::state::{Status, status};

/// The document of updates, for messages.
const DOCUMENT: &str = "update";

pub(super) fn update(
    container: &Container,
    wanted: &LinuxResources,
    shares: &CacheShares,
) -> Result<()> {
    let entry = container.entry()?;
    let lock = entry.lock()?;
    let mut record = record_of(&entry)?;
    if status(&entry, Some(&record), Some(&lock))? == Status::Stopped {
        return Err(Error::NotRunning);
    }
    let schemata = Schemata::of_update(&shares.l3_cache_schema, &shares.mem_bw_schema);
    check_shares(&schemata, record.resctrl.as_ref())?;
    let old = match record.resources.take() {
        Some(earlier) => earlier,
        None => resources_of(&frozen_config(&entry, &record.rootfs)?).cloned().unwrap_or_default(),
    };
    let new = resources::merged(&old, wanted);
    let target = Target { mode: record.cgroup.mode, fresh: false, document: DOCUMENT };
    let paths = &record.cgroup;
    let asked = resources::widened(wanted, &new);
    let rounded = paths.unit.as_ref().and_then(|_| systemd::with_quota_of_unit(&asked));
    let settings = resources::compile(rounded.as_ref().unwrap_or(&asked), target)?;
    resources::check(paths, &settings)?;
    let applied = update_unit(&container.runtime, paths, &old, &new, &asked)
        .and_then(|()| update_devices(&container.runtime, paths, &old, &new))
        .and_then(|()| resources::apply(paths, &settings))
        .and_then(|()| update_shares(&schemata, record.resctrl.as_ref()));
    if let Err(e) = applied {
        let _ = update_unit(&container.runtime, paths, &new, &old, &old);
        let _ = update_devices(&container.runtime, paths, &new, &old);
        if let Ok(before) = resources::compile(&old, target) {
            resources::restore(paths, &before, &settings);
        }
        return Err(e);
    }
    resources::weight_of_idle(&asked).iter().for_each(|text| container.runtime.warn(text));
    record.resources = Some(new);
    entry.write_record(&record)
}

/// The words are runc's.
fn check_shares(schemata: &Schemata, group: Option<&Group>) -> Result<()> {
    if schemata.is_empty() || group.is_some() {
        return Ok(());
    }
    let reason = "updating a non-existent Intel RDT configuration is not supported";
    Err(Error::unsupported("linux.intelRdt", reason))
}

/// Last, since it takes back by itself what it could do only in part.
fn update_shares(schemata: &Schemata, group: Option<&Group>) -> Result<()> {
    match group {
        Some(group) if !schemata.is_empty() => group.update(schemata),
        _ => Ok(()),
    }
}

/// systemd would bring back what it knows.
fn update_unit(
    runtime: &Runtime,
    paths: &Paths,
    old: &LinuxResources,
    new: &LinuxResources,
    asked: &LinuxResources,
) -> Result<()> {
    if paths.unit.is_none() {
        return Ok(());
    }
    let changed = new.devices() != old.devices() && !spares_devices(&runtime.host());
    let rules = changed.then(|| new.devices().as_deref().unwrap_or_default());
    Cgroup::open(paths.clone()).update_unit(asked, rules)
}

/// Rules that stay as they are, as engines send them along, are not written again: others may have
/// added devices since (runc leaves devices alone for that). On v1 nothing is allowed while they are
/// written: no process may notice.
fn update_devices(
    runtime: &Runtime,
    paths: &Paths,
    old: &LinuxResources,
    new: &LinuxResources,
) -> Result<()> {
    if new.devices() == old.devices() {
        return Ok(());
    }
    let rules = new.devices().as_deref().unwrap_or_default();
    let apply = || devices::apply(paths, rules, spares_devices(&runtime.host()));
    if paths.mode == Mode::V2 || paths.is_frozen()? {
        return apply();
    }
    let cgroup = Cgroup::open(paths.clone());
    cgroup.freeze()?;
    let applied = apply();
    cgroup.thaw().and(applied)
}
