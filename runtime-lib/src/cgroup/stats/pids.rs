//! The pids controller, the same in v1 and v2.

use serde::Serialize;

use super::is_zero;
use crate::cgroup::files::Files;
use crate::error::Result;
use crate::fdio;

/// Processes and threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pids {
    /// How many there are. Without the controller, processes alone, without those in sub-cgroups.
    #[serde(skip_serializing_if = "is_zero")]
    pub current: u64,
    /// How many there may be; 0 for no limit.
    #[serde(skip_serializing_if = "is_zero")]
    pub limit: u64,
}

pub(super) fn read(files: &Files) -> Result<Pids> {
    let Some(current) = files.number("pids.current")? else {
        return Ok(Pids { current: count(files), limit: 0 });
    };
    let limit = files.number("pids.max")?.filter(|&limit| limit != u64::MAX);
    Ok(Pids { current, limit: limit.unwrap_or_default() })
}

/// A threaded v2 cgroup names its threads only. A cgroup that is just going has none.
fn count(files: &Files) -> u64 {
    let list = |name: &str| fdio::read_at(files, name.as_ref());
    let list = list("cgroup.procs").or_else(|_| list("cgroup.threads")).unwrap_or_default();
    u64::try_from(list.iter().filter(|&&byte| byte == b'\n').count()).unwrap_or_default()
}
