//! The executor's system calls. The only file of the executor with `unsafe` in it (its
//! submodules aside: `arch_*.rs` with the call instruction and the numbers, `mem.rs`, `sys_terminal.rs`).
//!
//! Wrappers are safe: they take slices and C strings, never addresses. An error is a bare errno.
//! Numbers from 424 on are the same on every architecture.

#![allow(unsafe_code)]

use core::ffi::CStr;
use core::mem::size_of;

use crate::op::List;

#[cfg_attr(target_arch = "x86_64", path = "arch_x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch_aarch64.rs")]
mod arch;
use arch::nr;
pub use arch::{O_DIRECTORY, O_NOFOLLOW};
#[path = "mem.rs"]
mod mem;

/// Outcome of a system call: its value or the errno.
pub type Result<T> = core::result::Result<T, i32>;

/// A descriptor number; [`CWD`] is allowed where the kernel allows it.
pub type Fd = i32;

pub const CWD: Fd = -100;

pub const O_CLOEXEC: u32 = 0o2000000;
pub const O_PATH: u32 = 0o10000000;
pub const O_NONBLOCK: u32 = 0o4000;

pub mod errno {
    pub const ENOENT: i32 = 2;
    pub const EINTR: i32 = 4;
    pub const EAGAIN: i32 = 11;
    pub const EACCES: i32 = 13;
    pub const EEXIST: i32 = 17;
    pub const ENODEV: i32 = 19;
    pub const ENOTDIR: i32 = 20;
    pub const EISDIR: i32 = 21;
    pub const EINVAL: i32 = 22;
    pub const EPERM: i32 = 1;
    pub const ENAMETOOLONG: i32 = 36;
    pub const ELOOP: i32 = 40;
    pub const EOPNOTSUPP: i32 = 95;
    pub const EPROTO: i32 = 71;
    pub const EBADF: i32 = 9;
}

const OPEN_TREE: usize = 428;
const MOVE_MOUNT: usize = 429;
const FSOPEN: usize = 430;
const FSCONFIG: usize = 431;
const FSMOUNT: usize = 432;
const CLONE3: usize = 435;
const CLOSE_RANGE: usize = 436;
const OPENAT2: usize = 437;
const FACCESSAT2: usize = 439;
const MOUNT_SETATTR: usize = 442;

/// What `entry` finds on the stack: argc and argv as the kernel lays them out.
///
/// # Safety
/// Called once, by `_start`, with the initial stack pointer.
unsafe extern "C" fn entry(stack: *const usize) -> ! {
    let argument = |i: usize| -> &'static [u8] {
        // SAFETY: the kernel puts argc, then argc pointers to NUL-terminated strings, at the initial
        // stack pointer (System V ABI); they live as long as the process. `i` is below argc.
        unsafe {
            if i >= *stack {
                return b"";
            }
            CStr::from_ptr(*stack.add(1 + i) as *const _).to_bytes()
        }
    };
    let plan = match (crate::decimal(argument(1)), crate::decimal(argument(2))) {
        (Some(fd), Some(len)) => map_plan(fd as Fd, len as usize),
        _ => None,
    };
    match plan {
        Some(plan) => crate::walk(plan),
        None => exit(1),
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        // Defined nowhere: a reachable panic is an error of the linker.
        fn the_executor_must_not_panic() -> !;
    }
    // SAFETY: never linked, hence never run.
    unsafe { the_executor_must_not_panic() }
}

/// Maps the sealed plan, copy on write. The executor is the only user of the mapping.
fn map_plan(fd: Fd, len: usize) -> Option<&'static mut [u8]> {
    const READ_WRITE: usize = 3;
    const MAP_PRIVATE: usize = 2;
    // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
    let at = unsafe { arch::syscall(nr::MMAP, [0, len, READ_WRITE, MAP_PRIVATE, fd as usize, 0]) };
    close(fd);
    if at <= 0 || len == 0 {
        return None;
    }
    // SAFETY: `len` bytes are mapped there, readable and writable, until exec; the memfd is sealed
    // against shrinking, so no access faults; this is the only reference to them.
    Some(unsafe { core::slice::from_raw_parts_mut(at as *mut u8, len) })
}

