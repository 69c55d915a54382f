//! Which namespaces are new, which are joined, and who becomes what in them.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType, Spec};

use super::Compiler;
use super::cgroup::Handed;
use super::credentials::{self, Setgroups};
use super::process::Dumpable;
use crate::host::HostFacts;
use crate::plan::op::{Op, Slot, signal};
use crate::plan::{Builder, IdMap, IdMaps, MapMethod, RuntimeStep, Source};
use crate::spec::{Mapping, Namespace, namespace};

pub(crate) const CLONE_NEWTIME: u64 = 0x80;
pub(crate) const CLONE_NEWNS: u64 = 0x2_0000;
pub(crate) const CLONE_NEWCGROUP: u64 = 0x200_0000;
pub(crate) const CLONE_NEWUTS: u64 = 0x400_0000;
pub(crate) const CLONE_NEWIPC: u64 = 0x800_0000;
pub(crate) const CLONE_NEWUSER: u64 = 0x1000_0000;
pub(crate) const CLONE_NEWPID: u64 = 0x2000_0000;
pub(crate) const CLONE_NEWNET: u64 = 0x4000_0000;

/// Types in the order in which they are joined: the mount namespace last, because the paths of the
/// others are looked up before (`prepare` opens them) and its owner may differ.
const TYPES: [(LinuxNamespaceType, u64); 8] = [
    (LinuxNamespaceType::Ipc, CLONE_NEWIPC),
    (LinuxNamespaceType::Uts, CLONE_NEWUTS),
    (LinuxNamespaceType::Network, CLONE_NEWNET),
    (LinuxNamespaceType::Pid, CLONE_NEWPID),
    (LinuxNamespaceType::Cgroup, CLONE_NEWCGROUP),
    (LinuxNamespaceType::Time, CLONE_NEWTIME),
    (LinuxNamespaceType::Mount, CLONE_NEWNS),
    (LinuxNamespaceType::User, CLONE_NEWUSER),
];

/// All types that a config may ask for.
pub(crate) fn types() -> [LinuxNamespaceType; 8] {
    TYPES.map(|(typ, _)| typ)
}

/// The namespaces of a config.
#[derive(Debug, Default)]
pub(crate) struct Namespaces<'a> {
    new: u64,
    joined: Vec<(u64, &'a Path)>,
}

impl<'a> Namespaces<'a> {
    pub fn of(spec: &'a Spec) -> Self {
        let mut namespaces = Self::default();
        for (typ, flag) in TYPES {
            match namespace(spec, typ) {
                Some(Namespace::New) => namespaces.new |= flag,
                Some(Namespace::Join(path)) => namespaces.joined.push((flag, path)),
                None => {}
            }
        }
        namespaces
    }

    pub fn is_new(&self, flag: u64) -> bool {
        self.new & flag != 0
    }

    pub fn joins(&self, flag: u64) -> bool {
        self.joined.iter().any(|(joined, _)| *joined == flag)
    }

    /// New or joined: not the runtime's.
    pub fn has(&self, flag: u64) -> bool {
        self.is_new(flag) || self.joins(flag)
    }

    /// All of the container's own, as flags.
    pub fn all(&self) -> u64 {
        self.joined.iter().fold(self.new, |all, (flag, _)| all | flag)
    }

    /// For clone3. Two come later, see [`unshare_cgroup`] and [`super::clocks`].
    pub fn new_flags(&self) -> u64 {
        self.new & !(CLONE_NEWCGROUP | CLONE_NEWTIME)
    }

    /// An exec in a new user namespace would lose all capabilities, for its ids are not mapped yet
    /// (user_namespaces(7)); a joined pid namespace only holds children. In both cases the executor
    /// starts outside and clones itself. It keeps the runtime's user namespace as the owner
    /// of its memory, so that nobody inside may ptrace it (ptrace(2), PR_SET_DUMPABLE).
    pub fn needs_stage(&self) -> bool {
        self.has(CLONE_NEWUSER) || self.joins(CLONE_NEWPID)
    }
}

