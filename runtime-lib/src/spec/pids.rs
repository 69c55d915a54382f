//! `pids.limit`: 0 has been a limit since version 1.3 of the specification. Before it meant "unset", and
//! engines wrote it without meaning it. `oci_spec` reads an absent limit as 0, too.

use oci_spec::runtime::{LinuxResources, Spec};
use serde::Deserialize;

use super::any_case;

/// The part of a config that tells.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    linux: Option<Linux>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Linux {
    resources: Option<Resources>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resources {
    pids: Option<Pids>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pids {
    limit: Option<i64>,
}

impl Resources {
    fn has_limit(&self) -> bool {
        self.pids.as_ref().is_some_and(|pids| pids.limit.is_some())
    }
}

/// After this, `pids` is there only if it limits, or says that there is no limit.
pub(super) fn settle_spec(spec: &mut Spec, raw: &[u8]) {
    let meant = || {
        let config: Option<Config> = any_case::from_slice(raw).ok();
        let resources = config.and_then(|config| config.linux?.resources);
        resources.is_some_and(|resources| resources.has_limit())
    };
    let zero_limits = knows_zero(spec.version());
    let resources = spec.linux_mut().as_mut().and_then(|linux| linux.resources_mut().as_mut());
    if let Some(resources) = resources {
        settle(resources, || zero_limits && meant());
    }
}

/// The same for an update, which has no version and speaks of today's.
pub(super) fn settle_resources(resources: &mut LinuxResources, raw: &[u8]) {
    settle(resources, || {
        let read: Option<Resources> = any_case::from_slice(raw).ok();
        read.is_some_and(|read| read.has_limit())
    });
}

fn settle(resources: &mut LinuxResources, meant: impl FnOnce() -> bool) {
    if resources.pids().is_some_and(|pids| pids.limit() == 0) && !meant() {
        resources.set_pids(None);
    }
}

/// Whether a config of this version is of 1.3 or later, or a draft of it.
fn knows_zero(version: &str) -> bool {
    let mut numbers = version.split(['.', '-', '+']).map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(1)), Some(Ok(3..))))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::spec::{parse, read_resources};

    #[test]
    fn zero_is_a_limit_where_it_is_said_and_since_1_3() {
        for (version, pids, expected) in [
            ("1.3.0", r#"{"limit": 0}"#, Some(0)),
            ("1.3.0-rc.1+dev", r#"{"limit": 0}"#, Some(0)),
            ("1.2.1", r#"{"limit": 0}"#, None),
            ("1.0.2-dev", r#"{"limit": 0}"#, None),
            ("1.3.0", "{}", None),
            ("1.3.0", r#"{"limit": null}"#, None),
            ("1.3.0", "null", None),
            ("1.2.0", r#"{"limit": 5}"#, Some(5)),
            ("1.2.0", r#"{"limit": -1}"#, Some(-1)),
        ] {
            let json = format!(
                r#"{{"ociVersion": "{version}", "linux": {{"resources": {{"pids": {pids}}}}}}}"#
            );
            let spec = parse(json.as_bytes(), Path::new("c")).unwrap();
            let resources = spec.linux().clone().unwrap().resources().clone().unwrap();
            let limit = resources.pids().map(|pids| pids.limit());
            assert_eq!(limit, expected, "{json}");
        }
    }

    #[test]
    fn an_update_says_what_it_means() {
        for (json, expected) in [
            (r#"{"pids": {"limit": 0}}"#, Some(0)),
            (r#"{"pids": {}}"#, None),
            (r#"{"pids": {"limit": null}, "memory": {"limit": null}}"#, None),
        ] {
            let resources = read_resources(json.as_bytes(), Path::new("r")).unwrap();
            assert_eq!(resources.pids().map(|pids| pids.limit()), expected, "{json}");
        }
        let e = read_resources(&br#"{"cpu": {"shares": "x"}}"#[..], Path::new("r")).unwrap_err();
        assert!(e.to_string().starts_with("r: cpu.shares: invalid type"), "{e}");
    }
}
