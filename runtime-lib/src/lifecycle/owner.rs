//! To whom a container's cgroup belongs: pure.

use std::path::Path;

use oci_spec::runtime::{LinuxNamespaceType, Mount, Spec};

use crate::spec::{MountOptions, Namespace, destination, namespace};

/// The host's uid of the container's process, if the container has its cgroup for itself: a new cgroup
/// namespace, and a cgroup filesystem that it may write to (runc's conditions). Else it stays root's.
pub(super) fn cgroup_owner(spec: &Spec) -> Option<u32> {
    let own = namespace(spec, LinuxNamespaceType::Cgroup) == Some(Namespace::New);
    if !own || !spec.mounts().iter().flatten().any(is_writable_cgroup) {
        return None;
    }
    let uid = spec.process().as_ref().map_or(0, |process| process.user().uid());
    match namespace(spec, LinuxNamespaceType::User) {
        Some(_) => host_uid(spec, uid),
        None => Some(uid),
    }
}

fn is_writable_cgroup(mount: &Mount) -> bool {
    const RDONLY: u64 = 1;
    let options = mount.options().as_deref().unwrap_or_default();
    let read_only = MountOptions::parse(options).is_ok_and(|parsed| parsed.attr_set & RDONLY != 0);
    let source = mount.source().as_deref() == Some(Path::new("cgroup"));
    source && destination(mount) == Path::new("/sys/fs/cgroup") && !read_only
}

fn host_uid(spec: &Spec, uid: u32) -> Option<u32> {
    let maps = spec.linux().as_ref().and_then(|linux| linux.uid_mappings().as_deref());
    maps.unwrap_or_default().iter().find_map(|map| {
        let offset = uid.checked_sub(map.container_id())?;
        (offset < map.size()).then(|| map.host_id().checked_add(offset)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn owner(change: impl FnOnce(&mut Value)) -> Option<u32> {
        let mut config = json!({
            "ociVersion": "1.0.2",
            "process": { "user": { "uid": 0, "gid": 0 }, "cwd": "/", "args": ["x"] },
            "mounts": [{ "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["rw"] }],
            "linux": {
                "namespaces": [{ "type": "cgroup" }, { "type": "user" }],
                "uidMappings": [
                    { "containerID": 0, "hostID": 1000, "size": 1 },
                    { "containerID": 1, "hostID": 100_000, "size": 10 },
                ],
            },
        });
        change(&mut config);
        cgroup_owner(&serde_json::from_value(config).unwrap())
    }

    #[test]
    fn it_is_the_mapped_uid_of_the_process() {
        assert_eq!(owner(|_| {}), Some(1000));
        let with = |uid: u32| owner(|config| config["process"]["user"]["uid"] = json!(uid));
        assert_eq!((with(1), with(10), with(11)), (Some(100_000), Some(100_009), None));
        let host = owner(|config| {
            config["linux"]["namespaces"] = json!([{ "type": "cgroup" }]);
            config["process"]["user"]["uid"] = json!(7);
        });
        assert_eq!(host, Some(7));
    }

    #[test]
    fn it_is_nobody_without_namespace_or_writable_mount() {
        let options = |list: Value| owner(|config| config["mounts"][0]["options"] = list);
        assert_eq!(options(json!(["ro"])), None);
        assert_eq!(options(json!(["ro", "rw"])), Some(1000));
        assert_eq!(owner(|config| config["mounts"] = json!([])), None);
        assert_eq!(owner(|config| config["mounts"][0]["destination"] = json!("/sys")), None);
        assert_eq!(owner(|config| config["mounts"][0]["source"] = json!("/x")), None);
        assert_eq!(
            owner(|config| config["linux"]["namespaces"] = json!([{ "type": "user" }])),
            None
        );
        let joined = json!([{ "type": "cgroup", "path": "/proc/1/ns/cgroup" }, { "type": "user" }]);
        assert_eq!(owner(|config| config["linux"]["namespaces"] = joined), None);
    }
}
