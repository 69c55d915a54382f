//! Sends the listener of a filter to the agent at `listenerPath`.

use std::os::fd::{AsRawFd, OwnedFd};

use oci_spec::runtime::Spec;
use serde_json::json;

use super::console::send_data;
use super::hooks::state_object;
use crate::cgroup::Cgroup;
use crate::error::{Error, Result};
use crate::launch::{Child, Lane};
use crate::plan::HookKind;
use crate::state::Record;

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
