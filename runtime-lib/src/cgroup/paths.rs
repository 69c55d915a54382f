//! The container's directory in each hierarchy: a pure function of layout and config.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{Hierarchy, Layout, Mode, SYSTEMD};
use super::systemd::Unit;
use crate::error::{Error, Result};
use crate::id::ContainerId;

const FIELD: &str = "linux.cgroupsPath";

/// The container's directory in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// v1 controllers, or `name=systemd`; empty in the v2 hierarchy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) controllers: Vec<String>,
    /// Mount point of the hierarchy; always a true ancestor of `dir`.
    pub(crate) mount: PathBuf,
    /// The directory.
    pub(crate) dir: PathBuf,
}

/// All directories of a container, as they are kept in its record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Paths {
    /// Who rules.
    #[serde(default)]
    pub(crate) mode: Mode,
    /// The v1 hierarchies.
    #[serde(default)]
    pub(crate) v1: Vec<Place>,
    /// The v2 hierarchy: the ruling one, or a hybrid host's companion.
    #[serde(default)]
    pub(crate) unified: Option<Place>,
    /// Rootless without a `cgroupsPath`: what permissions forbid is left out, as in runc.
    #[serde(default)]
    pub(crate) best_effort: bool,
    /// The container was to have no cgroup.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) disabled: bool,
    /// systemd makes and removes the cgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<Unit>,
}

impl Place {
    /// Whether this is the v1 hierarchy of `controller`.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    pub(super) fn is_systemd(&self) -> bool {
        self.has(SYSTEMD)
    }

    /// The directories between the mount point and this one, the highest first.
    pub(super) fn parents(&self) -> Vec<&Path> {
        let above = self.dir.ancestors().skip(1);
        let mut dirs: Vec<_> = above.take_while(|dir| *dir != self.mount).collect();
        dirs.reverse();
        dirs
    }
}

impl Paths {
    /// As runc's cgroupfs driver: an absolute `cgroupsPath` is under the mount points, a relative
    /// one under the caller's own cgroup (v2: under that one's parent), and without any it is the
    /// relative path `id`.
    pub(crate) fn resolve(
        layout: &Layout,
        cgroups_path: Option<&Path>,
        id: &ContainerId,
        rootless: bool,
    ) -> Result<Self> {
        let wanted = cgroups_path.filter(|path| !path.as_os_str().is_empty());
        let best_effort = rootless && wanted.is_none();
        let inner = Inner::parse(wanted.unwrap_or(Path::new(id.as_str())))?;
        let mut v1 = Vec::with_capacity(layout.v1.len());
        for hierarchy in &layout.v1 {
            match inner.place(hierarchy) {
                Some(place) => v1.push(place),
                None if best_effort => {}
                None => return Err(unreachable_own(hierarchy)),
            }
        }
        let unified = match &layout.unified {
            Some(hierarchy) => match inner.place(hierarchy) {
                None if !best_effort => return Err(unreachable_own(hierarchy)),
                place => place,
            },
            None => None,
        };
        let paths = Self { mode: layout.mode, v1, unified, best_effort, ..Self::default() };
        if paths.is_empty() && !best_effort {
            return Err(Error::unsupported(FIELD, "no cgroup hierarchy is mounted on this host"));
        }
        Ok(paths)
    }

    /// Where systemd puts the unit: the same path in every hierarchy. `root` is the cgroup of its manager.
    pub(crate) fn of_unit(layout: &Layout, unit: Unit, root: &Path) -> Result<Self> {
        let cgroup = unit.cgroup()?;
        let inner = Inner::parse(&Path::new("/").join(root).join(cgroup))?;
        let v1 = layout.v1.iter().filter_map(|hierarchy| inner.place(hierarchy)).collect();
        let unified = layout.unified.as_ref().and_then(|hierarchy| inner.place(hierarchy));
        Ok(Self { mode: layout.mode, v1, unified, unit: Some(unit), ..Self::default() })
    }

    /// No directory at all: the container stays where its creator is.
    pub(crate) fn none(layout: &Layout, cgroups_path: Option<&Path>) -> Result<Self> {
        match cgroups_path {
            Some(path) if !path.as_os_str().is_empty() => {
                Err(refused(path, "the cgroup manager is disabled"))
            }
            _ => {
                Ok(Self { mode: layout.mode, best_effort: true, disabled: true, ..Self::default() })
            }
        }
    }