/// Turns a list of string offsets into an array of pointers, in place, the spare word into the null
/// pointer. Done once for each list, just before it is used.
fn pointers(plan: &mut [u8], list: List) -> Result<usize> {
    let base = plan.as_ptr() as usize;
    let limit = plan.len();
    let start = list.at as usize;
    let end = start + list.len as usize * 8;
    for word in plan.get_mut(start..end).ok_or(errno::EINVAL)?.chunks_exact_mut(8) {
        let offset = usize::from_ne_bytes(word.try_into().map_err(|_| errno::EINVAL)?);
        if offset >= limit {
            return Err(errno::EINVAL);
        }
        word.copy_from_slice(&(base + offset).to_ne_bytes());
    }
    plan.get_mut(end..end + 8).ok_or(errno::EINVAL)?.fill(0);
    Ok(base + start)
}

fn check(result: isize) -> Result<usize> {
    if result < 0 { Err(-result as i32) } else { Ok(result as usize) }
}

fn unit(result: isize) -> Result<()> {
    check(result).map(|_| ())
}

fn fd(result: isize) -> Result<Fd> {
    check(result).map(|n| n as Fd)
}

/// A call whose arguments are all plain numbers.
fn plain(nr: usize, a: [usize; 6]) -> isize {
    // SAFETY: no argument of the calls this is used for is an address.
    unsafe { arch::syscall(nr, a) }
}

macro_rules! call {
    // SAFETY (of every use): addresses come from references that outlive the call, with their own
    // lengths, and are written to by the kernel only where the reference is a mutable one.
    ($nr:expr $(, $arg:expr)*) => {{
        let mut a = [0usize; 6];
        let mut n = a.iter_mut();
        $( if let Some(slot) = n.next() { *slot = $arg as usize; } )*
        let _ = n;
        #[allow(clippy::undocumented_unsafe_blocks)] // the SAFETY text above
        unsafe { arch::syscall($nr, a) }
    }};
}

// After the macro, which it uses.
#[path = "sys_terminal.rs"]
mod terminal;
pub use terminal::{
    plain_line_feeds, set_controlling_terminal, set_window_size, terminal_peer, unlock_terminal,
};

pub fn exit(status: i32) -> ! {
    loop {
        plain(nr::EXIT_GROUP, [status as usize, 0, 0, 0, 0, 0]);
    }
}

pub fn close(fd: Fd) {
    plain(nr::CLOSE, [fd as usize, 0, 0, 0, 0, 0]);
}

pub fn prctl(option: u32, a: u64, b: u64) -> Result<()> {
    // The options that plans use (PR_SET_NAME aside, see `set_name`) take numbers.
    unit(plain(nr::PRCTL, [option as usize, a as usize, b as usize, 0, 0, 0]))
}

/// Sets the name that ps shows and by which `teu` knows its waiting executor.
pub fn set_name(name: &[u8; 16]) -> Result<()> {
    const PR_SET_NAME: usize = 15;
    unit(call!(nr::PRCTL, PR_SET_NAME, name.as_ptr()))
}

/// Restores the default action of a signal.
pub fn default_action(signal: usize) -> Result<()> {
    let action = [0usize; 4];
    unit(call!(nr::RT_SIGACTION, signal, action.as_ptr(), 0, 8))
}

/// Unblocks all signals.
pub fn empty_signal_mask() -> Result<()> {
    const SIG_SETMASK: usize = 2;
    let mask = 0u64;
    unit(call!(nr::RT_SIGPROCMASK, SIG_SETMASK, &raw const mask, 0, 8))
}

pub fn umask(mask: u32) {
    plain(nr::UMASK, [mask as usize, 0, 0, 0, 0, 0]);
}

