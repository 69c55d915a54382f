//! What of a container lies outside of it: mounts of the host's and namespaces of others. CRIU has to be
//! told of each, at a checkpoint what it is called in the images, at a restore what it is.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespaceType, Mount, Spec};

use crate::cgroup::Paths;
use crate::criu::rpc::JoinNamespace;
use crate::error::{Error, Result};
use crate::spec::{MountOptions, Namespace, clean, destination, id_mapped, is_bind, namespace};

/// The host's /dev/null, under which files are hidden.
const NULL: &str = "/dev/null";

/// Devices that are bound where none can be made (runtime-spec, config-linux.md, "Default Devices").
const DEVICES: [&str; 6] =
    [NULL, "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];

/// A mount of the host's in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct External {
    /// Where it is, as the config says: a symlink may lead elsewhere.
    pub place: PathBuf,
    /// What it is called in the images.
    pub name: PathBuf,
    /// What it is on the host.
    pub source: PathBuf,
    /// If there is a directory, something else covers it.
    pub file: bool,
}

impl External {
    fn named_by_place(place: PathBuf, source: PathBuf) -> Self {
        Self { name: place.clone(), place, source, file: false }
    }
}

/// All of them that a config can lead to. One that is not there in the end does no harm.
pub(super) fn mounts(spec: &Spec, bundle: &Path, cgroup: &Paths) -> Result<Vec<External>> {
    let mut all = Vec::new();
    for (index, mount) in spec.mounts().iter().flatten().enumerate() {
        let options = options(mount);
        if is_bind(mount, &options) {
            refuse_special(spec, index, mount, &options)?;
            let source = bundle.join(mount.source().as_deref().unwrap_or(Path::new("")));
            all.push(External::named_by_place(clean(&destination(mount)), source));
        } else if matches!(mount.typ().as_deref(), Some("cgroup" | "cgroup2")) {
            all.extend(hierarchies(spec, mount, cgroup));
        }
    }
    let linux = spec.linux().as_ref();
    let masked = linux.and_then(|linux| linux.masked_paths().as_ref()).into_iter().flatten();
    all.extend(masked.map(|path| External {
        place: clean(Path::new(path)),
        name: NULL.into(),
        source: NULL.into(),
        file: true,
    }));
    let devices = linux.and_then(|linux| linux.devices().as_ref()).into_iter().flatten();
    let devices = devices.map(|device| clean(device.path()));
    let devices = DEVICES.iter().map(PathBuf::from).chain(devices);
    all.extend(devices.map(|path| External::named_by_place(path.clone(), path)));
    Ok(all)
}

/// Mounts without a mount namespace are in none that CRIU could look at.
pub(super) fn refuse_shared(spec: &Spec) -> Result<()> {
    let none = spec.mounts().as_ref().is_none_or(Vec::is_empty);
    if none || namespace(spec, LinuxNamespaceType::Mount).is_some() {
        return Ok(());
    }
    let reason = "CRIU cannot dump those of a container without a mount namespace";
    Err(Error::unsupported("mounts", reason))
}

fn options(mount: &Mount) -> MountOptions {
    MountOptions::parse(mount.options().as_deref().unwrap_or_default()).unwrap_or_default()
}

/// CRIU binds the source and nothing more: files would come back with other owners, a symlink as what
/// it leads to.
fn refuse_special(spec: &Spec, index: usize, mount: &Mount, options: &MountOptions) -> Result<()> {
    let refuse = |what: &str| {
        let reason = format!("CRIU cannot restore {what}");
        Err(Error::unsupported(
            format!("mounts[{index}] ({})", mount.destination().display()),
            reason,
        ))
    };
    if id_mapped(spec, mount, options).is_ok_and(|mapped| mapped.is_some()) {
        return refuse("an id-mapped mount");
    }
    if options.links.keep_source || options.links.copy {
        return refuse("a mount with src-nofollow or copy-symlink");
    }
    Ok(())
}

/// Directories of v1 hierarchies are bound, unless there is a cgroup namespace: then they are mounted.
fn hierarchies<'a>(
    spec: &Spec,
    mount: &'a Mount,
    cgroup: &'a Paths,
) -> impl Iterator<Item = External> + use<'a> {
    let bound = namespace(spec, LinuxNamespaceType::Cgroup).is_none();
    let places = cgroup.v1.iter().filter(move |_| bound);
    places.filter_map(|place| {
        let inside = clean(&destination(mount)).join(place.mount.file_name()?);
        Some(External::named_by_place(inside, place.dir.clone()))
    })
}

/// A namespace that CRIU leaves to others, and finds again by a name.
pub(super) struct ExternalNamespace<'a> {
    pub path: &'a Path,
    /// As CRIU calls the type.
    pub kind: &'static str,
    pub name: &'static str,
}

/// Joined network and pid namespaces. The names are runc's.
pub(super) fn namespaces(spec: &Spec) -> Vec<ExternalNamespace<'_>> {
    let kinds = [
        (LinuxNamespaceType::Network, "net", "extRootNetNS"),
        (LinuxNamespaceType::Pid, "pid", "extRootPidNS"),
    ];
    let joined = kinds.into_iter().filter_map(|(typ, kind, name)| match namespace(spec, typ) {
        Some(Namespace::Join(path)) => Some(ExternalNamespace { path, kind, name }),
        _ => None,
    });
    joined.collect()
}

