//! What a network namespace gets before anything else of the container is made.

use oci_spec::runtime::{LinuxNetDevice, Spec};

use crate::plan::op::signal;
use crate::plan::{Builder, NetDevice, RuntimeStep};

/// linux.netDevices. The runtime moves them, for they are in its own namespace, while the init is in
/// the container's and waits.
pub(super) fn devices(plan: &mut Builder, spec: &Spec) {
    let devices = spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref());
    let mut devices: Vec<_> = devices.into_iter().flatten().map(device).collect();
    if !devices.is_empty() {
        devices.sort_by(|a, b| a.host.cmp(&b.host));
        plan.origin("linux.netDevices");
        plan.meet(signal::NETWORK, [RuntimeStep::MoveInterfaces(devices)]);
        plan.origin("");
    }
}

/// An empty name is an unset one.
fn device((host, device): (&String, &LinuxNetDevice)) -> NetDevice {
    let name = device.name().as_ref().filter(|name| !name.is_empty()).unwrap_or(host);
    NetDevice { host: host.clone(), name: name.clone() }
}
