//! Mounts that nobody can see yet: clones of the host's trees, new filesystems, and whose ids they
//! show.

use std::collections::VecDeque;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use libc::{MOUNT_ATTR_IDMAP, MS_SLAVE};

use super::mounts::{Entry, What, propagate};
use super::namespaces::CLONE_NEWCGROUP;
use super::rootfs::{AT_RECURSIVE, MOUNT_ATTR_RDONLY, OPEN_TREE_CLONE_CLOEXEC};
use super::{Compiler, lsm};
use crate::plan::op::{Op, Slot, signal};
use crate::plan::{Builder, MountSource, RuntimeStep};
use crate::spec::{IdMapped, MountOptions};

const EACCES: u8 = 13;
const AT_SYMLINK_NOFOLLOW: u32 = libc::AT_SYMLINK_NOFOLLOW.cast_unsigned();
/// Superblocks that several mounts share, or that have to take mount points and devices first: read
/// only for them means the mount.
const VIRTUAL: [&str; 7] = ["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"];

/// A place of the host that is shown in the container.
struct Tree {
    path: PathBuf,
    recursive: bool,
    /// A symlink at its end is what is meant.
    nofollow: bool,
}

impl Tree {
    /// For open_tree(2).
    fn flags(&self) -> u32 {
        let recursive = if self.recursive { AT_RECURSIVE } else { 0 };
        let nofollow = if self.nofollow { AT_SYMLINK_NOFOLLOW } else { 0 };
        OPEN_TREE_CLONE_CLOEXEC | recursive | nofollow
    }
}

/// All of an entry, in its turn. A tmpfs gets its mode from what is `covered`.
pub(super) fn make(
    c: &mut Compiler<'_>,
    entry: &Entry<'_>,
    covered: Option<Slot>,
) -> VecDeque<Slot> {
    let help = c.runtime_helps();
    let trees = trees(c, entry);
    let clone = if help { clone_with_help } else { clone };
    let mut mounts: VecDeque<Slot> = trees.iter().map(|tree| clone(c, tree)).collect();
    if let What::Filesystem(typ) = entry.what {
        mounts.push_back(filesystem(c, entry, typ, covered));
    }
    if let Some(mapped) = &entry.id_mapped {
        let id_map = if help { id_map_with_help } else { id_map };
        mounts.iter().for_each(|mount| id_map(c, *mount, mapped));
    }
    mounts
}

/// What cannot be made any more once the process is in a user namespace: all that is not a plain
/// filesystem, nor a clone that the runtime can help with. A clone that is made in the host's mount
/// namespace is a peer of the host's mount: it becomes a slave at once.
pub(super) fn make_early(c: &mut Compiler<'_>, entry: &Entry<'_>) -> VecDeque<Slot> {
    if entry.what == What::Bind && !is_in_procfs(c, entry) {
        return VecDeque::new();
    }
    let mut mounts = VecDeque::new();
    for tree in trees(c, entry) {
        let mount = clone(c, &tree);
        propagate(&mut c.plan, mount, AT_RECURSIVE, MS_SLAVE);
        mounts.push_back(mount);
    }
    if let What::Filesystem(typ) = entry.what
        && entry.id_mapped.is_some()
    {
        mounts.push_back(filesystem(c, entry, typ, None));
    }
    if let Some(mapped) = &entry.id_mapped {
        mounts.iter().for_each(|mount| id_map(c, *mount, mapped));
    }
    mounts
}

/// Its links lead out of any mount namespace, and want permissions over a process.
fn is_in_procfs(c: &Compiler<'_>, entry: &Entry<'_>) -> bool {
    trees(c, entry).iter().any(|tree| tree.path.starts_with("/proc"))
}

fn trees(c: &Compiler<'_>, entry: &Entry<'_>) -> Vec<Tree> {
    let all_of = |path: &str| Tree { path: path.into(), recursive: true, nofollow: false };
    match entry.what {
        What::Bind => {
            let source = entry.mount.source().as_deref().unwrap_or(Path::new(""));
            vec![Tree {
                path: c.request.bundle.join(source),
                recursive: entry.options.bind_recursive,
                // A link that copy-symlink has found would not be mounted at all.
                nofollow: entry.options.links.keep_source || entry.options.links.copy,
            }]
        }
        What::HostSysfs => vec![all_of("/sys")],
        What::HostCgroup2 => vec![all_of("/sys/fs/cgroup")],
        What::CgroupV1 if !c.namespaces.has(CLONE_NEWCGROUP) => {
            let paths = c.request.cgroup.hierarchies.iter().map(|h| h.path.clone());
            paths.map(|path| Tree { path, recursive: false, nofollow: false }).collect()
        }
        What::Remount | What::Link(_) | What::CgroupV1 | What::Filesystem(_) => Vec::new(),
    }
}

