//! Which devices a container may use: `linux.resources.devices`.
//!
//! ```text
//! rules    what the config lists, with what every container gets; read once for all below
//! v1       the devices controller: a default and exceptions, worked out by model
//! v2       simplify -> program (eBPF) -> attach, through bpf (bpf(2))
//! unit     the same as properties of a systemd unit
//! ```

mod attach;
mod bpf;
mod model;
mod program;
mod rules;
mod simplify;
pub(crate) mod unit;
mod v1;

use oci_spec::runtime::LinuxDeviceCgroup;

use self::model::Model;
use self::rules::Rules;
use super::layout::Mode;
use super::paths::Paths;
use crate::error::{Error, Result};

const FIELD: &str = "linux.resources.devices";

/// Puts the config's rules and those that every container gets in the place of what is there.
///
/// On v2 that is one step: a process in the cgroup meets the old rules or the new ones, never none
/// and never both. On v1 all devices are denied for a moment, so it is for cgroups without processes.
/// If it fails on v2, the old rules stay.
///
/// `unprivileged`: the runtime is an ordinary user or in a user namespace, who may touch neither
/// device cgroups nor bpf(2); nothing is done then, as in runc.
///
/// # Errors
/// A rule is malformed, or cannot be expressed on v1, or the kernel refuses.
pub(crate) fn apply(paths: &Paths, rules: &[LinuxDeviceCgroup], unprivileged: bool) -> Result<()> {
    let rules = Rules::parse(rules)?;
    if unprivileged {
        return Ok(());
    }
    let dir = match paths.mode {
        Mode::V1 => paths.v1_dir("devices"),
        Mode::V2 => paths.unified.as_ref().map(|place| place.dir.as_path()),
    };
    match (paths.mode, dir) {
        (Mode::V1, Some(dir)) => v1::write(&Model::of(&rules)?, dir),
        (Mode::V2, Some(dir)) => attach::replace(dir, program::compile(&rules).as_deref()),
        (_, None) if paths.best_effort => Ok(()),
        (Mode::V1, None) => Err(Error::unsupported(FIELD, "the devices cgroup is not mounted")),
        (Mode::V2, None) => Err(Error::unsupported(FIELD, "the container has no cgroup")),
    }
}

/// For the fuzz targets: what [`apply`] makes of rules, for either version.
#[cfg(any(test, fuzzing))]
pub(crate) fn compile(rules: &[LinuxDeviceCgroup]) -> Result<()> {
    let rules = Rules::parse(rules)?;
    std::hint::black_box(program::compile(&rules));
    Model::of(&rules).map(drop)
}

#[cfg(test)]
mod tests;
