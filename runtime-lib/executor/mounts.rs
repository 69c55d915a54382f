//! Mounts: made detached, given their attributes, then moved onto a descriptor.

use core::ffi::CStr;

use crate::files::resolve;
use crate::machine::Machine;
use crate::op::{Slot, Text};
use crate::sys::{self, Fd, Result, errno};

const OPEN_TREE_CLONE: u32 = 1;
const O_PATH_DIRECTORY: u32 = sys::O_PATH | sys::O_CLOEXEC | sys::O_DIRECTORY;
const AT_EMPTY_PATH: u32 = 0x1000;
const AT_RECURSIVE: u32 = 0x8000;
const CLONE_BY_FD: u32 = OPEN_TREE_CLONE | sys::O_CLOEXEC | AT_EMPTY_PATH;
const MOUNT_ATTR_RDONLY: u64 = 1;
const MS_PRIVATE: u64 = 1 << 18;

/// The runtime reaches what the container's root may not: given the root of this mount namespace, it
/// opens the source in it, so that the clone keeps the flags that the kernel has locked here.
pub fn open_source(machine: &mut Machine, out: Slot, number: u16, flags: u32) -> Result<()> {
    let root = sys::openat(sys::CWD, c"/", O_PATH_DIRECTORY)?;
    let source = machine.source(number, root);
    machine.done(root);
    let source = source?;
    let tree = sys::open_tree(source, c"", flags | AT_EMPTY_PATH);
    machine.done(source);
    machine.set(out, tree?)
}

/// Makes the superblock and a detached mount of it.
pub fn fsmount(machine: &mut Machine, fs: Slot, out: Slot, attributes: u32) -> Result<()> {
    let fd = machine.fd(fs)?;
    let mounted = sys::fsconfig_create(fd).and_then(|()| sys::fsmount(fd, attributes));
    let mount = machine.explained_by(fs, mounted)?;
    machine.set(out, mount)
}

/// mount_setattr on a mount's own descriptor.
pub fn setattr(
    machine: &Machine,
    mount: Slot,
    userns: Slot,
    flags: u32,
    attr: [u64; 3],
) -> Result<()> {
    let [set, clear, propagation] = attr;
    let userns = if userns == Slot::NONE { 0 } else { machine.fd(userns)? as u64 };
    sys::mount_setattr(
        machine.fd(mount)?,
        c"",
        AT_EMPTY_PATH | flags,
        [set, clear, propagation, userns],
    )
}

/// What stands for a mount is no file that could be labelled (O_PATH): its root is opened.
pub fn set_label(mount: Fd, label: &[u8]) -> Result<()> {
    let root = sys::openat(mount, c".", sys::O_DIRECTORY | sys::O_CLOEXEC)?;
    let done = sys::fsetxattr(root, c"security.selinux", label);
    sys::close(root);
    done
}

/// Propagation of all mounts of this namespace.
pub fn root_propagation(propagation: u64) -> Result<()> {
    sys::mount_setattr(sys::CWD, c"/", AT_RECURSIVE, [0, 0, propagation, 0])
}

/// Only the root of a mount can have its propagation changed (EINVAL elsewhere): climbs up to it.
pub fn private_parent(path: &CStr) -> Result<()> {
    const DEPTH: u32 = 2048; // PATH_MAX / 2
    let mut dir = sys::openat(sys::CWD, path, O_PATH_DIRECTORY)?;
    for _ in 0..DEPTH {
        match sys::mount_setattr(dir, c"", AT_EMPTY_PATH, [0, 0, MS_PRIVATE, 0]) {
            Err(errno::EINVAL) => {
                let parent = sys::openat(dir, c"..", O_PATH_DIRECTORY);
                sys::close(dir);
                dir = parent?;
            }
            done => {
                sys::close(dir);
                return done;
            }
        }
    }
    Err(errno::ELOOP)
}

/// Onto a new directory in a mount that nobody else can write to: no symlink can be in the way.
pub fn mount_into(mount: Fd, dir: Fd, name: &CStr) -> Result<()> {
    sys::mkdirat(dir, name, 0o755)?;
    sys::move_mount_at(mount, dir, name)
}

/// Paths that are not there need no mask (ENOTDIR: a parent is a file).
fn resolve_if_there(root: Fd, path: &CStr) -> Result<Option<Fd>> {
    match resolve(root, path) {
        Ok(fd) => Ok(Some(fd)),
        Err(errno::ENOENT | errno::ENOTDIR) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Hides one path. The empty tmpfs is one for all directories: many masks are then cheap to make and
/// to reap (runc issue 5275). A mount can be cloned only once it is attached (Linux before 6.15).
pub fn mask(machine: &mut Machine, root: Slot, null: Slot, empty: Slot, path: Text) -> Result<()> {
    const S_IFDIR: u32 = 0o040000;
    let (null, empty) = (machine.fd(null)?, machine.fd(empty)?);
    let Some(target) = resolve_if_there(machine.fd(root)?, machine.text(path)?)? else {
        return Ok(());
    };
    let directory = sys::stat(target, c"").map(|status| status.file_type == S_IFDIR);
    let done = directory.and_then(|directory| {
        if directory && !machine.empty_attached {
            sys::move_mount(empty, target)?;
            machine.empty_attached = true;
            return Ok(());
        }
        let cover = sys::open_tree(if directory { empty } else { null }, c"", CLONE_BY_FD)?;
        let done = sys::move_mount(cover, target);
        machine.done(cover);
        done
    });
    machine.done(target);
    done
}

/// Makes one path read-only by a read-only clone of it over itself.
pub fn readonly(machine: &mut Machine, root: Slot, path: Text) -> Result<()> {
    let Some(target) = resolve_if_there(machine.fd(root)?, machine.text(path)?)? else {
        return Ok(());
    };
    let clone = sys::open_tree(target, c"", CLONE_BY_FD | AT_RECURSIVE);
    let done = clone.and_then(|clone| {
        let done = sys::mount_setattr(clone, c"", AT_EMPTY_PATH, [MOUNT_ATTR_RDONLY, 0, 0, 0])
            .and_then(|()| sys::move_mount(clone, target));
        machine.done(clone);
        done
    });
    machine.done(target);
    done
}
