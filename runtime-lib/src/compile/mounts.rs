//! The config's mounts, in their order: made detached, finished, then moved onto a descriptor.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;

use super::detached;
use super::namespaces::{CLONE_NEWCGROUP, CLONE_NEWNET, CLONE_NEWUSER};
use super::rootfs::{AT_RECURSIVE, MOUNT_ATTR_RDONLY};
use super::{Compiler, hierarchies, lsm};
use crate::error::{Error, Result};
use crate::plan::Builder;
use crate::plan::op::{Op, Slot, kind};
use crate::spec::{IdMapped, MountOptions, clean, destination, id_mapped, is_bind};

const EPERM: u8 = 1;
const PROC_SUPER_MAGIC: u64 = 0x9fa0;

/// A mount whose `ro` has to wait until everything is in place below it.
pub(super) struct ReadOnlyLater {
    mount: Slot,
    origin: String,
}

/// One entry of `mounts`, read.
pub(super) struct Entry<'a> {
    pub mount: &'a Mount,
    pub options: MountOptions,
    /// Lexically clean and absolute.
    pub destination: PathBuf,
    pub id_mapped: Option<IdMapped>,
    pub what: What<'a>,
    /// Detached mounts that were made before the process entered its user namespace.
    pub made: VecDeque<Slot>,
    pub origin: String,
}

/// What has to be done for an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What<'a> {
    /// Attributes of what is mounted there already.
    Remount,
    /// A symlink with this content.
    Link(&'a Path),
    /// A tree of the host.
    Bind,
    /// The host's sysfs: a new one is refused to a user namespace that does not own the network.
    HostSysfs,
    /// v2 without a cgroup namespace: a user namespace may not mount it (runc issue 2158), be it the container's
    /// or the runtime's own, in which rootless podman starts it.
    HostCgroup2,
    /// v1 and hybrid: a tmpfs with one directory for each hierarchy.
    CgroupV1,
    /// A new filesystem (or a shared virtual one) of this type.
    Filesystem(&'a str),
}

/// Reads all entries.
pub(super) fn read<'a>(c: &Compiler<'a>) -> Result<Vec<Entry<'a>>> {
    let mounts = c.request.spec.mounts().iter().flatten().enumerate();
    mounts.map(|(index, mount)| Entry::read(c, index, mount)).collect()
}

/// A privileged runtime's executor makes before it enters a user namespace what it could not make there.
pub(super) fn make_early(c: &mut Compiler<'_>, entries: &mut [Entry<'_>]) {
    if !c.runtime_helps() {
        return;
    }
    for entry in entries {
        c.plan.origin(entry.origin.clone());
        entry.made = detached::make_early(c, entry);
    }
    c.plan.origin("");
}

pub(super) fn mount_all(
    c: &mut Compiler<'_>,
    entries: Vec<Entry<'_>>,
) -> Result<Vec<ReadOnlyLater>> {
    let mut later = Vec::new();
    for mut entry in entries {
        c.plan.origin(entry.origin.clone());
        match entry.what {
            What::Remount => remount(c, &entry),
            What::Link(content) => link(c, &entry, content),
            What::Bind => bind(c, &mut entry),
            What::HostSysfs => host_tree(c, &mut entry, kind::REAL_DIRECTORY),
            What::HostCgroup2 => host_tree(c, &mut entry, kind::DIRECTORY),
            What::CgroupV1 => hierarchies::mount(c, &mut entry),
            What::Filesystem(typ) => later.extend(filesystem(c, &mut entry, typ)),
        }
    }
    c.plan.origin("");
    Ok(later)
}

/// The postponed `ro`s.
pub(super) fn make_read_only(plan: &mut Builder, mounts: Vec<ReadOnlyLater>) {
    for ReadOnlyLater { mount, origin } in mounts {
        plan.origin(origin);
        attributes(plan, mount, 0, [MOUNT_ATTR_RDONLY, 0]);
        plan.done(mount);
    }
    plan.origin("");
}

impl Compiler<'_> {
    /// The container's root may lack the permission to reach a source, and has no power over the
    /// filesystems of the host: a runtime that is root does such things for it.
    pub(super) fn runtime_helps(&self) -> bool {
        self.namespaces.has(CLONE_NEWUSER) && self.request.host.privileged()
    }
}