/// All other joined ones: they are in the images, and CRIU is told to pass over that at a restore.
pub(super) fn joined(spec: &Spec) -> Result<Vec<JoinNamespace>> {
    let kinds = [
        (LinuxNamespaceType::Ipc, "ipc"),
        (LinuxNamespaceType::Uts, "uts"),
        (LinuxNamespaceType::User, "user"),
        (LinuxNamespaceType::Mount, "mnt"),
        (LinuxNamespaceType::Time, "time"),
    ];
    if let Some(Namespace::Join(_)) = namespace(spec, LinuxNamespaceType::Cgroup) {
        let reason = "CRIU cannot restore into a cgroup namespace of others";
        return Err(Error::unsupported("linux.namespaces (cgroup)", reason));
    }
    let joined = kinds.into_iter().filter_map(|(typ, ns)| match namespace(spec, typ) {
        Some(Namespace::Join(path)) => {
            let ns_file = path.to_string_lossy().into_owned();
            Some(JoinNamespace { ns: ns.into(), ns_file })
        }
        _ => None,
    });
    Ok(joined.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cgroup::Place;

    fn spec(mounts: Value, linux: Value) -> Spec {
        let json = json!({ "ociVersion": "1.2.0", "mounts": mounts, "linux": linux });
        crate::spec::parse(json.to_string().as_bytes(), Path::new("c")).unwrap()
    }

    fn of(spec: &Spec) -> Vec<(String, String, String)> {
        let dir = |name: &str| Path::new("/sys/fs/cgroup").join(name);
        let place = |name: &str| Place {
            controllers: vec![name.into()],
            mount: dir(name),
            dir: dir(name).join("c"),
        };
        let v1 = vec![place("cpu,cpuacct"), place("freezer")];
        let cgroup = Paths { v1, ..Paths::default() };
        let text = |path: &Path| path.display().to_string();
        let all = mounts(spec, Path::new("/b"), &cgroup).unwrap();
        let all = all.iter().map(|e| (text(&e.place), text(&e.name), text(&e.source)));
        all.filter(|(place, ..)| !DEVICES.contains(&place.as_str())).collect()
    }

    fn three(place: &str, name: &str, source: &str) -> (String, String, String) {
        (place.into(), name.into(), source.into())
    }

    #[test]
    fn binds_masks_and_devices_are_external() {
        let spec = spec(
            json!([
                { "destination": "/proc", "type": "proc", "source": "proc" },
                { "destination": "a/../data//", "source": "here", "options": ["rbind", "ro"] },
            ]),
            json!({
                "maskedPaths": ["/proc/keys"],
                "devices": [{ "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229 }],
            }),
        );
        let expected = [
            three("/data", "/data", "/b/here"),
            three("/proc/keys", "/dev/null", "/dev/null"),
            three("/dev/fuse", "/dev/fuse", "/dev/fuse"),
        ];
        assert_eq!(of(&spec), expected);
    }

    #[test]
    fn hierarchies_are_bound_without_a_cgroup_namespace_alone() {
        let mounts = json!([{ "destination": "/sys/fs/cgroup", "type": "cgroup" }]);
        let expected = ["cpu,cpuacct", "freezer"].map(|name| {
            let place = format!("/sys/fs/cgroup/{name}");
            (place.clone(), place.clone(), format!("{place}/c"))
        });
        assert_eq!(of(&spec(mounts.clone(), json!({}))), expected);
        assert!(of(&spec(mounts, json!({ "namespaces": [{ "type": "cgroup" }] }))).is_empty());
    }

    #[test]
    fn what_would_come_back_as_something_else_is_refused() {
        let refused = |mount: Value| {
            let spec = spec(json!([mount]), json!({}));
            mounts(&spec, Path::new("/b"), &Paths::default()).unwrap_err().to_string()
        };
        let link = refused(
            json!({ "destination": "/x", "source": "/y", "options": ["bind", "copy-symlink"] }),
        );
        assert_eq!(
            link,
            "mounts[0] (/x): CRIU cannot restore a mount with src-nofollow or copy-symlink"
        );
        let map = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
        let mapped = refused(json!({
            "destination": "/x", "source": "/y", "options": ["bind"], "uidMappings": map, "gidMappings": map,
        }));
        assert!(mapped.contains("an id-mapped mount"), "{mapped}");
        let of = |linux| refuse_shared(&spec(json!([{ "destination": "/x" }]), linux));
        assert!(of(json!({ "namespaces": [{ "type": "mount" }] })).is_ok());
        let shared = of(json!({ "namespaces": [] })).unwrap_err().to_string();
        assert!(shared.contains("without a mount namespace"), "{shared}");
    }

    #[test]
    fn namespaces_of_others_are_found_by_name_or_joined() {
        let with = |list: Value| spec(json!([]), json!({ "namespaces": list }));
        let shared = with(json!([
            { "type": "network", "path": "/n" }, { "type": "pid" }, { "type": "ipc", "path": "/i" },
        ]));
        let external = namespaces(&shared);
        let external: Vec<_> = external.iter().map(|n| (n.path, n.kind, n.name)).collect();
        assert_eq!(external, [(Path::new("/n"), "net", "extRootNetNS")]);
        let join = JoinNamespace { ns: "ipc".into(), ns_file: "/i".into() };
        assert_eq!(joined(&shared).unwrap(), [join]);
        assert!(joined(&with(json!([{ "type": "cgroup", "path": "/c" }]))).is_err());
    }
}
