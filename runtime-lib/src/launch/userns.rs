//! User namespaces for id-mapped mounts. The kernel wants one that holds the mapping (mount_setattr(2),
//! MOUNT_ATTR_IDMAP), and one comes to be with a process only: an executor that does nothing but wait.

use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::OwnedFd;

use super::{Drive, NoLane, gone};
use crate::error::{Error, Result};
use crate::plan::op::{Op, signal as meeting};
use crate::plan::{Builder, IdMaps, Plan, RuntimeStep, Source};
use crate::prepare::{Prepare, prepare};
use crate::signal::{self, Signal};

/// One for every such input of the plan, in their order. They live as long as their descriptors and
/// the mounts do.
pub(crate) fn user_namespaces(plan: &Plan) -> Result<VecDeque<OwnedFd>> {
    let mut namespaces = VecDeque::new();
    for input in &plan.inputs {
        if let Source::UserNamespace(maps) = &input.source {
            namespaces.push_back(user_namespace(maps, &input.origin)?);
        }
    }
    Ok(namespaces)
}

/// The process ends when `drive` is dropped.
fn user_namespace(maps: &IdMaps, origin: &str) -> Result<OwnedFd> {
    const CLONE_NEWUSER: u64 = 0x1000_0000;
    let plan = waiting()?;
    let mut drive = Drive { plan: &plan, control: None, child: None, lane: &mut NoLane };
    drive.start(CLONE_NEWUSER, prepare(&plan, Prepare::default())?)?;
    drive.await_signal(meeting::MAPS)?;
    let child = drive.child()?;
    let pidfd = child.pidfd().ok_or_else(gone)?;
    super::idmap::write(child.pid, pidfd, maps, origin)?;
    let path = format!("/proc/{}/ns/user", child.pid);
    let namespace = File::open(&path).map_err(|e| Error::io("open", &path, &e))?;
    // Should somebody have killed and reaped it, the pid may have been another's.
    if signal::send(pidfd, Signal::PROBE).is_err() {
        return Err(Error::ExecutorDied("is gone before its namespace was opened".into()));
    }
    Ok(namespace.into())
}

/// The answer never comes.
fn waiting() -> Result<Plan> {
    let mut plan = Builder::new();
    plan.push(Op::Signal { number: meeting::MAPS });
    plan.push(Op::Wait { number: meeting::MAPS });
    plan.runtime(RuntimeStep::Await(meeting::MAPS));
    plan.runtime(RuntimeStep::Answer(meeting::MAPS));
    plan.finish()
}
