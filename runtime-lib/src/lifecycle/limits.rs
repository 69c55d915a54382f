//! What a config limits, put into the container's cgroup before anything of the image runs.

use std::borrow::Cow;

use nix::errno::Errno;
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources, Spec};

use super::owner::cgroup_owner;
use crate::cgroup::resources::{self, Target};
use crate::cgroup::{Cgroup, devices, systemd};
use crate::error::{Error, Result};
use crate::host::HostFacts;

/// Applies `linux.resources` to a cgroup that exists, and gives it to the container's user.
pub(super) fn apply(cgroup: &Cgroup, spec: &Spec, host: &HostFacts) -> Result<()> {
    let paths = cgroup.paths();
    let target = Target { mode: paths.mode, fresh: cgroup.is_fresh(), document: "config.json" };
    // What makes no sense is told before anything is written.
    let settings =
        resources_of(spec).map(|wanted| resources::compile(wanted, target)).transpose()?;
    devices::apply(paths, device_rules(spec), spares_devices(host))?;
    settings.map_or(Ok(()), |settings| resources::apply(paths, &settings))?;
    match cgroup_owner(spec) {
        Some(owner) => give(cgroup, owner, host),
        None => Ok(()),
    }
}

/// What is an ordinary user's cannot be given to another.
fn give(cgroup: &Cgroup, owner: u32, host: &HostFacts) -> Result<()> {
    match cgroup.give_to(owner) {
        Err(e) if e.errno() == Some(Errno::EPERM) && !host.privileged() => Ok(()),
        other => other,
    }
}

/// An ordinary user's container has no access to devices beyond the user's own.
pub(super) fn spares_devices(host: &HostFacts) -> bool {
    host.in_user_namespace || !host.privileged()
}

/// The config with limits as systemd has rounded them.
pub(super) fn of_unit(spec: &Spec) -> Cow<'_, Spec> {
    let (Some(linux), Some(changed)) =
        (spec.linux(), resources_of(spec).and_then(systemd::with_quota_of_unit))
    else {
        return Cow::Borrowed(spec);
    };
    let (mut linux, mut spec) = (linux.clone(), spec.clone());
    linux.set_resources(Some(changed));
    spec.set_linux(Some(linux));
    Cow::Owned(spec)
}

/// Rules that systemd is told; it can do nothing about devices where the runtime cannot.
pub(super) fn devices_for_unit<'a>(
    spec: &'a Spec,
    host: &HostFacts,
) -> Option<&'a [LinuxDeviceCgroup]> {
    (!spares_devices(host)).then(|| device_rules(spec))
}

fn device_rules(spec: &Spec) -> &[LinuxDeviceCgroup] {
    let rules = resources_of(spec).and_then(|resources| resources.devices().as_deref());
    rules.unwrap_or_default()
}

/// An executor that dies has mostly been killed for a limit that is too low. The words are runc's.
pub(super) fn explain_death(e: Error, cgroup: &Cgroup) -> Error {
    match e {
        Error::ExecutorDied(_) if cgroup.had_oom_kill() => {
            Error::ExecutorDied("was OOM-killed (memory limit too low?)".into())
        }
        other => other,
    }
}

/// `linux.resources` of a config.
pub(super) fn resources_of(spec: &Spec) -> Option<&LinuxResources> {
    spec.linux().as_ref().and_then(|linux| linux.resources().as_ref())
}
