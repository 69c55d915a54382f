//! Joining a resctrl group.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::plan::Builder;
use crate::plan::op::{Op, Slot};

const ENOENT: u8 = 2;

/// Whether the group has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// The container is created.
    Create,
    /// An administrator may have removed the group since, and its processes are in the default one.
    Exec,
}

/// The process joins by itself, with "0" for its pid; what it clones later is in the group, too.
pub(super) fn join(plan: &mut Builder, tasks: &[PathBuf], need: Need) {
    plan.origin("linux.intelRdt");
    let data = plan.bytes("0");
    for path in tasks {
        let path = plan.text(path.as_os_str().as_bytes());
        let write = Op::WriteFile { dir: Slot::CWD, path, data };
        match need {
            Need::Create => plan.push(write),
            Need::Exec => plan.push_or_skip(write, [ENOENT, 0, 0]),
        }
    }
    plan.origin("");
}
