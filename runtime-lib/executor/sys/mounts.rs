//! Mounts and the root.

use core::ffi::CStr;
use core::mem::size_of;

use super::{Fd, Result, arch, fd, nr, plain, unit};

pub const OPEN_TREE: usize = 428;
pub const MOVE_MOUNT: usize = 429;
pub const FSOPEN: usize = 430;
pub const FSCONFIG: usize = 431;
pub const FSMOUNT: usize = 432;
pub const MOUNT_SETATTR: usize = 442;

pub fn open_tree(dir: Fd, path: &CStr, flags: u32) -> Result<Fd> {
    fd(call!(OPEN_TREE, dir, path.as_ptr(), flags))
}

pub fn fsopen(fstype: &CStr) -> Result<Fd> {
    const FSOPEN_CLOEXEC: usize = 1;
    fd(call!(FSOPEN, fstype.as_ptr(), FSOPEN_CLOEXEC))
}

pub fn fsconfig_flag(fs: Fd, key: &CStr) -> Result<()> {
    const SET_FLAG: usize = 0;
    unit(call!(FSCONFIG, fs, SET_FLAG, key.as_ptr()))
}

pub fn fsconfig_string(fs: Fd, key: &CStr, value: &CStr) -> Result<()> {
    const SET_STRING: usize = 1;
    unit(call!(FSCONFIG, fs, SET_STRING, key.as_ptr(), value.as_ptr()))
}

pub fn fsconfig_create(fs: Fd) -> Result<()> {
    const CMD_CREATE: usize = 6;
    unit(plain(FSCONFIG, [fs as usize, CMD_CREATE, 0, 0, 0, 0]))
}

pub fn fsmount(fs: Fd, attributes: u32) -> Result<Fd> {
    const FSMOUNT_CLOEXEC: usize = 1;
    fd(plain(FSMOUNT, [fs as usize, FSMOUNT_CLOEXEC, attributes as usize, 0, 0, 0]))
}

/// `attr`: attr_set, attr_clr, propagation, userns_fd.
pub fn mount_setattr(dir: Fd, path: &CStr, flags: u32, attr: [u64; 4]) -> Result<()> {
    unit(call!(MOUNT_SETATTR, dir, path.as_ptr(), flags, attr.as_ptr(), size_of::<[u64; 4]>()))
}

pub fn move_mount(mount: Fd, target: Fd) -> Result<()> {
    const BOTH_EMPTY_PATH: usize = 0x04 | 0x40; // MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    unit(call!(MOVE_MOUNT, mount, c"".as_ptr(), target, c"".as_ptr(), BOTH_EMPTY_PATH))
}

/// Moves a mount onto a name below a directory; a symlink is not followed.
pub fn move_mount_at(mount: Fd, dir: Fd, name: &CStr) -> Result<()> {
    const FROM_EMPTY_PATH: usize = 0x04;
    unit(call!(MOVE_MOUNT, mount, c"".as_ptr(), dir, name.as_ptr(), FROM_EMPTY_PATH))
}

pub fn pivot_root_here() -> Result<()> {
    unit(call!(nr::PIVOT_ROOT, c".".as_ptr(), c".".as_ptr()))
}

pub fn detach_here() -> Result<()> {
    const MNT_DETACH: usize = 2;
    unit(call!(nr::UMOUNT2, c".".as_ptr(), MNT_DETACH))
}

/// umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW).
pub fn detach(path: &CStr) -> Result<()> {
    const DETACH_NOFOLLOW: usize = 2 | 8;
    unit(call!(nr::UMOUNT2, path.as_ptr(), DETACH_NOFOLLOW))
}

pub fn chroot_here() -> Result<()> {
    unit(call!(nr::CHROOT, c".".as_ptr()))
}
