//! Device rules as properties of a systemd unit: DevicePolicy and DeviceAllow
//! (systemd.resource-control(5)).
//!
//! systemd knows a list of what is allowed, and nothing else. What it cannot express is left out, as in
//! runc, so that the unit never allows more than the config; `devices::apply` afterwards puts the exact
//! rules in the place of systemd's. A reload of systemd brings its own back beside them.

use oci_spec::runtime::LinuxDeviceCgroup;

use super::rules::{Access, Devices, Kind, Rule, Rules};
use super::simplify::simplify;
use crate::error::Result;

/// What systemd takes for a major number (DEVICE_MAJOR_VALID), which is all that the kernel has.
const MAJOR_MAX: u32 = (1 << 12) - 1;
const MINOR_MAX: u32 = (1 << 20) - 1;

/// The two properties.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DeviceProperties {
    /// DevicePolicy.
    pub(crate) policy: &'static str,
    /// DeviceAllow: a device node or a class of devices, and some of `rwm`. It has to be emptied
    /// before it is set, since systemd adds to it.
    pub(crate) allow: Vec<(String, String)>,
}

/// The properties for the config's rules and those that every container gets.
///
/// Numbers stand for themselves (`char-136`, `/dev/char/1:3`): systemd 240 and newer take them without
/// a look at /proc/devices or /dev.
///
/// # Errors
/// A rule is malformed.
pub(crate) fn systemd_properties(config: &[LinuxDeviceCgroup]) -> Result<DeviceProperties> {
    let rules = Rules::parse(config)?;
    let list = simplify(&rules);
    if rules.allow && list.is_empty() {
        return Ok(DeviceProperties { policy: "auto", allow: Vec::new() });
    }
    // With exceptions to "all": nothing, until the exact rules come.
    let listed = if rules.allow { &[][..] } else { &list };
    let allowed = listed.iter().enumerate().filter(|(_, rule)| rule.allow);
    let entry = |(at, rule): (usize, &Rule)| {
        let access = undisputed(rule, listed.get(at..).unwrap_or_default());
        let known = access != Access::NONE;
        known.then(|| Some((name(rule.devices)?, access.to_string()))).flatten()
    };
    Ok(DeviceProperties { policy: "strict", allow: allowed.filter_map(entry).collect() })
}

/// The access of which no later rule takes anything back.
fn undisputed(rule: &Rule, later: &[Rule]) -> Access {
    let against = later.iter().filter(|next| !next.allow && next.devices.overlap(rule.devices));
    against.fold(rule.access, |access, next| access.without(next.access))
}

/// `None` for what systemd has no name for.
fn name(Devices { kind, major, minor }: Devices) -> Option<String> {
    let kind = match kind {
        Kind::Block => "block",
        Kind::Char => "char",
    };
    match (major, minor) {
        (None, None) => Some(format!("{kind}-*")),
        (Some(major), None) if major <= MAJOR_MAX => Some(format!("{kind}-{major}")),
        (Some(major), Some(minor)) if major <= MAJOR_MAX && minor <= MINOR_MAX => {
            Some(format!("/dev/{kind}/{major}:{minor}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    fn strings(rules: &[super::super::tests::Listed]) -> (&'static str, Vec<String>) {
        let unit = systemd_properties(&config(rules)).unwrap();
        let entry = |(name, access): &(String, String)| format!("{name} {access}");
        (unit.policy, unit.allow.iter().map(entry).collect())
    }

    fn beyond_defaults(rules: &[super::super::tests::Listed]) -> Vec<String> {
        let defaults = strings(&[]).1;
        let (policy, mut list) = strings(rules);
        assert_eq!(policy, "strict");
        list.retain(|entry| !defaults.contains(entry));
        list
    }

    #[test]
    fn the_defaults_by_number() {
        let expected = [
            "char-* m",
            "block-* m",
            "/dev/char/1:3 rwm",
            "/dev/char/1:8 rwm",
            "/dev/char/1:7 rwm",
            "/dev/char/1:5 rwm",
            "/dev/char/1:9 rwm",
            "/dev/char/5:0 rwm",
            "/dev/char/5:2 rwm",
            "char-136 rwm",
            "/dev/char/10:200 rwm",
        ];
        assert_eq!(strings(&[]), ("strict", expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn all_devices_need_no_list() {
        assert_eq!(strings(&[(true, None, None, None, "rwm")]), ("auto", vec![]));
    }

    #[test]
    fn exceptions_to_all_allow_nothing_until_the_exact_rules_come() {
        let rules = [(true, None, None, None, "rwm"), (false, Some('b'), Some(8), None, "w")];
        assert_eq!(strings(&rules), ("strict", vec![]));
    }

    #[test]
    fn what_systemd_cannot_express_is_left_out() {
        let listed = beyond_defaults(&[
            (true, Some('b'), None, Some(3), "rw"),
            (true, Some('c'), Some(5000), None, "rw"),
            (true, Some('c'), Some(4), Some(1 << 20), "rw"),
            (true, Some('b'), Some(8), None, "rw"),
            (false, Some('b'), Some(8), Some(1), "w"),
            (true, Some('b'), Some(9), Some(0), "mr"),
        ]);
        assert_eq!(listed, ["block-8 r", "/dev/block/9:0 rm"]);
    }
}
