//! Descriptors, files and directories.

use core::ffi::CStr;
use core::mem::size_of;

use super::{CWD, Fd, O_CLOEXEC, O_NOFOLLOW, Result, arch, check, errno, fd, nr, plain, unit};

pub const CLOSE_RANGE: usize = 436;
pub const OPENAT2: usize = 437;
pub const FACCESSAT2: usize = 439;

pub fn openat(dir: Fd, path: &CStr, flags: u32) -> Result<Fd> {
    fd(call!(nr::OPENAT, dir, path.as_ptr(), flags))
}

/// openat2, again while the kernel says that a rename or mount got in the way (EAGAIN).
pub fn openat2(dir: Fd, path: &CStr, flags: u64, resolve: u64) -> Result<Fd> {
    let how = [flags, 0, resolve];
    let mut tries = 0;
    loop {
        match fd(call!(OPENAT2, dir, path.as_ptr(), how.as_ptr(), size_of::<[u64; 3]>())) {
            Err(errno::EAGAIN) if tries < 128 => tries += 1,
            other => return other,
        }
    }
}

/// Creates an empty file, for writing; fails if the name is taken, be it by a dangling symlink.
pub fn create_file(dir: Fd, name: &CStr, mode: u32) -> Result<Fd> {
    const WRONLY_CREAT_EXCL: u32 = 0o1 | 0o100 | 0o200;
    const FLAGS: u32 = WRONLY_CREAT_EXCL | O_NOFOLLOW | O_CLOEXEC;
    fd(call!(nr::OPENAT, dir, name.as_ptr(), FLAGS, mode))
}

/// As many entries of a directory as fit, as struct linux_dirent64; none at its end.
pub fn entries(dir: Fd, buffer: &mut [u64]) -> Result<&[u8]> {
    let size = size_of_val(buffer);
    let len = check(call!(nr::GETDENTS64, dir, buffer.as_mut_ptr(), size))?;
    // SAFETY: any 8 bytes of an initialised u64 are initialised bytes; the length is bounded by the
    // buffer's own.
    Ok(unsafe { core::slice::from_raw_parts(buffer.as_ptr().cast(), len.min(size)) })
}

/// Lets the kernel copy up to `len` bytes from one file's position to another's.
pub fn sendfile(to: Fd, from: Fd, len: u64) -> Result<usize> {
    check(plain(nr::SENDFILE, [to as usize, from as usize, 0, len as usize, 0, 0]))
}

/// Names of extended attributes, each with its NUL.
pub fn flistxattr(file: Fd, names: &mut [u8]) -> Result<usize> {
    check(call!(nr::FLISTXATTR, file, names.as_mut_ptr(), names.len()))
}

pub fn fgetxattr(file: Fd, name: &CStr, value: &mut [u8]) -> Result<usize> {
    check(call!(nr::FGETXATTR, file, name.as_ptr(), value.as_mut_ptr(), value.len()))
}

pub fn fsetxattr(file: Fd, name: &CStr, value: &[u8]) -> Result<()> {
    unit(call!(nr::FSETXATTR, file, name.as_ptr(), value.as_ptr(), value.len(), 0))
}

pub fn read(fd: Fd, buffer: &mut [u8]) -> Result<usize> {
    check(call!(nr::READ, fd, buffer.as_mut_ptr(), buffer.len()))
}

/// read, again if a signal came in between.
pub fn read_whole(file: Fd, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match read(file, buffer) {
            Err(errno::EINTR) => {}
            other => return other,
        }
    }
}

/// One write; a short one is an error (files in /proc and cgroups, packets and small records take all
/// or nothing).
pub fn write(fd: Fd, data: &[u8]) -> Result<()> {
    let written = check(call!(nr::WRITE, fd, data.as_ptr(), data.len()))?;
    if written == data.len() { Ok(()) } else { Err(errno::EINVAL) }
}

pub fn mkdirat(dir: Fd, name: &CStr, mode: u32) -> Result<()> {
    unit(call!(nr::MKDIRAT, dir, name.as_ptr(), mode))
}

pub fn mknodat(dir: Fd, name: &CStr, mode: u32, dev: u64) -> Result<()> {
    unit(call!(nr::MKNODAT, dir, name.as_ptr(), mode, dev))
}

/// Without following a final symlink; an empty name means `dir` itself.
pub fn fchownat(dir: Fd, name: &CStr, uid: u32, gid: u32) -> Result<()> {
    const FLAGS: usize = 0x100 | 0x1000; // AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH
    unit(call!(nr::FCHOWNAT, dir, name.as_ptr(), uid, gid, FLAGS))
}

/// Follows a final symlink: only for names in a tree of our own.
pub fn fchmodat(dir: Fd, name: &CStr, mode: u32) -> Result<()> {
    unit(call!(nr::FCHMODAT, dir, name.as_ptr(), mode))
}

pub fn fchmod(file: Fd, mode: u32) -> Result<()> {
    unit(plain(nr::FCHMOD, [file as usize, mode as usize, 0, 0, 0, 0]))
}

pub fn fchown(file: Fd, uid: u32) -> Result<()> {
    const KEEP: u32 = u32::MAX;
    unit(plain(nr::FCHOWN, [file as usize, uid as usize, KEEP as usize, 0, 0, 0]))
}

