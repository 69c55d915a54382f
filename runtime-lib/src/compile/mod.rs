//! From a config to a plan. This file is the order of a container start: each phase stands here
//! once, with the reason for its place.
//!
//! Pure: nothing is looked up on the machine but what `HostFacts` and the request hold.

mod affinity;
mod cgroup;
mod clocks;
mod credentials;
mod criu;
mod detached;
mod devices;
mod exec;
mod hierarchies;
mod host_mounts;
mod limits;
mod lsm;
mod masks;
mod mounts;
mod namespaces;
mod network;
mod process;
mod resctrl;
mod rootfs;
#[cfg(any(test, fuzzing))]
pub(crate) mod samples;
mod seccomp;
mod settings;
mod terminal;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use oci_spec::runtime::{Hook, Process, Spec};

pub(crate) use cgroup::{BySystemd, CgroupShape, Hierarchy, Tasks};
pub(crate) use criu::{CriuRequest, Restoring, criu, loopback, mount_points};
pub(crate) use exec::{ExecRequest, HookPlace, exec, hook};

pub(crate) use credentials::not_raised;
pub(crate) use lsm::wanted as wants_labels;
pub(crate) use namespaces::types as namespace_types;
pub(crate) use terminal::Foreground;

use crate::error::Result;
use crate::host::HostFacts;
use crate::plan::op::{Slot, signal};
use crate::plan::{Builder, HookKind, Plan, RuntimeStep, Source};
use crate::seccomp::Filter;
use crate::spec::Mapping;
use mounts::Entry;
use namespaces::Namespaces;
use process::Dumpable;

/// What a container is created from.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub spec: &'a Spec,
    /// The bundle directory, absolute: relative mount sources count from it.
    pub bundle: &'a Path,
    /// Absolute path of the root filesystem, symlinks resolved.
    pub rootfs: &'a Path,
    pub host: &'a HostFacts,
    pub cgroup: &'a CgroupShape,
    /// Files of the resctrl group that the process writes itself to.
    pub resctrl: &'a [PathBuf],
    /// Mounts with `copy-symlink` whose source is a symlink, by index, and what it says.
    pub links: &'a [(usize, PathBuf)],
    /// The process waits on the start socket (`create`) rather than just goes on (`run`).
    pub wait_for_start: bool,
    /// The caller gave its own standard streams.
    pub own_stdio: bool,
    /// The caller keeps the terminal, if there is one.
    pub foreground: Option<Foreground>,
    pub preserve_fds: u32,
    /// pivot_root(2) may not work here.
    pub no_pivot: bool,
    /// Name of the session keyring to join.
    pub keyring: Option<String>,
    /// The compiled `linux.seccomp`.
    pub filter: Option<&'a Filter>,
}

/// Builder, request and what all phases share.
struct Compiler<'a> {
    request: &'a Request<'a>,
    namespaces: Namespaces<'a>,
    plan: Builder,
    /// The container's root, once it is attached.
    root: Slot,
    /// The runtime's mount namespace, as long as the process has left it to make mounts.
    home: Option<Slot>,
    /// User namespaces for id-mapped mounts: one serves all mounts of the same mapping.
    user_namespaces: Vec<(Mapping, Slot)>,
}

/// Compiles the start of a container.
pub(crate) fn create(request: &Request<'_>) -> Result<Plan> {
    lsm::check(request.spec, request.spec.process().as_ref(), request.host)?;
    let namespaces = Namespaces::of(request.spec);
    let mut c = Compiler {
        request,
        namespaces,
        plan: Builder::new(),
        root: Slot::NONE,
        home: None,
        user_namespaces: Vec::new(),
    };
    let mut entries = mounts::read(&c)?;
    let mut pinned = c.inputs();
    c.stage(&mut entries);
    c.init(&mut pinned, entries)?;
    c.plan.preserve_fds(request.preserve_fds);
    c.plan.finish()
}

/// Inputs that are used late, taken first so that no early op can reuse their slots.
struct Pinned {
    /// What `start` empties; unset if the process does not wait for it.
    start: Option<Slot>,
    /// Where a terminal's master end is sent, until it is.
    console: Option<Slot>,
    /// What becomes which standard stream.
    stdio: Vec<(Slot, u32)>,
}

