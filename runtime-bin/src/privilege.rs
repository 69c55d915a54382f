//! teu is no program to gain privileges by: a caller can have it run anything as root.
#![allow(unsafe_code, reason = "the auxiliary vector")]

use nix::unistd::{getegid, geteuid, getgid, getuid};

use crate::failure::Failure;

/// Refuses to go on with privileges that its file gives and its caller does not have.
///
/// The kernel tells with AT_SECURE (getauxval(3)). An LSM may say it of any exec, so it has to be the ids
/// or capabilities as well.
pub fn refuse_gained() -> Result<(), Failure> {
    // SAFETY: takes a number and gives one.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    let other_ids = || getuid() != geteuid() || getgid() != getegid();
    let gained = secure && (other_ids() || (!geteuid().is_root() && has_capabilities()));
    if gained { Err(Failure::Gained) } else { Ok(()) }
}

/// Of an ordinary user: from the file. (Ambient ones are not AT_SECURE's.)
fn has_capabilities() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let permitted = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
    permitted.is_none_or(|set| set.trim().bytes().any(|digit| digit != b'0'))
}
