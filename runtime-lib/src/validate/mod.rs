//! Whether a config makes sense, before anything is done for it.
//!
//! A flat table of checks, each a pure function of the config and of the little that is known of the
//! caller. What depends on the machine (a source that does not exist, a namespace file of the wrong
//! type, a sysctl for a joined network namespace that is the host's, symlinks in the rootfs that lead
//! a mount into /proc) is found where it is opened, not here. Wording that engines and runc's tests
//! look for is runc's.
//!
//! Capabilities and rlimit types need no check: the reading refuses or drops what it does not know.

mod general;
mod hooks;
mod ids;
mod linux;
mod mount_extensions;
mod mounts;
mod namespaces;
mod network;
mod not_yet;
mod process;
mod resctrl;
mod sysctl;

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::path::Path;

use oci_spec::runtime::{Linux, Process, Spec};

use crate::error::{Error, Result};
use crate::spec::{config_error, one_line};

/// What validation must know of the caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostLimits {
    /// Effective uid: any but 0 can only make containers in user namespaces.
    pub euid: u32,
}

/// What a check has against a config.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    /// The config is wrong.
    Invalid { field: String, problem: String },
    /// The config is right, but this version does not do what it asks for.
    Unsupported { field: String, reason: String },
}

type Checked = Result<(), Problem>;
type Check = fn(&Spec, &HostLimits) -> Checked;

/// All checks; what is wrong is reported before what is not supported.
const CHECKS: &[(&str, Check)] = &[
    ("version", general::version),
    ("root", general::root),
    ("annotations", general::annotations),
    ("process", process::check),
    ("namespaces", namespaces::namespaces),
    ("uts names", namespaces::uts_names),
    ("restricted paths", namespaces::restricted_paths),
    ("time offsets", namespaces::time_offsets),
    ("id mappings", ids::mappings),
    ("rootless", ids::rootless),
    ("mounts", mounts::check),
    ("mount owners", mounts::owners),
    ("id-mapped mounts", mount_extensions::id_mapped),
    ("mount extensions", mount_extensions::check),
    ("devices", linux::devices),
    ("rootfs propagation", linux::rootfs_propagation),
    ("cgroup path", linux::cgroups_path),
    ("network devices", network::devices),
    ("personality", linux::personality),
    ("memory policy", linux::memory_policy),
    ("mount label", linux::mount_label),
    ("Intel RDT", resctrl::check),
    ("sysctl", sysctl::check),
    ("hooks", hooks::check),
    ("mounts, not yet", not_yet::mounts),
    ("vm, not yet", not_yet::vm),
];

/// Checks a whole config; the first problem is the error.
pub(crate) fn validate(spec: &Spec, host: &HostLimits) -> Result<()> {
    CHECKS
        .iter()
        .try_for_each(|(_, check)| check(spec, host))
        .map_err(|problem| problem.into_error(Path::new("config.json")))
}

/// Checks the process object of an `exec` against the config of its container; `file` is where it
/// came from, for messages.
pub(crate) fn validate_process(
    process: &Process,
    spec: &Spec,
    host: &HostLimits,
    file: &Path,
) -> Result<()> {
    process::CHECKS
        .iter()
        .try_for_each(|(_, check)| check(process, spec, host))
        .map_err(|problem| problem.into_error(file))
}

impl Problem {
    /// The same problem, seen from the object that holds the field.
    fn within(self, outer: &str) -> Self {
        let join = |field: String| format!("{outer}.{field}");
        match self {
            Self::Invalid { field, problem } => Self::Invalid { field: join(field), problem },
            Self::Unsupported { field, reason } => Self::Unsupported { field: join(field), reason },
        }
    }

    fn into_error(self, file: &Path) -> Error {
        match self {
            Self::Invalid { field, problem } => config_error(file, &field, &problem),
            Self::Unsupported { field, reason } => {
                Error::unsupported(one_line(&field), one_line(&reason))
            }
        }
    }
}

fn invalid(field: impl Into<String>, problem: impl Into<String>) -> Problem {
    Problem::Invalid { field: field.into(), problem: problem.into() }
}

fn unsupported(field: impl Into<String>, reason: impl Into<String>) -> Problem {
    Problem::Unsupported { field: field.into(), reason: reason.into() }
}

/// `ok`, or the field is invalid. The texts are only made if they are needed.
fn require<F: Into<String>, P: Into<String>>(
    ok: bool,
    field: impl FnOnce() -> F,
    problem: impl FnOnce() -> P,
) -> Checked {
    if ok { Ok(()) } else { Err(invalid(field(), problem())) }
}

/// The kernel ends strings at the first NUL: what follows it would silently be lost.
fn c_string<F: Into<String>>(text: impl AsRef<OsStr>, field: impl FnOnce() -> F) -> Checked {
    let nul = text.as_ref().as_encoded_bytes().contains(&0);
    require(!nul, field, || "contains a NUL byte")
}

/// A C string that is an absolute path.
fn absolute<F: Into<String>>(path: impl AsRef<Path>, field: impl Fn() -> F) -> Checked {
    let path = path.as_ref();
    c_string(path, &field)?;
    require(path.is_absolute(), field, || {
        format!("must be an absolute path, is {:?}", path.display().to_string())
    })
}

/// An unset list is an empty one.
fn list<T>(items: &Option<Vec<T>>) -> &[T] {
    items.as_deref().unwrap_or_default()
}

/// An unset string is an empty one, as Go writes it.
fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}

fn linux_of(spec: &Spec) -> Option<&Linux> {
    spec.linux().as_ref()
}