impl<'a> Entry<'a> {
    fn read(c: &Compiler<'a>, index: usize, mount: &'a Mount) -> Result<Self> {
        let refuse = |field: String, problem: &str| Error::unsupported(field, problem);
        let options = mount.options().as_deref().unwrap_or_default();
        let mut options = MountOptions::parse(options)
            .map_err(|e| refuse(format!("mounts[{index}].options[{}]", e.index), e.problem))?;
        let id_mapped = id_mapped(c.request.spec, mount, &options)
            .map_err(|(field, problem)| refuse(format!("mounts[{index}].{field}"), &problem))?;
        let destination = clean(&destination(mount));
        let origin = format!("mounts[{index}] ({})", destination.display());
        let what = What::of(c, index, mount, &options);
        if let What::Filesystem(typ) = what
            && !options.data.iter().any(|(key, _)| key == "context")
        {
            options.data.extend(lsm::context_of_mount(c.request.spec, typ));
        }
        Ok(Self { mount, options, destination, id_mapped, what, made: VecDeque::new(), origin })
    }

    /// The detached mounts of this entry, made now if that was not done before.
    pub fn detached(&mut self, c: &mut Compiler<'_>) -> VecDeque<Slot> {
        if self.made.is_empty() {
            detached::make(c, self, None)
        } else {
            std::mem::take(&mut self.made)
        }
    }

    /// Whether read-only has to wait: mount points and device nodes are still made inside a tmpfs.
    pub fn postpones_read_only(&self) -> bool {
        let tmpfs = self.what == What::Filesystem("tmpfs");
        tmpfs && self.options.attr_set & MOUNT_ATTR_RDONLY != 0
    }
}

impl<'a> What<'a> {
    fn of(c: &Compiler<'a>, index: usize, mount: &'a Mount, options: &MountOptions) -> Self {
        let user = c.namespaces.has(CLONE_NEWUSER);
        let inside = user || c.request.host.in_user_namespace;
        if options.remount {
            return Self::Remount;
        }
        if is_bind(mount, options) {
            let content = c.request.links.iter().find(|(of, _)| *of == index);
            return content.map_or(Self::Bind, |(_, content)| Self::Link(content));
        }
        match mount.typ().as_deref().unwrap_or_default() {
            "cgroup" | "cgroup2" if !c.request.cgroup.hierarchies.is_empty() => Self::CgroupV1,
            "cgroup" | "cgroup2" if inside && !c.namespaces.has(CLONE_NEWCGROUP) => {
                Self::HostCgroup2
            }
            "cgroup" => Self::Filesystem("cgroup2"),
            "sysfs" if user && !c.namespaces.has(CLONE_NEWNET) => Self::HostSysfs,
            typ => Self::Filesystem(typ),
        }
    }
}

/// Bind mounts get their attributes in one atomic step while nobody can reach them yet.
pub(super) fn bind(c: &mut Compiler<'_>, entry: &mut Entry<'_>) {
    let wanted = if entry.options.links.keep_destination { kind::EXISTING } else { kind::LIKE };
    let early = !entry.made.is_empty();
    for mount in entry.detached(c) {
        if entry.destination.as_os_str() == "/proc" {
            c.plan.push(Op::VerifyFilesystem { slot: mount, magic: PROC_SUPER_MAGIC });
        }
        bind_attributes(c, entry, mount, early);
        let target = target(c, entry, mount, wanted);
        attach(c, mount, target);
        finish(&mut c.plan, &entry.options, mount);
        c.plan.done(mount);
    }
}

/// Whose flags are locked is known to the kernel alone. A clone that was made before the process entered
/// its user namespace is treated as if they were: only to be asked for less makes the container's root
/// see less of a host's `nosuid`.
fn bind_attributes(c: &mut Compiler<'_>, entry: &Entry<'_>, mount: Slot, early: bool) {
    let locked = entry.options.of_locked_bind();
    if early {
        return attributes(&mut c.plan, mount, 0, locked);
    }
    let [set, clear] = entry.options.of_bind();
    if [set, clear] != locked {
        let userns = Slot::NONE;
        let op = Op::MountSetattr { mount, userns, flags: 0, set, clear, propagation: 0 };
        c.plan.push_or_else(op, [EPERM, 0, 0]);
    }
    attributes(&mut c.plan, mount, 0, locked);
}

/// In the place of a filesystem that cannot be mounted anew: all that the host has there, with the
/// attributes on each of its mounts.
fn host_tree(c: &mut Compiler<'_>, entry: &mut Entry<'_>, wanted: u16) {
    for mount in entry.detached(c) {
        let MountOptions { attr_set, attr_clear, .. } = entry.options;
        attributes(&mut c.plan, mount, AT_RECURSIVE, [attr_set, attr_clear]);
        let target = target(c, entry, mount, wanted);
        attach(c, mount, target);
        finish(&mut c.plan, &entry.options, mount);
        c.plan.done(mount);
    }
}

