//! Mounts of a container that has no mount namespace of its own.
//!
//! Made in the runtime's they would be the host's: they would propagate, keep the bundle busy, and outlive the
//! container. So the init makes them in a mount namespace that it is in for that long, clones the tree,
//! and goes back with the clone as its root. A clone is in no mount namespace that anybody could enter
//! (open_tree(2)). The kernel dissolves it when its descriptor is closed, but leaves connected what is in
//! use (`dissolve_on_fput`, Linux 5.2): the mounts go with the last process that has the root.

use libc::MS_UNBINDABLE;
use oci_spec::runtime::Spec;

use super::Compiler;
use super::masks::{MOUNT_ATTR_NOSUID_NODEV_NOEXEC, detached};
use super::mounts::Entry;
use super::namespaces::{CLONE_NEWNS, CLONE_NEWUSER, Namespaces};
use super::rootfs::{AT_EMPTY_PATH, AT_RECURSIVE, OPEN_TREE_CLONE_CLOEXEC};
use crate::error::{Error, Result};
use crate::plan::op::{Op, Slot};

/// Whether the config has mounts without a mount namespace. `validate` has refused masked and read-only paths.
pub(super) fn wanted(spec: &Spec, namespaces: &Namespaces<'_>) -> bool {
    !namespaces.has(CLONE_NEWNS) && first_field(spec).is_some()
}

fn first_field(spec: &Spec) -> Option<&'static str> {
    if spec.mounts().as_ref().is_some_and(|mounts| !mounts.is_empty()) {
        return Some("mounts");
    }
    let read_only = spec.root().as_ref().and_then(|root| root.readonly()).unwrap_or(false);
    read_only.then_some("root.readonly")
}

/// What cannot be kept: the root of a user namespace may not go back into the runtime's mount namespace
/// (setns(2)), and an unbindable mount would be left out of the clone.
pub(super) fn check(c: &Compiler<'_>, entries: &[Entry<'_>]) -> Result<()> {
    let spec = c.request.spec;
    if !wanted(spec, &c.namespaces) {
        return Ok(());
    }
    let lacks = "needs a mount namespace in linux.namespaces";
    if c.namespaces.has(CLONE_NEWUSER) {
        let reason = format!("{lacks}: with a user namespace nothing can be mounted in the host's");
        return Err(Error::unsupported(first_field(spec).unwrap_or_default(), reason));
    }
    let unbindable = |entry: &&Entry<'_>| entry.options.propagation == Some(MS_UNBINDABLE);
    entries.iter().find(unbindable).map_or(Ok(()), |entry| {
        Err(Error::unsupported(&entry.origin, format!("unbindable {lacks}")))
    })
}

/// Into a mount namespace for the time being; returns the way back.
pub(super) fn leave(c: &mut Compiler<'_>) -> Slot {
    let proc = detached(c, "proc", &[], MOUNT_ATTR_NOSUID_NODEV_NOEXEC);
    let home = c.plan.slot();
    let path = c.plan.text("self/ns/mnt");
    c.plan.push(Op::Open { dir: proc, out: home, path, flags: libc::O_CLOEXEC.cast_unsigned() });
    c.plan.done(proc);
    #[allow(clippy::cast_possible_truncation)] // all CLONE_NEW* are 32-bit
    c.plan.push(Op::Unshare { flags: CLONE_NEWNS as u32 });
    home
}

/// Back, with a clone of the root's tree as the root.
pub(super) fn come_back(c: &mut Compiler<'_>, home: Slot) {
    let root = c.plan.slot();
    let path = c.plan.text("");
    let flags = OPEN_TREE_CLONE_CLOEXEC | AT_RECURSIVE | AT_EMPTY_PATH;
    c.plan.push(Op::OpenTree { dir: c.root, out: root, path, flags });
    c.plan.done(c.root);
    c.root = root;
    #[allow(clippy::cast_possible_truncation)]
    c.plan.push(Op::Setns { ns: home, flags: CLONE_NEWNS as u32 });
    c.plan.done(home);
    c.plan.push(Op::Chroot { root });
}