impl Compiler<'_> {
    fn inputs(&mut self) -> Pinned {
        let start = self.request.wait_for_start.then(|| self.plan.input(Source::StartFifo));
        let console = terminal::input(&mut self.plan, self.request.spec.process().as_ref());
        let own_stdio = self.request.own_stdio && console.is_none();
        Pinned { start, console, stdio: process::stdio_inputs(&mut self.plan, own_stdio) }
    }

    /// Up to the point where the process is the container's init. Without a user namespace and
    /// without a joined pid namespace that is the executor itself from its first instruction.
    fn stage(&mut self, entries: &mut [Entry<'_>]) {
        let stage_needed = self.namespaces.needs_stage();
        let new = self.namespaces.new_flags();
        let into = namespaces::cgroup_of_clone(self);
        self.plan.runtime(RuntimeStep::Launch {
            flags: if stage_needed { 0 } else { new },
            into_cgroup: self.request.cgroup.into_cgroup && into == Slot::NONE,
        });
        let process = self.request.spec.process().as_ref();
        let dumpable = Dumpable::for_new_container(self.request.spec, self.request.host);
        process::prologue(&mut self.plan, process.and_then(Process::oom_score_adj), dumpable);
        // Cgroups first: what follows is accounted to the container, and a new cgroup namespace
        // has the cgroup its creator is in as its root (cgroup_namespaces(7)).
        let handed = cgroup::join_for(&mut self.plan, self.request.cgroup, stage_needed);
        resctrl::join(&mut self.plan, self.request.resctrl, resctrl::Need::Create);
        affinity::reset(&mut self.plan);
        mounts::make_early(self, entries);
        namespaces::join(&mut self.plan, &self.namespaces, self.request.host);
        if stage_needed {
            self.plan.origin("linux.namespaces");
            namespaces::clone(&mut self.plan, new, into, handed);
        }
        // Before the maps, as long as an ordinary user's runtime may write to files in /proc/PID.
        clocks::enter(&mut self.plan, self.request.spec, &self.namespaces);
        namespaces::become_root(&mut self.plan, self.request.spec, self.request.host);
        namespaces::unshare_cgroup(&mut self.plan, &self.namespaces);
    }

    fn init(&mut self, pinned: &mut Pinned, entries: Vec<Entry<'_>>) -> Result<()> {
        lsm::label_next_exec(&mut self.plan, self.request.spec.process().as_ref());
        process::session_keyring(&mut self.plan, self.request.keyring.as_deref());
        namespaces::settle(&mut self.plan, self.request.spec, &self.namespaces);
        network::devices(&mut self.plan, self.request.spec);
        host_mounts::check(self, &entries)?;
        rootfs::prepare(self);
        let read_only = mounts::mount_all(self, entries)?;
        devices::populate(self)?;
        terminal::set_up(self, pinned);
        rootfs::working_directory(self);
        self.hooks();
        // After the hooks, which may still need what gets hidden; before the switch of the root,
        // while the host's /dev/null can be reached.
        masks::apply(self)?;
        mounts::make_read_only(&mut self.plan, read_only);
        rootfs::switch(self)?;
        process::finish(self, pinned);
        Ok(())
    }

    /// Hooks that want the mounts in place and the host's root still visible.
    fn hooks(&mut self) {
        let kinds = [HookKind::Prestart, HookKind::CreateRuntime, HookKind::CreateContainer];
        let wanted = kinds.into_iter().filter(|kind| !hooks(self.request.spec, *kind).is_empty());
        let wanted: Vec<HookKind> = wanted.collect();
        if wanted.is_empty() {
            return;
        }
        self.plan.origin("hooks");
        let (spec, host) = (self.request.spec, self.request.host);
        let enters = wanted.contains(&HookKind::CreateContainer);
        let admitted = enters && process::admit_runtime(&mut self.plan, spec, host);
        self.plan.meet(signal::HOOKS, wanted.into_iter().map(RuntimeStep::Hooks));
        if admitted {
            process::undumpable(&mut self.plan);
        }
    }
}

/// The config's hooks of one kind.
pub(crate) fn hooks(spec: &Spec, kind: HookKind) -> &[Hook] {
    let Some(hooks) = spec.hooks() else { return &[] };
    #[allow(deprecated)]
    let list = match kind {
        HookKind::Prestart => hooks.prestart(),
        HookKind::CreateRuntime => hooks.create_runtime(),
        HookKind::CreateContainer => hooks.create_container(),
        HookKind::StartContainer => hooks.start_container(),
        HookKind::Poststart => hooks.poststart(),
        HookKind::Poststop => hooks.poststop(),
    };
    list.as_deref().unwrap_or_default()
}