pub fn unlinkat(dir: Fd, name: &CStr) -> Result<()> {
    unit(call!(nr::UNLINKAT, dir, name.as_ptr(), 0))
}

pub fn symlinkat(target: &CStr, dir: Fd, name: &CStr) -> Result<()> {
    unit(call!(nr::SYMLINKAT, target.as_ptr(), dir, name.as_ptr()))
}

pub fn readlinkat(dir: Fd, name: &CStr, buffer: &mut [u8]) -> Result<usize> {
    check(call!(nr::READLINKAT, dir, name.as_ptr(), buffer.as_mut_ptr(), buffer.len()))
}

/// What is known of the object behind a descriptor or a name.
pub struct Status {
    /// `S_IFMT` bits.
    pub file_type: u32,
    /// All other bits of the mode.
    pub permissions: u32,
    /// st_rdev, encoded as glibc's makedev does.
    pub rdev: u64,
    pub uid: u32,
    pub gid: u32,
    /// In bytes.
    pub size: u64,
    /// Something is mounted there.
    pub is_mount_root: bool,
}

/// statx without following a final symlink; an empty name means `dir` itself.
pub fn stat(dir: Fd, name: &CStr) -> Result<Status> {
    const FLAGS: usize = 0x100 | 0x1000; // AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH
    const TYPE_MODE_UID_GID_SIZE: usize = 1 | 2 | 8 | 0x10 | 0x200;
    const MOUNT_ROOT: u32 = 0x2000; // STATX_ATTR_MOUNT_ROOT, Linux 5.8
    let mut buffer = [0u32; 64]; // struct statx: 256 bytes, by words:
    unit(call!(nr::STATX, dir, name.as_ptr(), FLAGS, TYPE_MODE_UID_GID_SIZE, buffer.as_mut_ptr()))?;
    let [_, _, attributes, _, _, uid, gid, mode, _, _, low, high, ..] = buffer;
    let mode = mode & 0xffff; // a short, with a spare one behind
    let (major, minor) = (u64::from(buffer[32]), u64::from(buffer[33]));
    let rdev = (minor & 0xff)
        | ((major & 0xfff) << 8)
        | ((minor & !0xff) << 12)
        | ((major & !0xfff) << 32);
    Ok(Status {
        file_type: mode & 0o170000,
        permissions: mode & 0o7777,
        rdev,
        uid,
        gid,
        size: u64::from(low) | u64::from(high) << 32,
        is_mount_root: attributes & MOUNT_ROOT != 0,
    })
}

/// The id of the mount that a descriptor is on, as in mountinfo.
pub fn mount_id(file: Fd) -> Result<u32> {
    const AT_EMPTY_PATH: usize = 0x1000;
    const MNT_ID: usize = 0x1000; // Linux 5.8
    let mut buffer = [0u32; 64]; // stx_mnt_id is at byte 144
    unit(call!(nr::STATX, file, c"".as_ptr(), AT_EMPTY_PATH, MNT_ID, buffer.as_mut_ptr()))?;
    Ok(buffer[36])
}

/// f_type of fstatfs.
pub fn filesystem_magic(file: Fd) -> Result<u64> {
    let mut buffer = [0u64; 15]; // struct statfs: 120 bytes on 64-bit architectures, f_type first
    unit(call!(nr::FSTATFS, file, buffer.as_mut_ptr()))?;
    Ok(buffer[0])
}

/// faccessat2(dir, path, X_OK, AT_EACCESS).
pub fn executable(path: &CStr) -> Result<()> {
    const X_OK: usize = 1;
    const AT_EACCESS: usize = 0x200;
    unit(call!(FACCESSAT2, CWD, path.as_ptr(), X_OK, AT_EACCESS))
}

/// File type of a path, symlinks followed.
pub fn file_type(path: &CStr) -> Result<u32> {
    const TYPE: usize = 1;
    let mut buffer = [0u32; 64];
    unit(call!(nr::STATX, CWD, path.as_ptr(), 0, TYPE, buffer.as_mut_ptr()))?;
    Ok(buffer[7] & 0o170000)
}

pub fn dup3(from: Fd, to: u32) -> Result<()> {
    unit(plain(nr::DUP3, [from as usize, to as usize, 0, 0, 0, 0]))
}

pub fn close_on_exec_from(from: u32) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: usize = 4;
    unit(plain(CLOSE_RANGE, [from as usize, u32::MAX as usize, CLOSE_RANGE_CLOEXEC, 0, 0, 0]))
}

/// Closes the descriptors from `first` to `last`.
pub fn close_range(first: u32, last: u32) -> Result<()> {
    unit(plain(CLOSE_RANGE, [first as usize, last as usize, 0, 0, 0, 0]))
}

pub fn fchdir(dir: Fd) -> Result<()> {
    unit(plain(nr::FCHDIR, [dir as usize, 0, 0, 0, 0, 0]))
}

pub fn chdir(path: &CStr) -> Result<()> {
    unit(call!(nr::CHDIR, path.as_ptr()))
}

/// The first byte of the working directory's path: '/' if it lies below the root.
pub fn cwd_first_byte() -> Result<u8> {
    let mut buffer = [0u8; 4096];
    check(call!(nr::GETCWD, buffer.as_mut_ptr(), buffer.len()))?;
    Ok(buffer[0])
}
