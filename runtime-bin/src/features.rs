//! What `teu features` says: the document of features.md in the runtime specification. Names come from
//! `libteu::features`, hence from the tables by which configs are read.
//!
//! `false` means that a config asking for it is refused; nothing but `supportedFlags` depends on the
//! host.

use std::collections::BTreeMap;

use libteu::features;
use serde::Serialize;

use crate::cli::SPEC_VERSION;

/// The whole document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: Vec<&'static str>,
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: BTreeMap<&'static str, &'static str>,
    potentially_unsafe_config_annotations: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: Vec<&'static str>,
    capabilities: Vec<String>,
    cgroup: Cgroup,
    seccomp: Seccomp,
    apparmor: Switch,
    selinux: Switch,
    intel_rdt: IntelRdt,
    memory_policy: MemoryPolicy,
    mount_extensions: MountExtensions,
    net_devices: Switch,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cgroup {
    v1: bool,
    v2: bool,
    systemd: bool,
    systemd_user: bool,
    rdma: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Seccomp {
    enabled: bool,
    actions: Vec<&'static str>,
    operators: Vec<&'static str>,
    archs: Vec<&'static str>,
    known_flags: Vec<&'static str>,
    supported_flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct IntelRdt {
    enabled: bool,
    schemata: bool,
    monitoring: bool,
}

#[derive(Debug, Serialize)]
struct MemoryPolicy {
    modes: Vec<&'static str>,
    flags: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct MountExtensions {
    idmap: Switch,
}

#[derive(Debug, Serialize)]
struct Switch {
    enabled: bool,
}

impl Features {
    /// What this build of teu can do.
    pub fn of_this_version() -> Self {
        let annotations = [
            ("org.opencontainers.runc.checkpoint.enabled", Some("true")),
            ("teu.version", Some(env!("CARGO_PKG_VERSION"))),
            ("teu.commit", option_env!("TEU_COMMIT")),
        ];
        Self {
            oci_version_min: "1.0.0",
            oci_version_max: SPEC_VERSION,
            hooks: features::hooks(),
            mount_options: features::mount_options(),
            linux: Linux::of_this_version(),
            annotations: annotations.into_iter().filter_map(|(k, v)| Some((k, v?))).collect(),
            potentially_unsafe_config_annotations: features::acted_upon_annotations(),
        }
    }
}

impl Linux {
    fn of_this_version() -> Self {
        let on = || Switch { enabled: true };
        Self {
            namespaces: features::namespaces(),
            capabilities: features::capabilities(),
            cgroup: Cgroup { v1: true, v2: true, systemd: true, systemd_user: true, rdma: true },
            seccomp: Seccomp {
                enabled: true,
                actions: features::seccomp_actions(),
                operators: features::seccomp_operators(),
                archs: features::seccomp_architectures(),
                known_flags: features::seccomp_flags(),
                supported_flags: features::supported_seccomp_flags(),
            },
            apparmor: on(),
            selinux: on(),
            intel_rdt: IntelRdt { enabled: true, schemata: true, monitoring: true },
            memory_policy: MemoryPolicy {
                modes: features::memory_policy_modes(),
                flags: features::memory_policy_flags(),
            },
            mount_extensions: MountExtensions { idmap: on() },
            net_devices: on(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_the_specification_describes() {
        let text = serde_json::to_string(&Features::of_this_version()).unwrap();
        let parsed: oci_spec::runtime::Features = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed.oci_version_max(), SPEC_VERSION);
        let linux = parsed.linux().as_ref().unwrap();
        assert_eq!(linux.seccomp().as_ref().unwrap().enabled(), &Some(true));
        assert_eq!(linux.namespaces().as_ref().map(Vec::len), Some(8));
    }
}
