//! The record: what is kept of a container in `state.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use oci_spec::runtime::LinuxResources;
use serde::{Deserialize, Serialize};

use super::{Origin, State, Status};
use crate::cgroup::Paths;
use crate::error::{Error, Result};
use crate::resctrl::Group;

/// What later verbs must know of a container. The config is frozen beside it, not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// [`Record::VERSION`] of the writer.
    pub(crate) version: u32,
    /// `ociVersion` of the config.
    pub(crate) oci_version: String,
    /// The container's id.
    pub(crate) id: String,
    /// The init's pid; 0 until there is one.
    pub(crate) pid: i32,
    /// The init's start time, to tell it from a later process with the same pid.
    pub(crate) start_time: u64,
    /// Where and when that pid counts.
    #[serde(default)]
    pub(crate) origin: Origin,
    /// The bundle directory.
    pub(crate) bundle: PathBuf,
    /// The root filesystem, absolute.
    pub(crate) rootfs: PathBuf,
    /// When it was created, as [`now`] gives it.
    pub(crate) created: String,
    /// Who created it.
    pub(crate) owner_uid: u32,
    /// The same by name.
    pub(crate) owner: String,
    /// The config's annotations.
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Its cgroup.
    pub(crate) cgroup: Paths,
    /// Its resctrl group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resctrl: Option<Group>,
    /// The namespaces it does not share with the runtime, by the specification's names.
    #[serde(default)]
    pub(crate) namespaces: Vec<String>,
    /// It has a session keyring of its own, see [`Record::keyring`].
    #[serde(default)]
    pub(crate) own_keyring: bool,
    /// The config has poststop hooks.
    #[serde(default)]
    pub(crate) poststop: bool,
    /// What limits it since the first update; before, the config's `linux.resources` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resources: Option<LinuxResources>,
    /// What its process had as standard streams to begin with, as `/proc/PID/fd` shows it; none if it
    /// has a terminal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) streams: Vec<String>,
    /// What is known of the seccomp filter's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) filter: Option<StoredFilter>,
}

/// The seccomp filter that every process of a container gets; its program is in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredFilter {
    /// For seccomp(2).
    pub(crate) flags: u32,
    /// Length of the file in bytes.
    pub(crate) length: usize,
    /// CRC-32 of the file.
    pub(crate) checksum: u32,
}

impl StoredFilter {
    /// Of a program that is about to be stored.
    pub(crate) fn of(program: &[u8], flags: u32) -> Self {
        Self { flags, length: program.len(), checksum: crc32fast::hash(program) }
    }

    /// Whether a file's content is what was stored.
    pub(crate) fn matches(&self, program: &[u8]) -> bool {
        *self == Self::of(program, self.flags)
    }
}

impl Record {
    /// Version of the form that this program writes; a higher one is refused, not guessed at.
    pub(crate) const VERSION: u32 = 1;

    /// Parses a record; `file` is named in errors.
    pub(crate) fn parse(data: &[u8], file: &Path) -> Result<Self> {
        let damaged = |problem| Error::State { file: file.to_owned(), problem };
        let record: Self = serde_json::from_slice(data).map_err(|e| damaged(e.to_string()))?;
        if record.version > Self::VERSION {
            let version = record.version;
            return Err(damaged(format!(
                "version {version} of a newer teu; this one knows {}",
                Self::VERSION
            )));
        }
        Ok(record)
    }

    /// The record as it is written.
    pub(crate) fn to_json(&self, file: &Path) -> Result<Vec<u8>> {
        let unfit = |e: serde_json::Error| Error::State {
            file: file.to_owned(),
            problem: format!("cannot be written as JSON: {e}"),
        };
        serde_json::to_vec(self).map_err(unfit)
    }

    /// The container's processes are in the runtime's pid namespace: they outlive its init.
    pub(crate) fn shares_pids(&self) -> bool {
        !self.namespaces.iter().any(|name| name == "pid")
    }

    /// The name of the session keyring.
    pub(crate) fn keyring(&self) -> Option<String> {
        self.own_keyring.then(|| format!("_ses.{}", self.id))
    }

    /// What `state` reports, given the status.
    pub(crate) fn to_state(&self, status: Status) -> State {
        State {
            oci_version: self.oci_version.clone(),
            id: self.id.clone(),
            pid: if status == Status::Stopped { 0 } else { self.pid },
            status,
            bundle: self.bundle.clone(),
            rootfs: self.rootfs.clone(),
            created: self.created.clone(),
            annotations: self.annotations.clone(),
            owner: self.owner.clone(),
        }
    }
}

/// The current time as `created` has it: RFC 3339, UTC, nanoseconds.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_nanos(SystemTime::now()).to_string()
}

#[cfg(test)]
pub(super) fn sample(id: &str) -> Record {
    Record {
        version: Record::VERSION,
        oci_version: "1.2.0".into(),
        id: id.into(),
        pid: 0,
        start_time: 0,
        origin: Origin::default(),
        bundle: "/b".into(),
        rootfs: "/b/rootfs".into(),
        created: now(),
        owner_uid: 0,
        owner: "root".into(),
        annotations: [("k".into(), "v".into())].into(),
        cgroup: Paths::default(),
        resctrl: None,
        namespaces: vec!["pid".into()],
        own_keyring: false,
        poststop: false,
        resources: None,
        streams: Vec::new(),
        filter: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn survives_the_way_through_a_file() {
        let record = sample("c");
        let json = record.to_json(Path::new("f")).unwrap();
        assert_eq!(Record::parse(&json, Path::new("f")).unwrap(), record);
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let mut json: serde_json::Value =
            serde_json::from_slice(&sample("c").to_json(Path::new("f")).unwrap()).unwrap();
        json["invented_later"] = serde_json::json!({"a": [1]});
        assert!(Record::parse(json.to_string().as_bytes(), Path::new("f")).is_ok());
    }

    #[test]
    fn a_damaged_file_is_one_line_that_names_it() {
        for bytes in [&b""[..], b"{", b"{}", b"null", b"\xff\xfe", b"{\"version\":1}"] {
            let e = Record::parse(bytes, Path::new("/run/teu/c/state.json")).unwrap_err();
            let text = e.to_string();
            assert!(text.starts_with("/run/teu/c/state.json: "), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }

    #[test]
    fn a_newer_record_is_refused() {
        let record = Record { version: Record::VERSION + 1, ..sample("c") };
        let json = record.to_json(Path::new("f")).unwrap();
        assert!(Record::parse(&json, Path::new("f")).is_err());
    }

    #[test]
    fn a_stopped_container_has_no_pid() {
        let record = Record { pid: 7, ..sample("c") };
        assert_eq!(record.to_state(Status::Stopped).pid, 0);
        assert_eq!(record.to_state(Status::Running).pid, 7);
    }

    #[test]
    fn the_time_has_nanoseconds_and_is_utc() {
        let now = now();
        assert_eq!(now.len(), "2024-01-01T00:00:00.000000000Z".len());
        assert!(now.ends_with('Z'));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::parse(&bytes, Path::new("f"));
        }
    }
}
