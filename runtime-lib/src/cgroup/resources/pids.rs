//! `pids`.

use oci_spec::runtime::LinuxPids;

use super::Settings;
use crate::error::Result;

/// 0 is a limit since version 1.3 of the specification (for older ones, the reading has dropped it).
/// It is written as 1, as runc does, since systemd knows no 0: the first process does not count
/// against it when it joins, and no other one may be forked.
#[allow(clippy::unnecessary_wraps, reason = "the same form for all parts")]
pub(super) fn compile(pids: LinuxPids, to: &mut Settings) -> Result<()> {
    match pids.limit() {
        ..0 => to.push_unlimited("pids", "pids.limit", "pids.max", "max"),
        limit => to.push("pids", "pids.limit", "pids.max", limit.max(1)),
    }
    Ok(())
}
