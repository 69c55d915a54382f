//! User namespaces for id-mapped mounts. The kernel wants one that holds the mapping (mount_setattr(2),
//! MOUNT_ATTR_IDMAP), and one comes to be with a process only: an executor that does nothing but wait.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;

use super::procfiles::ProcFiles;
use super::{Drive, NoLane};
use crate::error::{Error, Result};
use crate::plan::op::signal as meeting;
use crate::plan::{Builder, IdMaps, Plan, Source};
use crate::prepare::{Prepare, prepare};
use crate::timings::Timer;

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
    let (mut lane, mut timer) = (NoLane, Timer::off());
    let mut drive = Drive::new(&plan, &mut lane, &mut timer);
    drive.start(CLONE_NEWUSER, prepare(&plan, Prepare::default())?)?;
    drive.await_signal(meeting::MAPS)?;
    let child = drive.child()?;
    super::idmap::write(child, maps, origin)?;
    let namespace = ProcFiles::of(child)?.open("ns/user", OFlag::O_RDONLY);
    namespace.map(OwnedFd::from).map_err(|e| Error::system("open", "user namespace", e))
}

/// The answer never comes.
fn waiting() -> Result<Plan> {
    let mut plan = Builder::new();
    plan.meet(meeting::MAPS, []);
    plan.finish()
}