/// Joins namespaces by path. A privileged runtime keeps its own user namespace to the end, for it
/// has power over all of them; others get their capabilities only from the joined user namespace.
pub(super) fn join(plan: &mut Builder, namespaces: &Namespaces<'_>, host: &HostFacts) {
    let mut joined = namespaces.joined.clone();
    if !host.privileged() {
        joined.sort_by_key(|(flag, _)| *flag != CLONE_NEWUSER);
    }
    let mut slots = Vec::new();
    for (flag, path) in joined {
        plan.origin(format!("linux.namespaces ({})", path.display()));
        let source = Source::Namespace { path: PathBuf::from(path), flag };
        slots.push((flag, plan.input(source)));
    }
    for (flag, ns) in slots {
        plan.origin("linux.namespaces");
        #[allow(clippy::cast_possible_truncation)] // all CLONE_NEW* are 32-bit
        plan.push(Op::Setns { ns, flags: flag as u32 });
        plan.done(ns);
    }
    plan.origin("");
}

/// The cgroup of v2 for what a stage clones, so that the stage itself is outside: it would count where processes
/// are limited. Not after it has joined a user namespace, in which it may lack the permission, or a cgroup
/// namespace, which the way there would lead into from outside (cgroups(7), nsdelegate); then it is in the cgroup
/// itself.
pub(super) fn cgroup_of_clone(c: &mut Compiler<'_>) -> Slot {
    let joins = |flag| c.namespaces.joins(flag);
    let inside = joins(CLONE_NEWUSER) || joins(CLONE_NEWCGROUP);
    if !c.request.cgroup.into_cgroup || !c.namespaces.needs_stage() || inside {
        return Slot::NONE;
    }
    c.plan.origin("linux.cgroupsPath");
    let slot = c.plan.input(Source::Cgroup);
    c.plan.origin("");
    slot
}

/// From here on the plan is for the child. It waits until the runtime knows it: its own messages must
/// not come before the stage's, nor may it fail while nobody would reap it.
pub(super) fn clone(plan: &mut Builder, flags: u64, cgroup: Slot, handed: Option<Handed>) {
    plan.push(Op::Clone { cgroup, flags });
    if cgroup != Slot::NONE {
        plan.push(Op::Close { slot: cgroup });
    }
    plan.push(Op::Wait { number: signal::BORN });
    plan.runtime(RuntimeStep::Await(signal::BORN));
    plan.runtime(RuntimeStep::Answer(signal::BORN));
    if let Some(handed) = handed {
        handed.join(plan);
    }
    // It is in the stage's session, whose leader is gone.
    plan.push(Op::Setsid {});
}

/// Gets the maps of a new user namespace written, and takes on its root's ids.
pub(super) fn become_root(plan: &mut Builder, spec: &Spec, host: &HostFacts) {
    let user = namespace(spec, LinuxNamespaceType::User);
    if user.is_none() {
        return;
    }
    plan.origin("linux.uidMappings");
    if user == Some(Namespace::New) {
        plan.meet(signal::MAPS, [RuntimeStep::WriteIdMaps(id_maps(spec, host))]);
    }
    if Dumpable::for_new_container(spec, host) == Dumpable::UntilMapped {
        super::process::undumpable(plan);
    }
    root_ids(plan, Setgroups::of_new(spec, host));
    plan.origin("");
}

/// Ids of the namespace's root. The runtime's supplementary groups are the host's, and none of the
/// container's business.
pub(super) fn root_ids(plan: &mut Builder, setgroups: Setgroups) {
    credentials::set_groups(plan, &[], setgroups);
    plan.push(Op::Setresgid { gid: 0 });
    plan.push(Op::Setresuid { uid: 0 });
    // A change of ids makes the process as dumpable as fs.suid_dumpable says.
    super::process::undumpable(plan);
}