    /// Whether the container is in no cgroup of its own.
    pub(crate) fn is_empty(&self) -> bool {
        self.v1.is_empty() && self.unified.is_none()
    }

    /// The directory of a v1 controller.
    pub(crate) fn v1_dir(&self, controller: &str) -> Option<&Path> {
        self.v1.iter().find(|place| place.has(controller)).map(|place| place.dir.as_path())
    }

    /// Every directory there is.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.v1.iter().chain(&self.unified)
    }

    /// The directory whose processes can be frozen together, if there is one.
    pub(crate) fn freezer_dir(&self) -> Option<&Path> {
        self.main()
            .filter(|place| self.mode == Mode::V2 || place.has("freezer"))
            .map(|p| p.dir.as_path())
    }

    /// The hierarchy that is asked who is in the container: on v1 the one that freezes, so that
    /// what is listed is what was frozen.
    pub(super) fn main(&self) -> Option<&Place> {
        let v1 = |name: &str| self.v1.iter().find(|place| place.has(name));
        match self.mode {
            Mode::V2 => self.unified.as_ref(),
            Mode::V1 => v1("freezer").or_else(|| v1("devices")).or_else(|| self.places().next()),
        }
    }
}

fn unreachable_own(hierarchy: &Hierarchy) -> Error {
    let mount = hierarchy.mount.display();
    let reason = format!(
        "a relative path starts at the runtime's own cgroup, which cannot be seen under {mount}"
    );
    Error::unsupported(FIELD, reason)
}

/// A `cgroupsPath`, cleaned.
struct Inner {
    absolute: bool,
    path: PathBuf,
}

impl Inner {
    fn parse(path: &Path) -> Result<Self> {
        let mut inner = Self { absolute: path.is_absolute(), path: PathBuf::new() };
        for component in path.components() {
            match component {
                Component::Normal(name) => inner.path.push(name),
                Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
                Component::ParentDir => return Err(refused(path, "`..` is not allowed")),
            }
        }
        // Otherwise the container would share the runtime's own cgroup, or the whole host's.
        if inner.path.as_os_str().is_empty() {
            return Err(refused(path, "must name a cgroup below the root"));
        }
        Ok(inner)
    }

    fn place(&self, hierarchy: &Hierarchy) -> Option<Place> {
        let start = if self.absolute { Some(&hierarchy.mount) } else { hierarchy.own.as_ref() };
        start.map(|start| Place {
            controllers: hierarchy.controllers.clone(),
            mount: hierarchy.mount.clone(),
            dir: start.join(&self.path),
        })
    }
}

