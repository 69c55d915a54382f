//! linux.netDevices.

use std::collections::{BTreeMap, BTreeSet};

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::{Checked, HostLimits, invalid, linux_of, require};
use crate::spec::namespace;

/// IFNAMSIZ, with the NUL.
const NAME_SIZE: usize = 16;
const FIELD: &str = "linux.netDevices";

/// The words are runc's.
pub(super) fn devices(spec: &Spec, host: &HostLimits) -> Checked {
    let devices = linux_of(spec).and_then(|linux| linux.net_devices().as_ref());
    let Some(devices) = devices.filter(|devices| !devices.is_empty()) else { return Ok(()) };
    let private = namespace(spec, LinuxNamespaceType::Network).is_some();
    let problem = || "unable to move network devices without a NET namespace";
    require(private, || FIELD, problem)?;
    let problem = || "network devices are not supported for rootless containers";
    require(host.euid == 0, || FIELD, problem)?;
    let mut names = BTreeSet::new();
    for (name, device) in devices.iter().collect::<BTreeMap<_, _>>() {
        let problem = |name: &str| invalid(FIELD, format!("invalid network device name {name:?}"));
        if !is_name(name) || name.contains('%') {
            return Err(problem(name));
        }
        let inside = device.name().as_deref().filter(|name| !name.is_empty()).unwrap_or(name);
        if !is_name(&inside.replacen("%d", "0", 1)) || inside.replacen("%d", "", 1).contains('%') {
            return Err(problem(inside));
        }
        let twice = !inside.contains("%d") && !names.insert(inside);
        require(!twice, || FIELD, || format!("two devices would be called {inside:?}"))?;
    }
    Ok(())
}

/// As dev_valid_name of the kernel has it.
fn is_name(name: &str) -> bool {
    let sound = |byte: u8| !matches!(byte, b'/' | b':' | 0) && !is_space(byte);
    !matches!(name, "" | "." | "..") && name.len() < NAME_SIZE && name.bytes().all(sound)
}

/// isspace of the kernel, which takes the no-break space of Latin-1 for one.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r' | 0xa0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse, refuse_as};
    use super::*;

    fn with(namespaces: &str, devices: &str) -> String {
        format!(r#"{{"linux": {{"namespaces": [{namespaces}], "netDevices": {{{devices}}}}}}}"#)
    }

    const NET: &str = r#"{"type": "network"}"#;

    #[test]
    fn devices_need_a_namespace_and_a_privileged_caller() {
        let one = r#""eth0": {}"#;
        accept(devices, &with("", ""));
        accept(devices, &with(NET, one));
        refuse(devices, &with("", one), FIELD, "without a NET namespace");
        let user = HostLimits { euid: 1000 };
        refuse_as(user, devices, &with(NET, one), FIELD, "not supported for rootless");
    }

    #[test]
    fn names_are_those_of_interfaces() {
        for name in ["a", "eth0.100", "veth-0123456789", "net%d", "%d"] {
            accept(devices, &with(NET, &format!(r#""eth0": {{"name": "{name}"}}"#)));
        }
        for name in
            ["eth/0", "a:1", "a b", ".", "..", "veth-0123456789a", "a%s", "%d%d", r"a\u0000"]
        {
            let json = with(NET, &format!(r#""eth0": {{"name": "{name}"}}"#));
            refuse(devices, &json, FIELD, "invalid network device name");
        }
        for name in ["", "eth%d", "a/b"] {
            refuse(devices, &with(NET, &format!(r#""{name}": {{}}"#)), FIELD, "invalid network");
        }
    }

    #[test]
    fn two_devices_do_not_get_one_name() {
        let two = r#""a": {"name": "b"}, "b": {}"#;
        refuse(devices, &with(NET, two), FIELD, "two devices");
        accept(devices, &with(NET, r#""a": {"name": "b"}, "b": {"name": "a"}"#));
        accept(devices, &with(NET, r#""a": {"name": "x%d"}, "b": {"name": "x%d"}"#));
    }
}
