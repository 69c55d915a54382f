//! Whose ids a mount shows: `idmap`, `ridmap`, and a mount's own mappings, read in one way.

use std::path::PathBuf;

use oci_spec::runtime::{LinuxIdMapping, LinuxIdMappingBuilder, LinuxNamespaceType, Mount, Spec};

use super::mount_options::{OptionRange, OptionRanges};
use super::{MountOptions, Namespace, namespace};

/// An id-mapped mount (mount_setattr(2), MOUNT_ATTR_IDMAP).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdMapped {
    /// All mounts of the tree, not only the topmost.
    pub recursive: bool,
    pub by: Mapping,
}

/// Where a mapping comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mapping {
    /// That of the user namespace behind this path, which the container joins.
    Joined(PathBuf),
    /// Ids on the filesystem (`containerID`) to ids of the host.
    Ranges { uids: Vec<LinuxIdMapping>, gids: Vec<LinuxIdMapping> },
}

/// A field of the mount and what is wrong with it.
type Problem = (&'static str, String);

/// How a mount's ids are mapped, if they are: by its own mappings, those of its option, or else those
/// of the container's user namespace (runtime-spec, config.md, "idmap").
pub(crate) fn id_mapped(
    spec: &Spec,
    mount: &Mount,
    options: &MountOptions,
) -> Result<Option<IdMapped>, Problem> {
    let option = options.idmap.as_ref();
    let recursive = option.is_some_and(|option| option.recursive);
    let list = |mappings: &Option<Vec<LinuxIdMapping>>| mappings.clone().unwrap_or_default();
    let (uids, gids) = (list(mount.uid_mappings()), list(mount.gid_mappings()));
    let by = match (uids.is_empty(), gids.is_empty(), option) {
        (true, true, None) => return Ok(None),
        (true, true, Some(option)) => match &option.ranges {
            Some(ranges) => of_option(spec, ranges).map_err(|problem| ("options", problem))?,
            None => of_container(spec).ok_or_else(|| ("options", BOTH.to_owned()))?,
        },
        (false, false, option) if option.is_none_or(|option| option.ranges.is_none()) => {
            Mapping::Ranges { uids, gids }
        }
        (false, false, _) => return Err(("options", "repeat the mount's own mappings".into())),
        (false, true, _) => return Err(("gidMappings", BOTH.to_owned())),
        (true, false, _) => return Err(("uidMappings", BOTH.to_owned())),
    };
    Ok(Some(IdMapped { recursive, by }))
}

/// runc's words, also for a container without a user namespace that could lend its mappings.
const BOTH: &str = "id-mapped mounts must have both uid and gid mappings specified";

fn of_container(spec: &Spec) -> Option<Mapping> {
    match namespace(spec, LinuxNamespaceType::User)? {
        Namespace::Join(path) => Some(Mapping::Joined(path.to_owned())),
        Namespace::New => {
            let (uids, gids) = container_mappings(spec);
            Some(Mapping::Ranges { uids, gids })
        }
    }
}

fn container_mappings(spec: &Spec) -> (Vec<LinuxIdMapping>, Vec<LinuxIdMapping>) {
    let linux = spec.linux().as_ref();
    let list = |mappings: Option<&Vec<_>>| mappings.cloned().unwrap_or_default();
    let uids = list(linux.and_then(|linux| linux.uid_mappings().as_ref()));
    (uids, list(linux.and_then(|linux| linux.gid_mappings().as_ref())))
}

fn of_option(spec: &Spec, ranges: &OptionRanges) -> Result<Mapping, String> {
    let (uids, gids) = container_mappings(spec);
    let absolute = |ranges: &[OptionRange], container: &[LinuxIdMapping]| {
        ranges.iter().map(|range| mapping(range, container)).collect::<Result<Vec<_>, _>>()
    };
    Ok(Mapping::Ranges {
        uids: absolute(&ranges.uids, &uids)?,
        gids: absolute(&ranges.gids, &gids)?,
    })
}

/// A relative range has to lie in one of the container's, or its end would belong to somebody else.
fn mapping(range: &OptionRange, container: &[LinuxIdMapping]) -> Result<LinuxIdMapping, String> {
    let host = if range.relative {
        let inside = |m: &&LinuxIdMapping| {
            let at = range.host.checked_sub(m.container_id());
            at.and_then(|at| m.size().checked_sub(at)).is_some_and(|left| range.size <= left)
        };
        let outer = container.iter().find(inside).ok_or_else(|| {
            format!(
                "@{}-{}-{} does not lie in one of the container's mappings",
                range.filesystem, range.host, range.size
            )
        })?;
        outer.host_id().saturating_add(range.host - outer.container_id())
    } else {
        range.host
    };
    let mapping = LinuxIdMappingBuilder::default().container_id(range.filesystem).host_id(host);
    mapping.size(range.size).build().map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::parse;

    /// What is read of the mount with these fields in a container with these.
    fn read(mount: &str, linux: &str) -> Result<Option<IdMapped>, Problem> {
        let json = format!(r#"{{"mounts": [{{"destination": "/a", {mount}}}], "linux": {linux}}}"#);
        let spec = parse(json.as_bytes(), Path::new("c")).unwrap();
        let mount = spec.mounts().as_ref().unwrap().first().unwrap();
        let options = MountOptions::parse(mount.options().as_deref().unwrap_or_default()).unwrap();
        id_mapped(&spec, mount, &options)
    }

    fn map(container: u32, host: u32, size: u32) -> String {
        format!(r#"{{"containerID": {container}, "hostID": {host}, "size": {size}}}"#)
    }

    fn userns(maps: &str) -> String {
        format!(
            r#"{{"namespaces": [{{"type": "user"}}], "uidMappings": [{maps}], "gidMappings": [{maps}]}}"#
        )
    }

    /// First uid range of the outcome, as numbers.
    fn first(mount: &str, linux: &str) -> [u32; 3] {
        match read(mount, linux).unwrap().unwrap().by {
            Mapping::Ranges { uids, gids } => {
                assert_eq!(uids, gids);
                let m = uids.first().unwrap();
                [m.container_id(), m.host_id(), m.size()]
            }
            other @ Mapping::Joined(_) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mounts_own_mappings_come_first() {
        let own = format!(r#""uidMappings": [{m}], "gidMappings": [{m}]"#, m = map(0, 5, 9));
        for options in ["", r#", "options": ["bind", "idmap"]"#, r#", "options": ["ridmap"]"#] {
            let mount = format!("{own}{options}");
            assert_eq!(first(&mount, &userns(&map(0, 1000, 10))), [0, 5, 9]);
            let recursive = read(&mount, "{}").unwrap().unwrap().recursive;
            assert_eq!(recursive, options.contains("ridmap"));
        }
        assert_eq!(read(r#""options": ["bind"]"#, &userns(&map(0, 1, 1))), Ok(None));
    }

    #[test]
    fn else_the_containers_are_taken() {
        let idmap = r#""options": ["rbind", "ridmap"]"#;
        assert_eq!(first(idmap, &userns(&map(0, 1000, 10))), [0, 1000, 10]);
        let joined = r#"{"namespaces": [{"type": "user", "path": "/x"}]}"#;
        let by = Mapping::Joined("/x".into());
        assert_eq!(read(idmap, joined), Ok(Some(IdMapped { recursive: true, by })));
        assert_eq!(read(idmap, "{}"), Err(("options", BOTH.into())));
    }

    #[test]
    fn mappings_come_in_pairs_and_once() {
        let one = |field: &str| format!(r#""{field}": [{}]"#, map(0, 5, 9));
        assert_eq!(read(&one("uidMappings"), "{}"), Err(("gidMappings", BOTH.into())));
        assert_eq!(read(&one("gidMappings"), "{}"), Err(("uidMappings", BOTH.into())));
        let both = format!("{}, {}", one("uidMappings"), one("gidMappings"));
        let twice = format!(r#"{both}, "options": ["idmap=uids=0-0-1;gids=0-0-1"]"#);
        assert!(read(&twice, "{}").is_err());
    }

    #[test]
    fn relative_ranges_count_from_the_containers() {
        let option = |range: &str| format!(r#""options": ["idmap=uids={range};gids={range}"]"#);
        // The example of crun(1).
        let container = userns(&format!("{}, {}", map(0, 0, 1), map(1, 2, 1000)));
        assert_eq!(first(&option("@1-3-10"), &container), [1, 4, 10]);
        assert_eq!(first(&option("1-3-10"), &container), [1, 3, 10]);
        assert_eq!(first(&option("7-0-4294967295"), "{}"), [7, 0, u32::MAX]);
        for outside in ["@1-1001-1", "@1-0-2", "@1-1000-2"] {
            assert!(read(&option(outside), &container).is_err(), "{outside}");
        }
        assert!(read(&option("@0-0-1"), "{}").is_err());
    }
}
