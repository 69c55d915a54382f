//! What a config limits, put into the container's cgroup before anything of the image runs.

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources, Spec};

use crate::cgroup::{Cgroup, devices};
use crate::error::Result;
use crate::host::HostFacts;

/// Applies `linux.resources` to a cgroup that exists.
pub(super) fn apply(cgroup: &Cgroup, spec: &Spec, host: &HostFacts) -> Result<()> {
    // An ordinary user's container has no access to devices beyond the user's own.
    let unprivileged = host.in_user_namespace || !host.privileged();
    devices::apply(cgroup.paths(), device_rules(spec), unprivileged)
}

fn device_rules(spec: &Spec) -> &[LinuxDeviceCgroup] {
    let rules = resources(spec).and_then(|resources| resources.devices().as_deref());
    rules.unwrap_or_default()
}

fn resources(spec: &Spec) -> Option<&LinuxResources> {
    spec.linux().as_ref().and_then(|linux| linux.resources().as_ref())
}