pub fn setsid() -> Result<()> {
    unit(plain(nr::SETSID, [0; 6]))
}

/// Where the calling process may run; everywhere if that is empty. No kernel is built for more than
/// 8192 processors, and bits beyond the machine's do not matter.
pub fn set_affinity(cpus: &[u8]) -> Result<()> {
    let all = [0xff; 1024];
    let cpus = if cpus.is_empty() { &all } else { cpus };
    unit(call!(nr::SCHED_SETAFFINITY, 0, cpus.len(), cpus.as_ptr()))
}

pub fn personality(persona: u32) -> Result<()> {
    unit(plain(nr::PERSONALITY, [persona as usize, 0, 0, 0, 0, 0]))
}

/// The kernel reads one bit less than it is told to (get_nodes in mm/mempolicy.c), and whole words.
pub fn set_memory_policy(mode: u32, nodes: &[u8]) -> Result<()> {
    let bits = if nodes.is_empty() { 0 } else { nodes.len() * 8 + 1 };
    let nodes = if nodes.is_empty() { core::ptr::null() } else { nodes.as_ptr() };
    unit(call!(nr::SET_MEMPOLICY, mode, nodes, bits))
}

pub fn setns(ns: Fd, flags: u32) -> Result<()> {
    unit(plain(nr::SETNS, [ns as usize, flags as usize, 0, 0, 0, 0]))
}

pub fn unshare(flags: u32) -> Result<()> {
    unit(plain(nr::UNSHARE, [flags as usize, 0, 0, 0, 0, 0]))
}

/// Forks with clone3; 0 in the child. Memory is copied, so the child may go on in this frame.
pub fn clone3(flags: u64, cgroup: Option<Fd>) -> Result<i32> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut args = [0u64; 11]; // struct clone_args: flags first, cgroup last
    args[0] = flags | if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    args[10] = cgroup.unwrap_or(0) as u64;
    fd(call!(CLONE3, args.as_ptr(), size_of::<[u64; 11]>()))
}

