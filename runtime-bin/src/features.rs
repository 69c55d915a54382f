//! What `teu features` says: the document of features.md in the runtime specification.
//!
//! `false` means that a config asking for it is refused; nothing but `supportedFlags` depends on the
//! host.

use std::collections::BTreeMap;

use libteu::seccomp;
use serde::Serialize;

use crate::cli::SPEC_VERSION;

/// Hooks in the order in which they run.
const HOOKS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// Namespaces that a config may ask for.
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];

/// linux.memoryPolicy, sorted.
const MEMORY_POLICY_MODES: [&str; 7] = [
    "MPOL_BIND",
    "MPOL_DEFAULT",
    "MPOL_INTERLEAVE",
    "MPOL_LOCAL",
    "MPOL_PREFERRED",
    "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE",
];
const MEMORY_POLICY_FLAGS: [&str; 3] =
    ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];

/// Capabilities by number, as Linux 5.9 and later have them.
const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Mount options that are not passed on to the filesystem, sorted.
fn mount_options() -> Vec<&'static str> {
    let mut names: Vec<_> = libteu::mount_options().collect();
    names.sort_unstable();
    names
}

/// The whole document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    oci_version_min: &'static str,
    oci_version_max: &'static str,
    hooks: &'static [&'static str],
    mount_options: Vec<&'static str>,
    linux: Linux,
    annotations: BTreeMap<&'static str, &'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linux {
    namespaces: &'static [&'static str],
    capabilities: &'static [&'static str],
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
    actions: &'static [&'static str],
    operators: &'static [&'static str],
    archs: &'static [&'static str],
    known_flags: &'static [&'static str],
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
    modes: &'static [&'static str],
    flags: &'static [&'static str],
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
            ("org.opencontainers.runc.checkpoint.enabled", Some("false")),
            ("teu.version", Some(env!("CARGO_PKG_VERSION"))),
            ("teu.commit", option_env!("TEU_COMMIT")),
        ];
        Self {
            oci_version_min: "1.0.0",
            oci_version_max: SPEC_VERSION,
            hooks: &HOOKS,
            mount_options: mount_options(),
            linux: Linux::of_this_version(),
            annotations: annotations.into_iter().filter_map(|(k, v)| Some((k, v?))).collect(),
        }
    }
}

impl Linux {
    fn of_this_version() -> Self {
        let on = || Switch { enabled: true };
        Self {
            namespaces: &NAMESPACES,
            capabilities: &CAPABILITIES,
            cgroup: Cgroup { v1: true, v2: true, systemd: true, systemd_user: true, rdma: true },
            seccomp: Seccomp {
                enabled: true,
                actions: &seccomp::ACTIONS,
                operators: &seccomp::OPERATORS,
                archs: &seccomp::ARCHITECTURES,
                known_flags: &seccomp::FLAGS,
                supported_flags: seccomp::supported_flags(),
            },
            apparmor: on(),
            selinux: on(),
            intel_rdt: IntelRdt { enabled: true, schemata: true, monitoring: true },
            memory_policy: MemoryPolicy {
                modes: &MEMORY_POLICY_MODES,
                flags: &MEMORY_POLICY_FLAGS,
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
    fn lists_are_sorted_and_without_repeats() {
        let lists = [
            mount_options(),
            NAMESPACES.to_vec(),
            seccomp::ACTIONS.to_vec(),
            seccomp::OPERATORS.to_vec(),
            seccomp::ARCHITECTURES.to_vec(),
            seccomp::FLAGS.to_vec(),
        ];
        for list in lists {
            assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "{list:?}");
        }
    }

    #[test]
    fn the_document_is_what_the_specification_describes() {
        let text = serde_json::to_string(&Features::of_this_version()).unwrap();
        let parsed: oci_spec::runtime::Features = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed.oci_version_max(), SPEC_VERSION);
        let linux = parsed.linux().as_ref().unwrap();
        assert_eq!(linux.seccomp().as_ref().unwrap().enabled(), &Some(true));
        assert_eq!(linux.namespaces().as_ref().map(Vec::len), Some(NAMESPACES.len()));
    }
}