fn clone(c: &mut Compiler<'_>, tree: &Tree) -> Slot {
    let out = c.plan.slot();
    let op = open_tree(c, tree, out);
    c.plan.push(op);
    out
}

fn open_tree(c: &mut Compiler<'_>, tree: &Tree, out: Slot) -> Op {
    let path = c.plan.text(tree.path.as_os_str().as_bytes());
    Op::OpenTree { dir: Slot::CWD, out, path, flags: tree.flags() }
}

/// In the container's mount namespace, where flags of the host's mounts are locked and earlier mounts
/// are in place. What its root may not reach the runtime opens.
fn clone_with_help(c: &mut Compiler<'_>, tree: &Tree) -> Slot {
    let out = c.plan.slot();
    let op = open_tree(c, tree, out);
    c.plan.push_or_else(op, [EACCES, 0, 0]);
    let number = c.plan.source(MountSource { path: tree.path.clone(), nofollow: tree.nofollow });
    let path = c.plan.text(tree.path.as_os_str().as_bytes());
    c.plan.push(Op::OpenSource { out, path, number, flags: tree.flags() });
    out
}

/// An op of its own, for it reaches as far as `ridmap` says, other attributes as far as theirs.
fn id_map(c: &mut Compiler<'_>, mount: Slot, mapped: &IdMapped) {
    let userns = c.user_namespace(&mapped.by);
    let flags = if mapped.recursive { AT_RECURSIVE } else { 0 };
    let set = MOUNT_ATTR_IDMAP;
    c.plan.push(Op::MountSetattr { mount, userns, flags, set, clear: 0, propagation: 0 });
}

/// The kernel wants power over the filesystem, which is the runtime's.
fn id_map_with_help(c: &mut Compiler<'_>, mount: Slot, mapped: &IdMapped) {
    let (userns, recursive) = (c.user_namespace(&mapped.by), mapped.recursive);
    c.plan.push(Op::HandOver { number: signal::IDS, slot: mount });
    c.plan.push(Op::Wait { number: signal::IDS });
    let origin = c.plan.current_origin().to_owned();
    c.plan.runtime(RuntimeStep::MapIds { userns, recursive, origin });
    c.plan.runtime(RuntimeStep::Answer(signal::IDS));
}

fn filesystem(c: &mut Compiler<'_>, entry: &Entry<'_>, typ: &str, covered: Option<Slot>) -> Slot {
    let source = entry.mount.source().as_ref().map(|s| s.as_os_str().as_bytes());
    let mut set = entry.options.attr_set;
    if entry.postpones_read_only() {
        set &= !MOUNT_ATTR_RDONLY;
    }
    let mount = new_mount(&mut c.plan, typ, source, &entry.options, set, covered);
    lsm::label_queues(&mut c.plan, c.request.spec, typ, mount);
    mount
}

/// fsopen, fsconfig, fsmount: a detached mount of a new (or shared virtual) superblock.
pub(super) fn new_mount(
    plan: &mut Builder,
    typ: &str,
    source: Option<&[u8]>,
    options: &MountOptions,
    set: u64,
    covered: Option<Slot>,
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
    // fsconfig has no flag for it: the filesystem has to say whether it knows it. `noiversion` is what
    // a new superblock has anyway, `silent` concerns the kernel log alone.
    if options.iversion == Some(true) {
        let key = plan.text("iversion");
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
    if let Some(from) = covered {
        plan.push(Op::FsconfigMode { fs, from });
    }
    let out = plan.slot();
    #[allow(clippy::cast_possible_truncation)] // MOUNT_ATTR_* of fsmount are 32-bit
    plan.push(Op::Fsmount { fs, out, attributes: set as u32 });
    plan.done(fs);
    out
}
