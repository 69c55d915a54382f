//! Which cgroup hierarchies this host has, where they are mounted, and where the caller is in each.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::sys::statfs::{CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, statfs};
use procfs::FromBufRead;
use procfs::process::{MountInfo, MountInfos};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fdio;
use crate::spec::one_line;

/// The named v1 hierarchy that systemd tracks services in; it limits nothing.
pub(super) const SYSTEMD: &str = "name=systemd";

/// Who rules: v1 controllers (with or without a v2 hierarchy beside them) or v2 alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// v1, and hybrid: the v2 hierarchy, if any, has no controllers that a config speaks of.
    #[default]
    V1,
    /// Every controller is in the unified hierarchy.
    V2,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Its v1 controllers, or `name=systemd`; empty for the v2 hierarchy.
    pub(crate) controllers: Vec<String>,
    /// The mount point.
    pub(crate) mount: PathBuf,
    /// Under which relative paths are; `None` if the caller's own cgroup cannot be seen from here.
    pub(crate) own: Option<PathBuf>,
}

/// All hierarchies that a container is put into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Who rules.
    pub(crate) mode: Mode,
    /// In the order of `/proc/self/cgroup`, without named hierarchies other than systemd's.
    pub(crate) v1: Vec<Hierarchy>,
    /// The v2 hierarchy, also in hybrid mode.
    pub(crate) unified: Option<Hierarchy>,
}

/// What a directory is, by its filesystem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    V1,
    V2,
    Other,
}

/// Where the facts come from; tests bring their own.
struct Sources<'a> {
    root: &'a Path,
    self_cgroup: &'a Path,
    mountinfo: &'a Path,
    kind: fn(&Path) -> Kind,
}

fn kind_by_statfs(dir: &Path) -> Kind {
    match statfs(dir).map(|fs| fs.filesystem_type()) {
        Ok(CGROUP_SUPER_MAGIC) => Kind::V1,
        Ok(CGROUP2_SUPER_MAGIC) => Kind::V2,
        _ => Kind::Other,
    }
}

/// The v2 cgroup that a `/proc/PID/cgroup` names, below the mount point; `None` if it cannot be seen.
pub(super) fn unified_of(file: &Path, mount: &Path) -> Result<Option<PathBuf>> {
    let data = fdio::read(file).map_err(|e| Error::system("read", file.display(), e))?;
    let memberships = parse_memberships(&data);
    let unified = memberships.iter().find(|membership| membership.controllers.is_empty());
    Ok(unified.and_then(|membership| below(mount, &membership.path)))
}

/// The caller's own v2 cgroup.
pub(super) fn own_unified(mount: &Path) -> Option<PathBuf> {
    unified_of(Path::new("/proc/thread-self/cgroup"), mount).ok().flatten()
}

impl Layout {
    /// Looks at this host. One line per hierarchy is read and one `statfs` made; the mount table
    /// is only walked if a hierarchy is not where it belongs.
    pub(crate) fn probe() -> Result<Self> {
        Prober::new(Sources {
            root: Path::new("/sys/fs/cgroup"),
            self_cgroup: Path::new("/proc/thread-self/cgroup"),
            mountinfo: Path::new("/proc/thread-self/mountinfo"),
            kind: kind_by_statfs,
        })
        .probe()
    }
}

/// For the fuzz targets: a host whose hierarchies are not where they belong, by these two files.
#[cfg(any(test, fuzzing))]
pub(crate) fn probe_files(self_cgroup: &Path, mountinfo: &Path) -> Result<Layout> {
    let root = Path::new("/nonexistent");
    Prober::new(Sources { root, self_cgroup, mountinfo, kind: |_| Kind::Other }).probe()
}

/// One line of `/proc/self/cgroup`.
#[derive(Debug, PartialEq, Eq)]
struct Membership {
    controllers: Vec<String>,
    path: PathBuf,
}

struct Prober<'a> {
    from: Sources<'a>,
    mounts: OnceCell<Vec<MountInfo>>,
}

impl<'a> Prober<'a> {
    fn new(from: Sources<'a>) -> Self {
        Self { from, mounts: OnceCell::new() }
    }

    fn probe(&self) -> Result<Layout> {
        let file = self.from.self_cgroup;
        let data = fdio::read(file).map_err(|e| Error::system("read", file.display(), e))?;
        let memberships = parse_memberships(&data);
        let unified = memberships.iter().find(|m| m.controllers.is_empty());
        if (self.from.kind)(self.from.root) == Kind::V2 {
            let unified = unified.map(|m| self.ruling_unified(m));
            return Ok(Layout { mode: Mode::V2, v1: Vec::new(), unified });
        }
        let wanted = |m: &&Membership| match m.controllers.first() {
            Some(name) => name == SYSTEMD || !name.starts_with("name="),
            None => false,
        };
        let mut v1 = Vec::new();
        for membership in memberships.iter().filter(wanted) {
            v1.extend(self.v1_hierarchy(membership)?);
        }
        let unified = unified.and_then(|_| self.companion_unified());
        Ok(Layout { mode: Mode::V1, v1, unified })
    }

