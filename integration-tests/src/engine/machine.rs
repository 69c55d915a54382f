//! What there is on the machine, whoever made it: the engines' tests leave it as it was.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::leaks::entries;

/// Parts of the names that engines, their tests and runtimes give to things.
const NAMES: [&str; 14] = [
    "teu-it",
    "teu_it",
    "docker",
    "moby",
    "containerd",
    "podman",
    "libpod",
    "conmon",
    "buildah",
    "netns",
    "veth",
    "cni",
    "br-",
    "state of ",
];

/// A list that can be compared with a later one.
#[derive(Debug)]
pub struct Machine(BTreeSet<String>);

impl Machine {
    /// Cgroups, mounts of this process's mount namespace, network devices, named network namespaces, and state of
    /// containers in the default places.
    pub fn now() -> Self {
        let mut things = BTreeSet::new();
        cgroups(Path::new("/sys/fs/cgroup"), &mut things);
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        // Without numbers of mounts, which differ each time something is mounted anew.
        let place = |line: &str| line.split(' ').skip(3).take(2).collect::<Vec<_>>().join(" on ");
        things.extend(mounts.lines().map(|line| format!("mount of {}", place(line))));
        for (what, dir) in [
            ("network device", "/sys/class/net"),
            ("network namespace", "/run/netns"),
            ("network namespace", "/run/docker/netns"),
            ("state of teu", "/run/teu"),
            ("state of runc", "/run/runc"),
            ("state of crun", "/run/crun"),
        ] {
            things
                .extend(entries(Path::new(dir)).iter().map(|name| format!("{what}: {dir}/{name}")));
        }
        Self(things)
    }

    /// What has come since, and can be an engine's: the machine may have other work to do.
    pub fn new_things(&self) -> Vec<String> {
        let now = Self::now();
        let new = now.0.difference(&self.0);
        new.filter(|thing| NAMES.iter().any(|name| thing.contains(name))).cloned().collect()
    }
}

fn cgroups(dir: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            found.insert(format!("cgroup {}", entry.path().display()));
            cgroups(&entry.path(), found);
        }
    }
}
