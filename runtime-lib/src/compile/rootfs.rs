//! The root filesystem: attached, switched to, sealed.

use std::os::unix::ffi::OsStrExt;

use libc::{MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE};

use super::masks::{MOUNT_ATTR_NOSUID_NODEV_NOEXEC, detached};
use super::namespaces::CLONE_NEWNS;
use super::{Compiler, host_mounts};
use crate::error::{Error, Result};
use crate::plan::op::{Op, Slot, Text, kind};
use crate::spec::clean;

/// OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC.
pub(super) const OPEN_TREE_CLONE_CLOEXEC: u32 = 1 | libc::O_CLOEXEC.cast_unsigned();
pub(super) const AT_RECURSIVE: u32 = 0x8000;
pub(super) const AT_EMPTY_PATH: u32 = 0x1000;
pub(super) const MOUNT_ATTR_RDONLY: u64 = 1;
const O_PATH_DIRECTORY: u32 = (libc::O_PATH | libc::O_CLOEXEC | libc::O_DIRECTORY).cast_unsigned();

/// Cuts the new mount namespace off from the host's, then attaches a clone of the rootfs over
/// itself: pivot_root wants a mount point, and a fresh one carries no propagation.
pub(super) fn prepare(c: &mut Compiler<'_>) {
    let path = c.plan.text(c.request.rootfs.as_os_str().as_bytes());
    if !c.namespaces.has(CLONE_NEWNS) {
        c.plan.origin("root.path");
        if !host_mounts::wanted(c.request.spec, &c.namespaces) {
            c.root = c.plan.slot();
            c.plan.push(Op::Open { dir: Slot::CWD, out: c.root, path, flags: O_PATH_DIRECTORY });
            return;
        }
        c.home = Some(host_mounts::leave(c));
    }
    let wanted = propagation(c);
    c.plan.origin("linux.rootfsPropagation");
    // An unbindable tree could not be cloned below; it becomes that at the very end.
    let first = wanted.map_or(MS_SLAVE, |(bits, _)| bits);
    let first = if first == MS_UNBINDABLE { MS_SLAVE } else { first };
    c.plan.push(Op::RootPropagation { propagation: first });
    if wanted.is_some_and(|(bits, _)| bits == MS_SHARED) {
        c.plan.push(Op::PrivateParent { path });
    }
    attach(c, path);
}

fn attach(c: &mut Compiler<'_>, path: Text) {
    c.plan.origin("root.path");
    c.root = c.plan.slot();
    let flags = OPEN_TREE_CLONE_CLOEXEC | AT_RECURSIVE;
    c.plan.push(Op::OpenTree { dir: Slot::CWD, out: c.root, path, flags });
    let target = c.plan.slot();
    c.plan.push(Op::Open { dir: Slot::CWD, out: target, path, flags: O_PATH_DIRECTORY });
    c.plan.push(Op::MoveMount { mount: c.root, target });
    c.plan.done(target);
    c.plan.origin("");
}

/// The same in a mount namespace that will not be a container's.
pub(super) fn prepare_aside(c: &mut Compiler<'_>) {
    let path = c.plan.text(c.request.rootfs.as_os_str().as_bytes());
    c.plan.push(Op::RootPropagation { propagation: MS_SLAVE });
    attach(c, path);
}

/// The working directory is made if it is missing, as runc and crun do, while the root is writable.
pub(super) fn working_directory(c: &mut Compiler<'_>) {
    let Some(process) = c.request.spec.process() else { return };
    let cwd = clean(process.cwd());
    if cwd.as_os_str() == "/" {
        return;
    }
    c.plan.origin("process.cwd");
    let path = c.plan.text(cwd.as_os_str().as_bytes());
    let out = c.plan.slot();
    c.plan.push(Op::Target { root: c.root, out, like: Slot::NONE, kind: kind::DIRECTORY, path });
    c.plan.done(out);
    c.plan.origin("");
}

/// From here on "/" is the container's.
pub(super) fn switch(c: &mut Compiler<'_>) -> Result<()> {
    let root = c.root;
    c.plan.origin("root.path");
    if let Some(home) = c.home.take() {
        host_mounts::come_back(c, home);
    } else if !c.namespaces.has(CLONE_NEWNS) {
        c.plan.push(Op::Chroot { root });
    } else if c.request.no_pivot {
        change(c)?;
    } else {
        c.plan.push(Op::PivotRoot { root });
    }
    if let Some((bits, flags)) =
        propagation(c).filter(|(b, _)| *b & (MS_SHARED | MS_UNBINDABLE) != 0)
    {
        c.plan.origin("linux.rootfsPropagation");
        set_attributes(c, flags, 0, bits);
    }
    if c.request.spec.root().as_ref().and_then(|r| r.readonly()).unwrap_or(false) {
        c.plan.origin("root.readonly");
        set_attributes(c, 0, MOUNT_ATTR_RDONLY, 0);
    }
    c.plan.origin("");
    c.plan.done(c.root);
    Ok(())
}

/// For hosts where pivot_root(2) cannot be used. To enter the own mount namespace once more ends a
/// chroot(2) that the runtime may be in: below its "/" would be the rest of the host.
fn change(c: &mut Compiler<'_>) -> Result<()> {
    if !c.namespaces.is_new(CLONE_NEWNS) {
        let reason = "needs a new mount namespace: it takes the host's mounts out of it";
        return Err(Error::unsupported("--no-pivot", reason));
    }
    let proc = detached(c, "proc", &[], MOUNT_ATTR_NOSUID_NODEV_NOEXEC);
    let ns = c.plan.slot();
    let path = c.plan.text("self/ns/mnt");
    c.plan.push(Op::Open { dir: proc, out: ns, path, flags: libc::O_CLOEXEC.cast_unsigned() });
    #[allow(clippy::cast_possible_truncation)]
    c.plan.push(Op::Setns { ns, flags: CLONE_NEWNS as u32 });
    c.plan.done(ns);
    c.plan.push(Op::ChangeRoot { root: c.root, proc });
    c.plan.done(proc);
    Ok(())
}

fn set_attributes(c: &mut Compiler<'_>, flags: u32, set: u64, propagation: u64) {
    let mount = c.root;
    c.plan.push(Op::MountSetattr { mount, userns: Slot::NONE, flags, set, clear: 0, propagation });
}

/// linux.rootfsPropagation as bits, and AT_RECURSIVE for the `r` forms.
fn propagation(c: &Compiler<'_>) -> Option<(u64, u32)> {
    let name = c.request.spec.linux().as_ref()?.rootfs_propagation().as_deref()?;
    let (flags, name) = name.strip_prefix('r').map_or((0, name), |rest| (AT_RECURSIVE, rest));
    let bits = match name {
        "shared" => MS_SHARED,
        "slave" => MS_SLAVE,
        "private" => MS_PRIVATE,
        "unbindable" => MS_UNBINDABLE,
        _ => return None,
    };
    debug_assert_eq!(bits & MS_REC, 0);
    Some((bits, flags))
}