fn id_maps(spec: &Spec, host: &HostFacts) -> IdMaps {
    let linux = spec.linux().as_ref();
    let list = |maps: Option<&Vec<LinuxIdMapping>>| maps.cloned().unwrap_or_default();
    let uids = list(linux.and_then(|l| l.uid_mappings().as_ref()));
    IdMaps::of(&uids, &list(linux.and_then(|l| l.gid_mappings().as_ref())), host)
}

impl IdMaps {
    fn of(uids: &[LinuxIdMapping], gids: &[LinuxIdMapping], host: &HostFacts) -> Self {
        let lines = |maps: &[LinuxIdMapping]| -> Vec<IdMap> {
            let line = |m: &LinuxIdMapping| IdMap {
                container: m.container_id(),
                host: m.host_id(),
                size: m.size(),
            };
            maps.iter().map(line).collect()
        };
        let (uid, gid) = (lines(uids), lines(gids));
        let method = map_method(&uid, &gid, host);
        Self { uid, gid, method }
    }
}

impl Compiler<'_> {
    /// A user namespace with that mapping, for MOUNT_ATTR_IDMAP.
    pub(super) fn user_namespace(&mut self, mapping: &Mapping) -> Slot {
        let known = self.user_namespaces.iter().find(|(known, _)| known == mapping);
        if let Some((_, slot)) = known {
            return *slot;
        }
        let slot = self.plan.input(match mapping {
            Mapping::Joined(path) => Source::Namespace { path: path.clone(), flag: CLONE_NEWUSER },
            Mapping::Ranges { uids, gids } => {
                Source::UserNamespace(IdMaps::of(uids, gids, self.request.host))
            }
        });
        self.user_namespaces.push((mapping.clone(), slot));
        slot
    }
}

/// An ordinary user may write a map of just itself (user_namespaces(7)).
fn map_method(uid: &[IdMap], gid: &[IdMap], host: &HostFacts) -> MapMethod {
    let only = |maps: &[IdMap], id: u32| matches!(maps, [m] if m.size == 1 && m.host == id);
    if host.privileged() {
        MapMethod::Direct
    } else if only(uid, host.euid) && only(gid, host.egid) {
        MapMethod::DirectWithoutSetgroups
    } else {
        MapMethod::Helpers
    }
}

/// Whether setgroups(2) is denied in the container's user namespace.
pub(super) fn setgroups_denied(spec: &Spec, host: &HostFacts) -> bool {
    let new_user = namespace(spec, LinuxNamespaceType::User) == Some(Namespace::New);
    new_user && id_maps(spec, host).method == MapMethod::DirectWithoutSetgroups
}

/// CLONE_NEWCGROUP in clone3 would take the runtime's cgroup as the root, even with
/// CLONE_INTO_CGROUP (kernel: copy_cgroup_ns uses the caller's css_set).
pub(super) fn unshare_cgroup(plan: &mut Builder, namespaces: &Namespaces<'_>) {
    if namespaces.is_new(CLONE_NEWCGROUP) {
        plan.origin("linux.namespaces");
        #[allow(clippy::cast_possible_truncation)]
        plan.push(Op::Unshare { flags: CLONE_NEWCGROUP as u32 });
        plan.origin("");
    }
}

/// What belongs to new namespaces and has nothing to do with files.
pub(super) fn settle(plan: &mut Builder, spec: &Spec, namespaces: &Namespaces<'_>) {
    if namespaces.is_new(CLONE_NEWNET) {
        plan.origin("linux.namespaces");
        plan.push(Op::LoopbackUp {});
    }
    if let Some(name) = spec.hostname().as_deref().filter(|name| !name.is_empty()) {
        plan.origin("hostname");
        let name = plan.bytes(name);
        plan.push(Op::Sethostname { name });
    }
    if let Some(name) = spec.domainname().as_deref().filter(|name| !name.is_empty()) {
        plan.origin("domainname");
        let name = plan.bytes(name);
        plan.push(Op::Setdomainname { name });
    }
    plan.origin("");
}
