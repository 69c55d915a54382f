//! Cgroups through their filesystems, v1, hybrid and v2.
//!
//! ```text
//! Layout::probe   which hierarchies are mounted where, and where the caller is in them
//! Paths::resolve  the container's directory in each, from cgroupsPath (pure; kept in the record)
//! Cgroup          creates, joins, lists, kills, freezes and removes them
//! systemd         has systemd make and remove them
//! devices         device rules: the controller of v1, an eBPF program on v2
//! stats           what is used, by the files of either version
//! oom             the notice that memory has run out
//! resources       all other limits, v1 and v2
//! convert         values of v1, in which configs speak, in the terms of v2
//! ```

pub(crate) mod convert;
mod delegate;
pub(crate) mod devices;
mod files;
mod freezer;
mod in_unit;
mod inherit;
mod init_cgroup;
mod kill;
mod layout;
mod manager;
mod oom;
mod paths;
mod remove;
pub(crate) mod resources;
pub mod stats;
pub(crate) mod systemd;
mod tree;

pub(crate) use init_cgroup::InitCgroup;
#[cfg(any(test, fuzzing))]
pub(crate) use layout::probe_files;
pub(crate) use layout::{Layout, Mode};
pub(crate) use manager::Cgroup;
pub(crate) use oom::OomWatch;
pub(crate) use paths::Paths;
#[cfg(any(test, fuzzing))]
pub(crate) use paths::Place;

/// Not by `eprintln!`, which is shown for failed tests only.
#[cfg(test)]
pub(crate) fn skip(why: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{why}\n").as_bytes());
}

/// Makes each test that needs root and real cgroups say that it was skipped, or fail where
/// skipping is not accepted.
#[cfg(test)]
fn may_use_real_cgroups() -> bool {
    let writable = |dir: &str| {
        let flags = nix::unistd::AccessFlags::W_OK;
        nix::unistd::access(dir, flags).is_ok()
    };
    let usable = nix::unistd::geteuid().is_root()
        && (writable("/sys/fs/cgroup/freezer") || writable("/sys/fs/cgroup/cgroup.procs"));
    if !usable {
        let required = std::env::var("TEU_TEST_REQUIRE").is_ok_and(|list| list.contains("root"));
        assert!(!required, "needs root and a writable cgroup filesystem");
        crate::cgroup::skip("SKIP: needs root and a writable cgroup filesystem");
    }
    usable
}
