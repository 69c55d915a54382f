//! Readings of the config that every stage must share, lest two stages read it differently.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{LinuxNamespaceType, Mount, Spec};

use super::MountOptions;

/// How the container gets a namespace that its config lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namespace<'a> {
    /// A new one.
    New,
    /// The one behind this path.
    Join(&'a Path),
}

/// The namespace of a type, or `None` if the runtime's own is inherited. An empty path is unset.
pub(crate) fn namespace(spec: &Spec, typ: LinuxNamespaceType) -> Option<Namespace<'_>> {
    let listed = spec.linux().as_ref()?.namespaces().as_ref()?.iter().find(|n| n.typ() == typ)?;
    let path = listed.path().as_deref().filter(|path| !path.as_os_str().is_empty());
    Some(path.map_or(Namespace::New, Namespace::Join))
}

/// crun's annotation, by which podman's `--group-add keep-groups` works.
pub(crate) const KEEP_GROUPS: &str = "run.oci.keep_original_groups";

/// Whether the container's processes keep the caller's supplementary groups ([`KEEP_GROUPS`]). Any value
/// counts but `0`.
pub(crate) fn keeps_groups(spec: &Spec) -> bool {
    let annotations = spec.annotations().as_ref();
    annotations.and_then(|map| map.get(KEEP_GROUPS)).is_some_and(|v| v != "0")
}

/// A bind mount is known by its options; type `bind` alone is what crun and youki take as well
/// (the kernel has no such filesystem, so nothing else can be meant).
pub(crate) fn is_bind(mount: &Mount, options: &MountOptions) -> bool {
    options.bind || mount.typ().as_deref() == Some("bind")
}

/// The mount's destination, absolute: a relative one (deprecated) counts from `/`. Lexical only;
/// what it means in the rootfs is known when it is opened there.
pub(crate) fn destination(mount: &Mount) -> PathBuf {
    Path::new("/").join(mount.destination())
}

/// `.`, `..` and double slashes taken out lexically; `..` does not leave `/`.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => _ = clean.pop(),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// `root.path` as it was written, or the field that is wrong and why. An empty path would make the
/// bundle itself the root filesystem.
pub(crate) fn root_path(spec: &Spec) -> Result<&Path, (&'static str, &'static str)> {
    let path = spec.root().as_ref().ok_or(("root", "root must be specified"))?.path();
    let bytes = path.as_os_str().as_encoded_bytes();
    match bytes {
        [] => Err(("root.path", "must not be empty")),
        _ if bytes.contains(&0) => Err(("root.path", "contains a NUL byte")),
        _ => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::parse;

    #[test]
    fn an_empty_namespace_path_is_a_new_namespace() {
        let json = br#"{"linux": {"namespaces": [{"type": "ipc", "path": ""}, {"type": "uts"},
            {"type": "network", "path": "/run/netns/a"}]}}"#;
        let spec = parse(json, Path::new("c")).unwrap();
        assert_eq!(namespace(&spec, LinuxNamespaceType::Ipc), Some(Namespace::New));
        assert_eq!(namespace(&spec, LinuxNamespaceType::Uts), Some(Namespace::New));
        let join = Namespace::Join(Path::new("/run/netns/a"));
        assert_eq!(namespace(&spec, LinuxNamespaceType::Network), Some(join));
        assert_eq!(namespace(&spec, LinuxNamespaceType::User), None);
        assert_eq!(namespace(&Spec::default(), LinuxNamespaceType::Time), None);
    }

    #[test]
    fn groups_are_kept_by_annotation() {
        let keeps = |annotations: &str| {
            let json = format!(r#"{{"annotations": {annotations}}}"#);
            keeps_groups(&parse(json.as_bytes(), Path::new("c")).unwrap())
        };
        assert!(keeps(r#"{"run.oci.keep_original_groups": "1"}"#));
        assert!(keeps(r#"{"run.oci.keep_original_groups": ""}"#));
        assert!(!keeps(r#"{"run.oci.keep_original_groups": "0"}"#));
        assert!(!keeps("{}") && !keeps_groups(&Spec::default()));
    }

    #[test]
    fn clean_stays_inside() {
        for (path, cleaned) in
            [("/a/../../b//./c/", "/b/c"), ("../..", "/"), ("", "/"), ("proc/", "/proc")]
        {
            assert_eq!(clean(Path::new(path)), Path::new(cleaned));
        }
    }
}
