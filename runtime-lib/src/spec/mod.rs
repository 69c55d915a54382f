//! What was asked for: a bundle's config.json, read once and bounded, as `oci_spec` types.
//!
//! `oci_spec` is stricter than the Go bindings most engines write with. What [`parse()`] makes up for,
//! and only after the plain reading has failed:
//!
//! - an unknown capability name fails the whole document there; the specification wants a warning;
//! - fields that are not `Option` refuse an explicit `null` (`"names": null`, `"limit": null`), which
//!   Go reads as unset;
//! - `process.user` is required there, but neither in the schema nor by runc;
//! - `"seccomp": {}` means "no filter" to runc and lacks `defaultAction` there;
//! - an object in two spellings (`cpu`, `CPU`) is one for Go, as long as they have nothing in common;
//! - two scheduler flags have other names there than in the specification (`SCHED_RESET_ON_FORK`,
//!   `SCHED_FLAG_D_L_OVERRUN`), and an empty list of processors is refused.
//!
//! Besides, keys may be in any case, as for Go, see [`mod@any_case`], and a `pids.limit` of 0 is told from an
//! absent one, see [`mod@pids`].
//!
//! What it does not make up for, so that later stages must know it:
//!
//! - Go writes unset strings as `""`: `Some("")` of a hostname, path or label means unset
//!   ([`namespace()`] hides that for namespace paths);
//! - `hugepageLimits[].limit` (an `i64` here, `uint64` in Go), device numbers and
//!   mapping fields are plain integers: absent and 0 are the same;
//! - capability names are read in any case and with any number of `CAP_`, into an unordered set;
//! - a duplicate key of a struct is an error, a duplicate key of a map (`annotations`, `sysctl`) is not:
//!   the last one holds;
//! - an array may stand for an object, its elements taken as the fields in order.

mod any_case;
mod id_list;
mod id_mapped;
mod load;
mod mount_options;
mod names;
mod parse;
mod pids;
mod repair;
mod sysctl;
mod view;

use std::path::{Path, PathBuf};

use oci_spec::runtime::Spec;

use crate::error::Error;

pub(crate) use any_case::pointer_mut;
pub(crate) use id_list::bit_mask;
pub(crate) use id_mapped::{IdMapped, Mapping, id_mapped};
pub(crate) use load::{inside, load};
pub use load::{load_process, load_profile, read_resources};
pub(crate) use mount_options::MountOptions;
pub use mount_options::mount_options;
pub(crate) use names::{is_named, names_of};
pub(crate) use parse::parse;
pub(crate) use sysctl::sysctl_path;
pub(crate) use view::{
    KEEP_GROUPS, Namespace, clean, destination, is_bind, keeps_groups, namespace, root_path,
};

/// A bundle as it was found on disk.
#[derive(Debug, Clone)]
pub(crate) struct Bundle {
    /// The config, not validated.
    pub spec: Spec,
    /// config.json verbatim, to be frozen into the state directory at create.
    pub raw: Vec<u8>,
    /// The bundle directory: absolute, otherwise as it was named (`state` reports it).
    pub dir: PathBuf,
    /// The root filesystem: absolute, symlinks resolved, and a directory when it was looked at.
    pub rootfs: PathBuf,
    /// Sentences for the log: what the specification says to ignore, and was.
    pub warnings: Vec<String>,
}

/// The longest field or problem text that is worth printing.
const MAX_TEXT: usize = 300;

/// A config error whose text is one line whatever the config holds.
pub(crate) fn config_error(file: &Path, field: &str, problem: &str) -> Error {
    Error::Config { file: file.to_owned(), field: one_line(field), problem: one_line(problem) }
}

/// Escapes what would break the line or the terminal, and cuts what nobody would read.
pub(crate) fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut line = String::with_capacity(text.len().min(MAX_TEXT));
    for (count, c) in text.chars().enumerate() {
        if count == MAX_TEXT {
            line.push('…');
            break;
        }
        if breaks(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_one_bounded_line() {
        assert_eq!(one_line("a\nb\t\u{1b}[31m\u{2028}é"), r"a\nb\t\u{1b}[31m\u{2028}é");
        assert_eq!(one_line(&"x".repeat(400)).chars().count(), MAX_TEXT + 1);
        assert_eq!(one_line(&"x".repeat(300)), "x".repeat(300));
    }

    /// What the module's head says of `oci_spec`: an update that changes it should be noticed.
    #[test]
    fn quirks_of_oci_spec() {
        let reads = |json: &str| serde_json::from_str::<Spec>(json).is_ok();
        let process = |fields: &str| {
            reads(&format!(r#"{{"process": {{"cwd": "/", "user": {{}}, {fields}}}}}"#))
        };
        let flag = |name: &str| {
            process(&format!(r#""scheduler": {{"policy": "SCHED_RR", "flags": ["{name}"]}}"#))
        };
        assert!(!reads(r#"{"process": {"cwd": "/"}}"#));
        assert!(!reads(r#"{"linux": {"seccomp": {}}}"#));
        assert!(!reads(r#"{"linux": {"resources": {"pids": {"limit": null}}}}"#));
        assert!(!process(r#""capabilities": {"bounding": ["CAP_FUTURE"]}"#));
        assert!(process(r#""capabilities": {"bounding": ["CAP_CAP_kill"]}"#));
        assert!(!flag("SCHED_FLAG_RESET_ON_FORK") && flag("SCHED_RESET_ON_FORK"));
        assert!(!flag("SCHED_FLAG_DL_OVERRUN") && flag("SCHED_FLAG_D_L_OVERRUN"));
        assert!(!process(r#""execCPUAffinity": {"initial": ""}"#));
        assert!(reads(r#"{"root": ["rootfs", true]}"#));
        assert!(reads(r#"{"OCIVERSION": 5}"#));
        assert!(reads(r#"{"annotations": {"a": "1", "a": "2"}}"#));
        assert!(!reads(r#"{"hostname": "1", "hostname": "2"}"#));
    }
}
