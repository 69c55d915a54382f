//! Where a container's filter comes from, and where its listener goes: to the agent at `listenerPath`.

use std::os::fd::{AsRawFd, OwnedFd};

use oci_spec::runtime::Spec;
use serde_json::json;

use super::console::send_data;
use super::hooks::state_object;
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::launch::{Child, Lane};
use crate::plan::HookKind;
use crate::seccomp::Filter;
use crate::state::{FilterCache, Record};

/// The filter of `linux.seccomp`.
pub(super) struct Compiled {
    pub filter: Filter,
    /// Where it is not yet, and the key that it is to be kept under.
    absent_from: Option<(FilterCache, Vec<u8>)>,
}

impl Compiled {
    /// From the cache if it is there.
    pub fn of(spec: &Spec, cache: Option<FilterCache>) -> Result<Option<Self>> {
        let Some(profile) = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref()) else {
            return Ok(None);
        };
        let place = cache.and_then(|cache| Some((cache, Filter::key(profile)?)));
        if let Some((program, flags)) = place.as_ref().and_then(|(cache, key)| cache.find(key)) {
            let filter = Filter::from_bytes(&program, flags);
            return Ok(Some(Self { filter, absent_from: None }));
        }
        Ok(Some(Self { filter: Filter::compile(profile)?, absent_from: place }))
    }

    /// For the next container of the same profile. To be called when this one is there: a start that
    /// fails leaves nothing behind.
    pub fn keep(&self) {
        if let Some((cache, key)) = &self.absent_from {
            cache.keep(key, &self.filter.to_bytes(), self.filter.flags());
        }
    }
}

/// The runtime's part of an exec, or of a hook.
pub(super) struct EnteringLane<'a> {
    pub spec: &'a Spec,
    pub record: &'a Record,
    pub cgroup: &'a Cgroup,
}

impl Lane for EnteringLane<'_> {
    fn attach_to_unit(&mut self, child: &Child) -> Result<()> {
        self.cgroup.attach(child.pid)
    }

    fn hooks(&mut self, _: HookKind, _: &Child) -> Result<()> {
        Ok(())
    }

    fn save(&mut self, _: &Child) -> Result<()> {
        Ok(())
    }

    fn listener(&mut self, listener: OwnedFd, process: &Child) -> Result<()> {
        send_listener(self.spec, self.record, ("running", self.record.pid), listener, process.pid)
    }
}

/// The container process state (config-linux.md), with the descriptor. `status` and pid are the
/// container's, `pid` that of the process that has the filter.
pub(super) fn send_listener(
    spec: &Spec,
    record: &Record,
    (status, init): (&str, i32),
    listener: OwnedFd,
    pid: i32,
) -> Result<()> {
    let missing = || Error::unsupported("linux.seccomp.listenerPath", "is not set");
    let linux = spec.linux().as_ref().ok_or_else(missing)?;
    let seccomp = linux.seccomp().as_ref().ok_or_else(missing)?;
    let path = seccomp.listener_path().as_deref().ok_or_else(missing)?;
    let mut message = json!({
        "ociVersion": record.oci_version,
        "fds": ["seccompFd"],
        "pid": pid,
        "state": state_object(record, status, init),
    });
    if let (Some(metadata), Some(fields)) = (seccomp.listener_metadata(), message.as_object_mut()) {
        fields.insert("metadata".into(), metadata.as_str().into());
    }
    let message = message.to_string();
    send_data(path, "seccomp agent", message.as_bytes(), listener.as_raw_fd())
}