fn filesystem(c: &mut Compiler<'_>, entry: &mut Entry<'_>, typ: &str) -> Option<ReadOnlyLater> {
    let wanted =
        if matches!(typ, "proc" | "sysfs") { kind::REAL_DIRECTORY } else { kind::DIRECTORY };
    let target = target(c, entry, Slot::NONE, wanted);
    let covered = takes_over_mode(entry, typ).then_some(target);
    let mount = match entry.made.pop_front() {
        None => detached::make(c, entry, covered).pop_front()?,
        Some(mount) => {
            // It was made before its place could be looked at.
            covered.into_iter().for_each(|from| c.plan.push(Op::CopyMode { from, to: mount }));
            mount
        }
    };
    if entry.options.copy_up && typ == "tmpfs" {
        c.plan.push(Op::CopyTree { from: target, to: mount });
    }
    attach(c, mount, target);
    finish(&mut c.plan, &entry.options, mount);
    if entry.postpones_read_only() {
        return Some(ReadOnlyLater { mount, origin: entry.origin.clone() });
    }
    c.plan.done(mount);
    None
}

/// A tmpfs has the permissions of the directory that it covers, as with runc, unless an option says
/// otherwise.
fn takes_over_mode(entry: &Entry<'_>, typ: &str) -> bool {
    typ == "tmpfs" && entry.options.data.iter().all(|(key, _)| key != "mode")
}

/// crun's copy-symlink: what the source says, not what it leads to.
pub(super) fn link(c: &mut Compiler<'_>, entry: &Entry<'_>, content: &Path) {
    let parent = entry.destination.parent().unwrap_or(Path::new("/"));
    let path = c.plan.text(parent.as_os_str().as_bytes());
    let dir = c.plan.slot();
    let like = Slot::NONE;
    c.plan.push(Op::Target { root: c.root, out: dir, like, kind: kind::DIRECTORY, path });
    let name = entry.destination.file_name().unwrap_or(OsStr::new("")).as_bytes();
    let (name, target) = (c.plan.text(name), c.plan.text(content.as_os_str().as_bytes()));
    c.plan.push(Op::SymlinkOrSame { dir, name, target });
    c.plan.done(dir);
}

/// The object that a mount will cover.
pub(super) fn target(c: &mut Compiler<'_>, entry: &Entry<'_>, mount: Slot, wanted: u16) -> Slot {
    let path = c.plan.text(entry.destination.as_os_str().as_bytes());
    let out = c.plan.slot();
    let like = if wanted == kind::LIKE { mount } else { Slot::NONE };
    c.plan.push(Op::Target { root: c.root, out, like, kind: wanted, path });
    out
}

pub(super) fn attach(c: &mut Compiler<'_>, mount: Slot, target: Slot) {
    c.plan.push(Op::MoveMount { mount, target });
    c.plan.done(target);
}

/// What can only be done to an attached mount, or concerns the whole tree.
pub(super) fn finish(plan: &mut Builder, options: &MountOptions, mount: Slot) {
    attributes(plan, mount, AT_RECURSIVE, [options.rec_set, options.rec_clear]);
    if let Some(propagation) = options.propagation {
        let flags = if options.propagation_recursive { AT_RECURSIVE } else { 0 };
        propagate(plan, mount, flags, propagation);
    }
}

pub(super) fn propagate(plan: &mut Builder, mount: Slot, flags: u32, propagation: u64) {
    let userns = Slot::NONE;
    plan.push(Op::MountSetattr { mount, userns, flags, set: 0, clear: 0, propagation });
}

pub(super) fn attributes(plan: &mut Builder, mount: Slot, flags: u32, [set, clear]: [u64; 2]) {
    if set | clear != 0 {
        let userns = Slot::NONE;
        plan.push(Op::MountSetattr { mount, userns, flags, set, clear, propagation: 0 });
    }
}

/// The attributes of what is mounted there already.
fn remount(c: &mut Compiler<'_>, entry: &Entry<'_>) {
    let path = c.plan.text(entry.destination.as_os_str().as_bytes());
    let mount = c.plan.slot();
    c.plan.push(Op::Resolve { root: c.root, out: mount, path });
    let options = &entry.options;
    attributes(&mut c.plan, mount, 0, [options.attr_set, options.attr_clear]);
    finish(&mut c.plan, options, mount);
    c.plan.done(mount);
}