fn refused(path: &Path, why: &str) -> Error {
    Error::Config {
        file: "config.json".into(),
        field: FIELD.into(),
        problem: format!("{}: {why}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy(controllers: &[&str], mount: &str, own: Option<&str>) -> Hierarchy {
        let controllers = controllers.iter().map(|&s| s.to_owned()).collect();
        Hierarchy { controllers, mount: mount.into(), own: own.map(PathBuf::from) }
    }

    fn hybrid() -> Layout {
        Layout {
            mode: Mode::V1,
            v1: vec![
                hierarchy(&["cpu", "cpuacct"], "/c/cpu", Some("/c/cpu")),
                hierarchy(&["freezer"], "/c/freezer", Some("/c/freezer/own")),
            ],
            unified: Some(hierarchy(&[], "/c/unified", Some("/c/unified"))),
        }
    }

    fn dirs(layout: &Layout, path: Option<&str>) -> Vec<String> {
        let id = "id".parse().unwrap();
        let paths = Paths::resolve(layout, path.map(Path::new), &id, false).unwrap();
        paths.places().map(|place| place.dir.display().to_string()).collect()
    }

    #[test]
    fn absolute_is_under_the_mounts() {
        let expected = ["/c/cpu/a/b", "/c/freezer/a/b", "/c/unified/a/b"];
        assert_eq!(dirs(&hybrid(), Some("/a//b/./")), expected);
    }

    #[test]
    fn relative_and_unset_are_under_the_own_cgroup() {
        assert_eq!(dirs(&hybrid(), Some("a")), ["/c/cpu/a", "/c/freezer/own/a", "/c/unified/a"]);
        for unset in [None, Some("")] {
            assert_eq!(dirs(&hybrid(), unset), ["/c/cpu/id", "/c/freezer/own/id", "/c/unified/id"]);
        }
    }

    #[test]
    fn paths_that_lead_out_or_nowhere_are_refused() {
        let id = "id".parse().unwrap();
        for path in ["/", ".", "./.", "//", "..", "/a/../b", "../x", "/a/.."] {
            let e = Paths::resolve(&hybrid(), Some(Path::new(path)), &id, true).unwrap_err();
            assert!(e.to_string().starts_with("config.json: linux.cgroupsPath: "), "{e}");
        }
    }

    #[test]
    fn an_own_cgroup_out_of_sight_matters_only_for_relative_paths() {
        let mut layout = hybrid();
        layout.v1[1].own = None;
        let id = "id".parse().unwrap();
        let resolve = |path: Option<&str>, rootless| {
            Paths::resolve(&layout, path.map(Path::new), &id, rootless)
        };
        assert_eq!(resolve(Some("/a"), false).unwrap().v1.len(), 2);
        assert!(resolve(Some("a"), false).is_err());
        assert!(resolve(Some("a"), true).is_err());
        let rootless = resolve(None, true).unwrap();
        assert!(rootless.best_effort);
        assert_eq!(rootless.v1.len(), 1);
    }

    #[test]
    fn a_host_without_cgroups_is_good_enough_only_for_rootless() {
        let none = Layout { mode: Mode::V1, v1: vec![], unified: None };
        let id = "id".parse().unwrap();
        assert!(Paths::resolve(&none, None, &id, false).is_err());
        assert!(Paths::resolve(&none, None, &id, true).unwrap().is_empty());
    }

    #[test]
    fn the_freezer_is_asked_first_and_v2_asks_the_unified() {
        let id = "id".parse().unwrap();
        let paths = Paths::resolve(&hybrid(), None, &id, false).unwrap();
        assert!(paths.main().unwrap().has("freezer"));
        assert_eq!(paths.v1_dir("cpuacct"), Some(Path::new("/c/cpu/id")));
        assert_eq!(paths.v1_dir("memory"), None);
        let v2 = Paths { mode: Mode::V2, ..paths };
        assert_eq!(v2.main(), v2.unified.as_ref());
    }

    #[test]
    fn a_unit_is_under_its_managers_cgroup_in_every_hierarchy() {
        let id = "id".parse().unwrap();
        let unit = Unit::parse(Some(Path::new("a-b.slice:p:n")), &id, true).unwrap();
        let root = Path::new("/user.slice/user@7.service");
        let paths = Paths::of_unit(&hybrid(), unit, root).unwrap();
        let inner = "user.slice/user@7.service/a.slice/a-b.slice/p-n.scope";
        for (place, mount) in paths.places().zip(["/c/cpu", "/c/freezer", "/c/unified"]) {
            assert_eq!(place.dir, Path::new(mount).join(inner));
        }
        let json = serde_json::to_string(&paths).unwrap();
        assert_eq!(serde_json::from_str::<Paths>(&json).unwrap(), paths);
    }

    #[test]
    fn none_is_none_unless_a_path_is_asked_for() {
        let none = Paths::none(&hybrid(), Some(Path::new(""))).unwrap();
        assert!(none.is_empty() && none.disabled && Paths::none(&hybrid(), None).unwrap() == none);
        let e = Paths::none(&hybrid(), Some(Path::new("/a"))).unwrap_err().to_string();
        assert_eq!(e, "config.json: linux.cgroupsPath: /a: the cgroup manager is disabled");
        let json = serde_json::to_string(&none).unwrap();
        assert_eq!(serde_json::from_str::<Paths>(&json).unwrap(), none);
    }

    #[test]
    fn survives_the_way_through_json() {
        let id = "id".parse().unwrap();
        let paths = Paths::resolve(&hybrid(), None, &id, true).unwrap();
        let json = serde_json::to_string(&paths).unwrap();
        assert_eq!(serde_json::from_str::<Paths>(&json).unwrap(), paths);
        assert_eq!(serde_json::from_str::<Paths>("{}").unwrap(), Paths::default());
    }
}
