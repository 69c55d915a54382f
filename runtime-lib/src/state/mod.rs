//! What is known of a container, on disk and to callers.

mod filter_cache;
mod leftover;
mod origin;
mod procstat;
mod record;
mod status;
mod store;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub(crate) use filter_cache::{FilterCache, StaleFilter};
pub(crate) use origin::Origin;
pub(crate) use procstat::ProcStat;
pub(crate) use record::{Record, StoredFilter, now};
pub(crate) use status::{INIT_COMM, find_init, status};
pub(crate) use store::{Entry, Lock, NOTIFY_DIR, NOTIFY_SOCKET, START_FIFO, Store};

/// A container's status as the runtime specification names it, with runc's `paused`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// `create` has not finished.
    Creating,
    /// The process waits for `start`.
    Created,
    /// The user's program runs.
    Running,
    /// Frozen.
    Paused,
    /// The init is gone.
    Stopped,
}

/// What `state` and `list` report: the specification's state object with runc's additions.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Version of the specification the config was written for.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// The init's pid, 0 when stopped.
    pub pid: i32,
    /// Its status at the time of asking.
    pub status: Status,
    /// The bundle directory, absolute.
    pub bundle: PathBuf,
    /// The root filesystem, absolute.
    pub rootfs: PathBuf,
    /// When it was created: RFC 3339 with nanoseconds, UTC.
    pub created: String,
    /// The config's annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Name of the user who created it.
    pub owner: String,
}
