//! The config's mounts, in their order: made detached, finished, then moved onto a descriptor.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libc::MS_SLAVE;
use oci_spec::runtime::Mount;

use super::Compiler;
use super::namespaces::{CLONE_NEWCGROUP, CLONE_NEWUSER};
use super::rootfs::{AT_RECURSIVE, MOUNT_ATTR_RDONLY, OPEN_TREE_CLONE_CLOEXEC};
use crate::error::{Error, Result};
use crate::plan::op::{Op, Slot, kind};
use crate::plan::{Builder, Source};
use crate::spec::{MountOptions, clean, destination, is_bind};

const PROC_SUPER_MAGIC: u64 = 0x9fa0;
/// Superblocks that several mounts share, or that have to take mount points and devices first: read
/// only for them means the mount.
const VIRTUAL: [&str; 7] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"];

/// A mount whose `ro` has to wait until everything is in place below it.
pub(super) struct ReadOnlyLater {
    mount: Slot,
    origin: String,
}

/// One entry of `mounts`, read.
struct Entry<'a> {
    mount: &'a Mount,
    options: MountOptions,
    /// Lexically clean and absolute.
    destination: PathBuf,
    origin: String,
}

pub(super) fn mount_all(c: &mut Compiler<'_>) -> Result<Vec<ReadOnlyLater>> {
    let mut later = Vec::new();
    for (index, mount) in c.request.spec.mounts().iter().flatten().enumerate() {
        let entry = Entry::read(index, mount)?;
        c.plan.origin(entry.origin.clone());
        let typ = mount.typ().as_deref().unwrap_or_default();
        if entry.options.remount {
            remount(c, &entry);
        } else if is_bind(mount, &entry.options) {
            bind(c, &entry);
        } else if typ == "cgroup" || typ == "cgroup2" {
            cgroup(c, &entry);
        } else {
            later.extend(filesystem(c, &entry, typ));
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

impl<'a> Entry<'a> {
    fn read(index: usize, mount: &'a Mount) -> Result<Self> {
        let options = mount.options().as_deref().unwrap_or_default();
        let options = MountOptions::parse(options).map_err(|e| {
            Error::unsupported(format!("mounts[{index}].options[{}]", e.index), e.problem)
        })?;
        let destination = clean(&destination(mount));
        let origin = format!("mounts[{index}] ({})", destination.display());
        Ok(Self { mount, options, destination, origin })
    }
}

/// Bind mounts keep their source's attributes except for those that the options name, and do so in
/// one atomic step while nobody can reach them yet.
fn bind(c: &mut Compiler<'_>, entry: &Entry<'_>) {
    let options = &entry.options;
    let source = entry.mount.source().as_deref().unwrap_or(Path::new(""));
    let path = c.request.bundle.join(source);
    let mount = open_source(c, path, options.bind_recursive);
    if entry.destination.as_os_str() == "/proc" {
        c.plan.push(Op::VerifyFilesystem { slot: mount, magic: PROC_SUPER_MAGIC });
    }
    attributes(&mut c.plan, mount, 0, [options.attr_set, options.attr_clear]);
    attach(c, entry, mount, kind::LIKE);
    finish(&mut c.plan, options, mount);
    c.plan.done(mount);
}

/// The container's root may lack the permission to reach a source: then a privileged runtime opens
/// it. Such a clone would stay a peer of the host's mount, so it is made a slave at once.
fn open_source(c: &mut Compiler<'_>, path: PathBuf, recursive: bool) -> Slot {
    if c.namespaces.has(CLONE_NEWUSER) && c.request.host.privileged() {
        let mount = c.plan.input(Source::Tree { path, recursive });
        let flags = AT_RECURSIVE;
        let propagation = MS_SLAVE;
        c.plan.push(Op::MountSetattr {
            mount,
            userns: Slot::NONE,
            flags,
            set: 0,
            clear: 0,
            propagation,
        });
        return mount;
    }
    let out = c.plan.slot();
    let path = c.plan.text(path.as_os_str().as_bytes());
    let flags = OPEN_TREE_CLONE_CLOEXEC | if recursive { AT_RECURSIVE } else { 0 };
    c.plan.push(Op::OpenTree { dir: Slot::CWD, out, path, flags });
    out
}

fn filesystem(c: &mut Compiler<'_>, entry: &Entry<'_>, typ: &str) -> Option<ReadOnlyLater> {
    let options = &entry.options;
    let source = entry.mount.source().as_ref().map(|s| s.as_os_str().as_bytes());
    // Mount points and device nodes still have to be made inside a tmpfs.
    let postpone = typ == "tmpfs" && options.attr_set & MOUNT_ATTR_RDONLY != 0;
    let set = if postpone { options.attr_set & !MOUNT_ATTR_RDONLY } else { options.attr_set };
    let mount = new_mount(&mut c.plan, typ, source, options, set);
    let wanted =
        if matches!(typ, "proc" | "sysfs") { kind::REAL_DIRECTORY } else { kind::DIRECTORY };
    attach(c, entry, mount, wanted);
    finish(&mut c.plan, options, mount);
    if postpone {
        return Some(ReadOnlyLater { mount, origin: entry.origin.clone() });
    }
    c.plan.done(mount);
    None
}

/// fsopen, fsconfig, fsmount: a detached mount of a new (or shared virtual) superblock.
fn new_mount(
    plan: &mut Builder,
    typ: &str,
    source: Option<&[u8]>,
    options: &MountOptions,
    set: u64,
) -> Slot {
    let fs = plan.slot();
    let fstype = plan.text(typ);
    plan.push(Op::Fsopen { out: fs, fstype });
    if let Some(source) = source.filter(|s| !s.is_empty()) {
        let (key, value) = (plan.text("source"), plan.text(source));
        plan.push(Op::FsconfigString { fs, key, value });
    }
    let flags = options.super_flags.iter().filter(|f| **f != "ro" || !VIRTUAL.contains(&typ));
    for flag in flags {
        let key = plan.text(flag);
        plan.push(Op::FsconfigFlag { fs, key });
    }
    // The filesystem has to say whether it knows this one; `silent` has no counterpart in fsconfig
    // and concerns the kernel log alone.
    if let Some(on) = options.iversion {
        let key = plan.text(if on { "iversion" } else { "noiversion" });
        plan.push(Op::FsconfigFlag { fs, key });
    }
    for (key, value) in &options.data {
        let key = plan.text(key);
        match value {
            Some(value) => {
                let value = plan.text(value);
                plan.push(Op::FsconfigString { fs, key, value });
            }
            None => plan.push(Op::FsconfigFlag { fs, key }),
        }
    }
    let out = plan.slot();
    #[allow(clippy::cast_possible_truncation)] // MOUNT_ATTR_* of fsmount are 32-bit
    plan.push(Op::Fsmount { fs, out, attributes: set as u32 });
    plan.done(fs);
    out
}

fn attach(c: &mut Compiler<'_>, entry: &Entry<'_>, mount: Slot, wanted: u16) {
    let path = c.plan.text(entry.destination.as_os_str().as_bytes());
    let target = c.plan.slot();
    let like = if wanted == kind::LIKE { mount } else { Slot::NONE };
    c.plan.push(Op::Target { root: c.root, out: target, like, kind: wanted, path });
    c.plan.push(Op::MoveMount { mount, target });
    c.plan.done(target);
}

/// What can only be done to an attached mount, or concerns the whole tree.
fn finish(plan: &mut Builder, options: &MountOptions, mount: Slot) {
    attributes(plan, mount, AT_RECURSIVE, [options.rec_set, options.rec_clear]);
    if let Some(propagation) = options.propagation {
        let flags = if options.propagation_recursive { AT_RECURSIVE } else { 0 };
        plan.push(Op::MountSetattr {
            mount,
            userns: Slot::NONE,
            flags,
            set: 0,
            clear: 0,
            propagation,
        });
    }
}

fn attributes(plan: &mut Builder, mount: Slot, flags: u32, [set, clear]: [u64; 2]) {
    if set | clear != 0 {
        plan.push(Op::MountSetattr {
            mount,
            userns: Slot::NONE,
            flags,
            set,
            clear,
            propagation: 0,
        });
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

/// v2: the hierarchy (a bind mount where a user namespace without its own cgroup namespace may not
/// mount it, runc issue 2158). v1 and hybrid: a tmpfs with one directory for each hierarchy.
fn cgroup(c: &mut Compiler<'_>, entry: &Entry<'_>) {
    let own_namespace = c.namespaces.has(CLONE_NEWCGROUP);
    if c.request.cgroup.hierarchies.is_empty() {
        if c.namespaces.has(CLONE_NEWUSER) && !own_namespace {
            let mount = open_source(c, PathBuf::from("/sys/fs/cgroup"), true);
            attributes(&mut c.plan, mount, 0, [entry.options.attr_set, entry.options.attr_clear]);
            attach(c, entry, mount, kind::DIRECTORY);
            finish(&mut c.plan, &entry.options, mount);
            return c.plan.done(mount);
        }
        let postponed = filesystem(c, entry, "cgroup2");
        debug_assert!(postponed.is_none());
        return;
    }
    cgroup_v1(c, entry, own_namespace);
}

fn cgroup_v1(c: &mut Compiler<'_>, entry: &Entry<'_>, own_namespace: bool) {
    let tmpfs =
        MountOptions { data: vec![("mode".into(), Some("755".into()))], ..MountOptions::default() };
    let set = entry.options.attr_set;
    let base = new_mount(&mut c.plan, "tmpfs", Some(b"tmpfs"), &tmpfs, set & !MOUNT_ATTR_RDONLY);
    attach(c, entry, base, kind::DIRECTORY);
    for hierarchy in c.request.cgroup.hierarchies.clone() {
        let mount = if own_namespace {
            let data = hierarchy.options.iter().map(|option| match option.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (option.clone(), None),
            });
            let options = MountOptions { data: data.collect(), ..MountOptions::default() };
            new_mount(&mut c.plan, "cgroup", Some(b"cgroup"), &options, set)
        } else {
            let mount = open_source(c, hierarchy.path.clone(), false);
            attributes(&mut c.plan, mount, 0, [set, entry.options.attr_clear]);
            mount
        };
        let name = c.plan.text(&hierarchy.name);
        c.plan.push(Op::MountInto { mount, dir: base, name });
        c.plan.done(mount);
        let parts = hierarchy.name.split(',').filter(|part| *part != hierarchy.name);
        for part in parts {
            let (name, target) = (c.plan.text(part), c.plan.text(&hierarchy.name));
            c.plan.push(Op::Symlink { dir: base, name, target });
        }
    }
    attributes(&mut c.plan, base, 0, [set & MOUNT_ATTR_RDONLY, 0]);
    finish(&mut c.plan, &entry.options, base);
    c.plan.done(base);
}