    fn ruling_unified(&self, membership: &Membership) -> Hierarchy {
        let mount = self.from.root.to_owned();
        // A cgroup with processes cannot give controllers to its children: relative paths start
        // at the parent of the caller's, as in runc's fs2 driver.
        let parent = membership.path.parent().unwrap_or(Path::new("/"));
        let own = below(&mount, parent);
        Hierarchy { controllers: Vec::new(), mount, own }
    }

    /// runc takes paths in the v2 hierarchy of a hybrid host from its root, relative ones too.
    fn companion_unified(&self) -> Option<Hierarchy> {
        let mount = self.from.root.join("unified");
        let found = (self.from.kind)(&mount) == Kind::V2;
        found.then(|| Hierarchy { controllers: Vec::new(), own: Some(mount.clone()), mount })
    }

    /// `None` for a hierarchy that exists but is not mounted here.
    fn v1_hierarchy(&self, membership: &Membership) -> Result<Option<Hierarchy>> {
        let Some(first) = membership.controllers.first() else { return Ok(None) };
        let (mount, moved) = match self.usual_mount(membership, first) {
            Some(mount) => (mount, None),
            None => match self.find_mount(first)? {
                Some(info) => (info.mount_point.clone(), Some(info)),
                None => return Ok(None),
            },
        };
        let own = self.own_below(&mount, moved, membership, first)?;
        Ok(Some(Hierarchy { controllers: membership.controllers.clone(), mount, own }))
    }

    fn usual_mount(&self, membership: &Membership, first: &str) -> Option<PathBuf> {
        let is_v1 = |dir: &PathBuf| (self.from.kind)(dir) == Kind::V1;
        let short = first.strip_prefix("name=").unwrap_or(first);
        let together = (membership.controllers.len() > 1).then(|| membership.controllers.join(","));
        let names = together.as_deref().into_iter().chain([short]);
        names.map(|name| self.from.root.join(name)).find(is_v1)
    }

    /// Where a relative path starts: the caller's cgroup as seen through this mount. In a
    /// container without a cgroup namespace the mount shows a subtree, while
    /// `/proc/self/cgroup` speaks of the whole; only the mount table tells.
    fn own_below(
        &self,
        mount: &Path,
        info: Option<&MountInfo>,
        membership: &Membership,
        first: &str,
    ) -> Result<Option<PathBuf>> {
        let direct = below(mount, &membership.path);
        if let Some(dir) = direct.filter(|dir| dir == mount || dir.is_dir()) {
            return Ok(Some(dir));
        }
        let info = match info {
            Some(info) => Some(info),
            None => self.find_mount(first)?,
        };
        let inner = info.and_then(|info| membership.path.strip_prefix(&info.root).ok());
        Ok(inner.and_then(|inner| below(mount, inner)).filter(|dir| dir.is_dir()))
    }

    fn find_mount(&self, controller: &str) -> Result<Option<&MountInfo>> {
        let mounts = match self.mounts.get() {
            Some(mounts) => mounts,
            None => {
                let read = read_v1_mounts(self.from.mountinfo)?;
                self.mounts.get_or_init(|| read)
            }
        };
        Ok(mounts.iter().find(|info| has_controller(info, controller)))
    }
}

fn has_controller(info: &MountInfo, controller: &str) -> bool {
    match controller.strip_prefix("name=") {
        Some(name) => info.super_options.get("name").and_then(Option::as_deref) == Some(name),
        None => info.super_options.contains_key(controller),
    }
}

fn read_v1_mounts(file: &Path) -> Result<Vec<MountInfo>> {
    let data = fdio::read(file).map_err(|e| Error::system("read", file.display(), e))?;
    let damaged = |e: procfs::ProcError| Error::State {
        file: file.to_owned(),
        problem: one_line(&format!("not in the form of proc(5): {e}")),
    };
    let mounts = MountInfos::from_buf_read(data.as_slice()).map_err(damaged)?;
    Ok(mounts.into_iter().filter(|info| info.fs_type == "cgroup").collect())
}

/// `path`, which the kernel gave as absolute, under `mount`. `None` if it leads out: a cgroup
/// outside of the cgroup namespace (`/../x`), or one that was removed.
fn below(mount: &Path, path: &Path) -> Option<PathBuf> {
    if path.as_os_str().as_bytes().ends_with(b" (deleted)") {
        return None;
    }
    let mut dir = mount.to_owned();
    for component in path.components() {
        match component {
            Component::Normal(name) => dir.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(dir)
}

/// `4:cpu,cpuacct:/a`, `1:name=systemd:/b`, `0::/c`. The path may hold colons.
fn parse_memberships(data: &[u8]) -> Vec<Membership> {
    data.split(|&b| b == b'\n').filter_map(parse_membership).collect()
}

fn parse_membership(line: &[u8]) -> Option<Membership> {
    let mut fields = line.splitn(3, |&b| b == b':').skip(1);
    let names = std::str::from_utf8(fields.next()?).ok()?;
    let controllers = names.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    Some(Membership { controllers, path: PathBuf::from(OsStr::from_bytes(fields.next()?)) })
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
