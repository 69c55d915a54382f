//! Hosts for tests and fuzz targets.

use std::path::PathBuf;

use super::cgroup::{BySystemd, CgroupShape, Hierarchy, Tasks};
use crate::host::{HostFacts, Lsm};

/// Host by name: `NAME@user.json` is compiled for an ordinary user, `NAME@nested.json` for one who has mapped
/// itself to root, `NAME@v2.json` for cgroup v2.
pub(crate) fn host(name: &str) -> HostFacts {
    let (user, nested) = (name.ends_with("@user"), name.ends_with("@nested"));
    HostFacts {
        euid: if user { 1000 } else { 0 },
        egid: if user { 1000 } else { 0 },
        in_user_namespace: nested,
        setgroups_denied: nested,
        rootless: user || nested,
        kcore: true,
        lsm: Lsm { apparmor: true, selinux: true },
    }
}

/// Its cgroups.
pub(crate) fn cgroups(name: &str) -> CgroupShape {
    if name.ends_with("@v2") {
        return CgroupShape { into_cgroup: true, ..CgroupShape::default() };
    }
    if name.ends_with("@systemd") {
        let (name, slice) = ("teu-c.scope".into(), "system.slice".into());
        return CgroupShape {
            by_systemd: Some(BySystemd::Start { name, slice }),
            ..CgroupShape::default()
        };
    }
    if name.ends_with("@user") || name.ends_with("@nested") {
        return CgroupShape::default();
    }
    let hierarchy = |name: &str, option: &str| Hierarchy {
        name: name.into(),
        options: option.split(',').map(str::to_owned).collect(),
        path: PathBuf::from(format!("/sys/fs/cgroup/{name}/c")),
    };
    let tasks = |name: &str, dispensable| Tasks {
        path: format!("/sys/fs/cgroup/{name}/c/tasks").into(),
        dispensable,
        counted: name == "pids",
    };
    CgroupShape {
        into_cgroup: false,
        by_systemd: None,
        tasks: vec![tasks("cpu,cpuacct", false), tasks("pids", false), tasks("systemd", true)],
        hierarchies: vec![
            hierarchy("cpu,cpuacct", "cpu,cpuacct"),
            hierarchy("systemd", "name=systemd"),
        ],
    }
}
