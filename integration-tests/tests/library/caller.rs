//! Everything of the calling process that a runtime might change.

use std::collections::BTreeMap;
use std::fs;

use crate::traces::fds;

/// Fields of `/proc/thread-self/status` that only the process itself changes.
const FIELDS: [&str; 19] = [
    "Name",
    "Umask",
    "Tgid",
    "PPid",
    "Uid",
    "Gid",
    "Groups",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Cpus_allowed",
    "Mems_allowed",
];

/// As seen by the thread that asks.
#[derive(Debug, PartialEq, Eq)]
pub struct Caller(BTreeMap<String, String>);

impl Caller {
    /// As of now.
    pub fn now() -> Self {
        let mut facts = BTreeMap::new();
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        for (name, value) in status.lines().filter_map(|line| line.split_once(':')) {
            if FIELDS.contains(&name) {
                facts.insert(name.to_owned(), value.trim().to_owned());
            }
        }
        for file in ["limits", "oom_score_adj", "cgroup", "personality", "cmdline", "comm"] {
            facts
                .insert(file.to_owned(), fs::read_to_string(format!("/proc/self/{file}")).unwrap());
        }
        for link in ["cwd", "root", "exe", "ns/mnt", "ns/pid", "ns/user", "ns/cgroup", "ns/net"] {
            let target = fs::read_link(format!("/proc/thread-self/{link}")).unwrap();
            facts.insert(link.to_owned(), target.display().to_string());
        }
        facts.insert(
            "environment".to_owned(),
            format!("{:?}", std::env::vars_os().collect::<Vec<_>>()),
        );
        facts.insert("prctl".to_owned(), prctl());
        facts.insert("session".to_owned(), format!("{:?}", nix::unistd::getsid(None)));
        facts.insert("descriptors".to_owned(), format!("{:#?}", fds()));
        Self(facts)
    }

    /// Nothing differs from before.
    #[track_caller]
    pub fn assert_unchanged(&self, after: &str) {
        let now = Self::now();
        for (name, value) in &self.0 {
            assert_eq!(Some(value), now.0.get(name), "{name} was changed by {after}");
        }
    }
}

fn prctl() -> String {
    use nix::sys::prctl;
    format!(
        "dumpable {:?}, subreaper {:?}, keepcaps {:?}, pdeathsig {:?}, timerslack {:?}",
        prctl::get_dumpable(),
        prctl::get_child_subreaper(),
        prctl::get_keepcaps(),
        prctl::get_pdeathsig(),
        prctl::get_timerslack(),
    )
}
