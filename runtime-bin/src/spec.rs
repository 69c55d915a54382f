//! The config.json that `teu spec` writes: runc's starter file, kept as two documents.

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use crate::cli::SPEC_VERSION;

const ROOT: &str = include_str!("config/root.json");
const ROOTLESS: &str = include_str!("config/rootless.json");

/// Stands behind the mount namespace on hosts with only cgroup v2.
const CGROUP_NAMESPACE: &str = ",\n\t\t\t{\n\t\t\t\t\"type\": \"cgroup\"\n\t\t\t}";

/// A config for root.
pub fn example() -> String {
    filled(ROOT, is_unified())
}

/// A config that a user without privileges can run: a user namespace with one user in it, the
/// host's network, and nothing that needs real root.
pub fn rootless(uid: u32, gid: u32) -> String {
    filled(ROOTLESS, is_unified())
        .replace("@UID@", &uid.to_string())
        .replace("@GID@", &gid.to_string())
}

fn filled(template: &str, unified: bool) -> String {
    template
        .replace("@VERSION@", SPEC_VERSION)
        .replace("@CGROUP_NAMESPACE@", if unified { CGROUP_NAMESPACE } else { "" })
}

fn is_unified() -> bool {
    statfs("/sys/fs/cgroup").is_ok_and(|fs| fs.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::Spec;
    use serde_json::{Value, json};

    use super::*;

    fn parse(text: &str) -> Value {
        assert!(!text.contains('@'), "{text}");
        let _: Spec = serde_json::from_str(text).unwrap();
        serde_json::from_str(text).unwrap()
    }

    fn namespaces(config: &Value) -> Vec<&str> {
        let list = config["linux"]["namespaces"].as_array().unwrap();
        list.iter().map(|entry| entry["type"].as_str().unwrap()).collect()
    }

    #[test]
    fn a_cgroup_namespace_only_where_it_hides_something() {
        let v1 = parse(&filled(ROOT, false));
        assert_eq!(namespaces(&v1), ["pid", "network", "ipc", "uts", "mount"]);
        let v2 = parse(&filled(ROOT, true));
        assert_eq!(namespaces(&v2), ["pid", "network", "ipc", "uts", "mount", "cgroup"]);
    }

    #[test]
    fn rootless_maps_the_caller_and_shares_the_network() {
        let config = parse(&rootless(1000, 100));
        let linux = &config["linux"];
        assert!(!namespaces(&config).contains(&"network"));
        assert!(namespaces(&config).contains(&"user"));
        assert_eq!(linux["uidMappings"], json!([{"containerID": 0, "hostID": 1000, "size": 1}]));
        assert_eq!(linux["gidMappings"], json!([{"containerID": 0, "hostID": 100, "size": 1}]));
        assert_eq!(linux["resources"], Value::Null);
    }

    /// What differs between the two documents, and nothing else.
    #[test]
    fn the_documents_agree_where_they_should() {
        let (root, mut rootless) = (parse(&example()), parse(&rootless(0, 0)));
        for key in ["process", "root", "hostname", "ociVersion"] {
            assert_eq!(root[key], rootless[key], "{key}");
        }
        for key in ["maskedPaths", "readonlyPaths"] {
            assert_eq!(root["linux"][key], rootless["linux"][key], "{key}");
        }
        let options = rootless["mounts"][2]["options"].as_array_mut().unwrap();
        options.push(json!("gid=5"));
        rootless["mounts"][5] = root["mounts"][5].clone();
        assert_eq!(root["mounts"], rootless["mounts"]);
    }
}
