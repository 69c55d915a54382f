//! Which cgroup a container gets.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use super::{CgroupManager, Runtime};
use crate::cgroup::systemd::{Manager, Unit, require_booted};
use crate::cgroup::{Layout, Mode, Paths};
use crate::error::{Error, Result};
use crate::host::HostFacts;
use crate::id::ContainerId;

/// The container's directories, by the driver that the runtime was told to use.
pub(super) fn places(
    runtime: &Runtime,
    layout: &Layout,
    spec: &Spec,
    id: &ContainerId,
    host: &HostFacts,
) -> Result<Paths> {
    let path = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().as_deref());
    match runtime.options.cgroup_manager {
        CgroupManager::Cgroupfs => Paths::resolve(layout, path, id, host.rootless),
        CgroupManager::Systemd => of_unit(layout, path, id, host.rootless),
        CgroupManager::Disabled => Paths::none(layout, path),
    }
}

fn of_unit(
    layout: &Layout,
    path: Option<&Path>,
    id: &ContainerId,
    rootless: bool,
) -> Result<Paths> {
    require_booted()?;
    if rootless && layout.mode == Mode::V1 {
        let reason = "cannot use rootless systemd cgroups manager on cgroup v1";
        return Err(Error::unsupported("--systemd-cgroup", reason));
    }
    let unit = Unit::parse(path, id, rootless)?;
    // Only a user's manager has its units elsewhere than at the root.
    let root = if unit.user { Manager::connect(true)?.control_group()? } else { PathBuf::new() };
    Paths::of_unit(layout, unit, &root)
}