/// sendmsg of `data` with one descriptor as SCM_RIGHTS (unix(7)).
pub fn send_descriptor(socket: Fd, descriptor: Fd, data: &[u8]) -> Result<()> {
    const MSG_NOSIGNAL: usize = 0x4000;
    const SOL_SOCKET_SCM_RIGHTS: u64 = 1 | 1 << 32; // cmsg_level and cmsg_type, both 1
    const LENGTH: u64 = 20; // CMSG_LEN(4)
    let control = [LENGTH, SOL_SOCKET_SCM_RIGHTS, u64::from(descriptor as u32)];
    let vector = [data.as_ptr() as usize, data.len()];
    // struct msghdr: name, its length, vector, its length, control, its length, flags.
    let control_size = size_of::<[u64; 3]>();
    let message = [0, 0, vector.as_ptr() as usize, 1, control.as_ptr() as usize, control_size, 0];
    unit(call!(nr::SENDMSG, socket, message.as_ptr(), MSG_NOSIGNAL))
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

pub fn chroot_here() -> Result<()> {
    unit(call!(nr::CHROOT, c".".as_ptr()))
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

/// Joins (or makes) the keyring of that name, with the permissions a session keyring has by default
/// and SEARCH for its user.
pub fn join_session_keyring(name: &CStr) -> Result<()> {
    const JOIN_SESSION_KEYRING: usize = 1;
    const SETPERM: usize = 5;
    const POSSESSOR_ALL_USER_VIEW_READ_SEARCH_LINK: usize = 0x3f1b_0000;
    let ring = check(call!(nr::KEYCTL, JOIN_SESSION_KEYRING, name.as_ptr()))?;
    unit(plain(nr::KEYCTL, [SETPERM, ring, POSSESSOR_ALL_USER_VIEW_READ_SEARCH_LINK, 0, 0, 0]))
}

pub fn sethostname(name: &[u8]) -> Result<()> {
    unit(call!(nr::SETHOSTNAME, name.as_ptr(), name.len()))
}

pub fn setdomainname(name: &[u8]) -> Result<()> {
    unit(call!(nr::SETDOMAINNAME, name.as_ptr(), name.len()))
}

/// Reads the flags of "lo", adds IFF_UP, writes them back.
pub fn loopback_up() -> Result<()> {
    const AF_INET: usize = 2;
    const SOCK_DGRAM_CLOEXEC: usize = 2 | 0o2000000;
    const SIOCGIFFLAGS: usize = 0x8913;
    const SIOCSIFFLAGS: usize = 0x8914;
    let mut request = [0u8; 40]; // struct ifreq: 16 bytes of name, then the flags
    request[..2].copy_from_slice(b"lo");
    let socket = fd(plain(nr::SOCKET, [AF_INET, SOCK_DGRAM_CLOEXEC, 0, 0, 0, 0]))?;
    let result =
        unit(call!(nr::IOCTL, socket, SIOCGIFFLAGS, request.as_mut_ptr())).and_then(|()| {
            request[16] |= 1; // IFF_UP
            unit(call!(nr::IOCTL, socket, SIOCSIFFLAGS, request.as_mut_ptr()))
        });
    close(socket);
    result
}

/// setgroups with gids given as 8-byte words, which are narrowed in place.
pub fn setgroups(plan: &mut [u8], groups: List) -> Result<()> {
    let (at, len) = (groups.at as usize, groups.len as usize);
    let words = plan.get_mut(at..at + len * 8).ok_or(errno::EINVAL)?;
    for i in 0..len {
        if let Some(low) = words.get(i * 8..i * 8 + 4) {
            let gid: [u8; 4] = low.try_into().map_err(|_| errno::EINVAL)?;
            words.get_mut(i * 4..i * 4 + 4).ok_or(errno::EINVAL)?.copy_from_slice(&gid);
        }
    }
    unit(call!(nr::SETGROUPS, len, words.as_ptr()))
}

pub fn setresgid(gid: u32) -> Result<()> {
    let gid = gid as usize;
    unit(plain(nr::SETRESGID, [gid, gid, gid, 0, 0, 0]))
}

pub fn setresuid(uid: u32) -> Result<()> {
    let uid = uid as usize;
    unit(plain(nr::SETRESUID, [uid, uid, uid, 0, 0, 0]))
}

/// Installs a filter, an array of struct sock_filter; the listener, if the flags ask for one.
pub fn seccomp(flags: u32, filter: &[u8]) -> Result<Fd> {
    const SET_MODE_FILTER: usize = 1;
    const SOCK_FILTER: usize = 8;
    let count = u16::try_from(filter.len() / SOCK_FILTER).map_err(|_| errno::EINVAL)?;
    // struct sock_fprog: the count, six bytes of padding, the array.
    let program = [usize::from(count), filter.as_ptr() as usize];
    fd(call!(nr::SECCOMP, SET_MODE_FILTER, flags, program.as_ptr()))
}

pub fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let (low, high) = (|set: u64| set as u32, |set: u64| (set >> 32) as u32);
    let data = [
        low(effective),
        low(permitted),
        low(inheritable),
        high(effective),
        high(permitted),
        high(inheritable),
    ];
    unit(call!(nr::CAPSET, header.as_ptr(), data.as_ptr()))
}

/// execve; comes back only with an error.
pub fn execve(plan: &mut [u8], path: usize, argv: List, envp: List) -> i32 {
    let run = |plan: &mut [u8]| -> Result<()> {
        let argv = pointers(plan, argv)?;
        let envp = pointers(plan, envp)?;
        let path = CStr::from_bytes_until_nul(plan.get(path..).ok_or(errno::EINVAL)?);
        let path = path.map_err(|_| errno::EINVAL)?;
        unit(call!(nr::EXECVE, path.as_ptr(), argv, envp))
    };
    run(plan).err().unwrap_or(errno::EINVAL)
}
