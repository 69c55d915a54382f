//! The ways of a further process into a container and its cgroup.

use std::os::fd::{BorrowedFd, OwnedFd};

use nix::errno::Errno;
use oci_spec::runtime::{Process as SpecProcess, Spec};

use super::create::joining;
use super::seccomp::EnteringLane;
use crate::cgroup::{Cgroup, InitCgroup, Mode};
use crate::compile::{self, BySystemd, CgroupShape, ExecRequest, Foreground, Tasks};
use crate::error::{Error, Result};
use crate::host::HostFacts;
use crate::launch::{Child, launch};
use crate::plan::Plan;
use crate::prepare::{Prepare, prepare};
use crate::resctrl::Group;
use crate::seccomp::Filter;
use crate::state::Record;
use crate::timings::Timer;

/// The streams of the process, and where its terminal goes.
pub(super) struct Streams {
    pub stdio: Option<[OwnedFd; 3]>,
    pub console: Option<OwnedFd>,
    pub foreground: Option<Foreground>,
}

impl Streams {
    fn try_clone(&self) -> Result<Self> {
        let clone = |fd: &OwnedFd| fd.try_clone().map_err(|e| Error::io("dup", "a stream", &e));
        let stdio = match &self.stdio {
            Some([input, output, error]) => Some([clone(input)?, clone(output)?, clone(error)?]),
            None => None,
        };
        let console = self.console.as_ref().map(clone).transpose()?;
        Ok(Self { stdio, console, foreground: self.foreground })
    }
}

/// All that a way into the container depends on, but for the way into its cgroup.
pub(super) struct Entering<'a> {
    /// With a pidfd of its init.
    pub container: (&'a Record, &'a Spec, BorrowedFd<'a>),
    pub process: &'a SpecProcess,
    pub host: &'a HostFacts,
    pub cgroup: &'a Cgroup,
    pub init_cgroup: Option<InitCgroup>,
    pub preserve_fds: u32,
    pub unhurried: bool,
    pub filter: Option<&'a Filter>,
}

impl Entering<'_> {
    /// Nothing of a first try that found no place in the cgroup is left when the second one begins.
    pub fn launch(
        &self,
        shape: &CgroupShape,
        streams: Streams,
        timer: &mut Timer,
    ) -> Result<(Plan, Child)> {
        let Some(second) = into_a_full_one(self.cgroup, shape) else {
            return self.attempt(shape, streams, timer);
        };
        let spare = streams.try_clone()?;
        match self.attempt(shape, streams, timer) {
            Err(e) if e.errno() == Some(Errno::EAGAIN) => self.attempt(&second, spare, timer),
            other => other,
        }
    }

    fn attempt(
        &self,
        shape: &CgroupShape,
        streams: Streams,
        timer: &mut Timer,
    ) -> Result<(Plan, Child)> {
        let (record, spec, init) = self.container;
        let resctrl = record.resctrl.as_ref().map_or_else(Vec::new, Group::tasks);
        let plan = compile::exec(&ExecRequest {
            spec,
            process: self.process,
            program: None,
            home: true,
            host: self.host,
            cgroup: shape,
            resctrl: &resctrl,
            own_stdio: streams.stdio.is_some(),
            foreground: streams.foreground,
            preserve_fds: self.preserve_fds,
            keyring: record.keyring(),
            filter: self.filter,
        })?;
        timer.stage("compile");
        let init_cgroup = self.init_cgroup.clone();
        let cgroup_dir =
            if shape.into_cgroup { dir(self.cgroup, init_cgroup.as_ref())? } else { None };
        let from = Prepare {
            cgroup_dir,
            init_cgroup,
            stdio: streams.stdio,
            console: streams.console,
            init: Some((record.pid, init)),
            unhurried: self.unhurried,
            ..Prepare::default()
        };
        let mut lane = EnteringLane { spec, record, cgroup: self.cgroup };
        let prepared = prepare(&plan, from)?;
        timer.stage("prepare");
        let child = launch(&plan, prepared, &mut lane, timer)?;
        Ok((plan, child))
    }
}

/// The second way into a cgroup of v2, if processes can be limited in it. Where there are as many as there may be
/// none can be born (EAGAIN), but one can be moved there. That takes longer: all forking is kept waiting for
/// it, for which the kernel waits out an RCU grace period.
fn into_a_full_one(cgroup: &Cgroup, first: &CgroupShape) -> Option<CgroupShape> {
    let procs = procs_of(cgroup).filter(|procs| first.into_cgroup && procs.counted)?;
    let mut shape = CgroupShape { into_cgroup: false, ..first.clone() };
    shape.tasks.push(procs);
    Some(shape)
}

/// On a hybrid host processes are limited in a v1 hierarchy.
fn procs_of(cgroup: &Cgroup) -> Option<Tasks> {
    let place = cgroup.paths().unified.as_ref()?;
    let counted = cgroup.paths().mode == Mode::V2;
    Some(Tasks { path: place.dir.join("cgroup.procs"), dispensable: false, counted })
}

/// How the process gets into the container's cgroup. One that has to run on certain processors before it
/// is there cannot be born there: it joins v2's by itself as well.
pub(super) fn shape(cgroup: &Cgroup, process: Option<&SpecProcess>) -> CgroupShape {
    let mut joining = joining(cgroup);
    match (&cgroup.paths().unit, procs_of(cgroup)) {
        (Some(unit), _) if cgroup.needs_attach() => {
            joining.into_cgroup = false;
            joining.by_systemd = Some(BySystemd::Attach { name: unit.name.clone() });
        }
        (_, Some(procs)) if process.is_some_and(has_initial_affinity) => {
            joining.into_cgroup = false;
            joining.tasks.push(procs);
        }
        _ => {}
    }
    joining
}

fn has_initial_affinity(process: &SpecProcess) -> bool {
    let affinity = process.exec_cpu_affinity().as_ref();
    affinity.and_then(|a| a.initial().as_deref()).is_some_and(|cpus| !cpus.is_empty())
}

/// The container's v2 cgroup, or where its init has gone since.
fn dir(cgroup: &Cgroup, init: Option<&InitCgroup>) -> Result<Option<OwnedFd>> {
    match (cgroup.unified_fd(), init) {
        (Err(e), Some(init)) if e.errno() == Some(Errno::ENOENT) => init.open().map(Some),
        (other, _) => other,
    }
}
