//! aarch64: entry point, system-call instruction and numbers (include/uapi/asm-generic/unistd.h).

#[cfg(not(fuzzing))]
use core::arch::{asm, global_asm};

#[cfg(not(fuzzing))]
global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "bl {entry}",
    "brk #1",
    entry = sym super::start::entry,
);

#[cfg(fuzzing)]
pub use crate::kernel::syscall;

/// One system call.
///
/// # Safety
/// Pointer arguments must be valid for what the kernel does with them.
#[cfg(not(fuzzing))]
#[inline]
pub unsafe fn syscall(nr: usize, a: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: svc 0 changes x0 only; memory effects are the caller's.
    unsafe {
        asm!("svc 0", in("x8") nr, inlateout("x0") a[0] as isize => result,
            in("x1") a[1], in("x2") a[2], in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
    }
    result
}

/// The machine's counter, which needs no system call: a seccomp filter cannot forbid it, and a time
/// namespace does not change it.
#[inline]
pub fn ticks() -> u64 {
    let count: u64;
    // SAFETY: reads a counter, which the kernel lets every process do.
    unsafe { asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
    count
}

/// # Safety
/// `len` bytes must be readable at `from` and writable at `to`, which must not lie behind `from`
/// within them.
#[cfg(not(fuzzing))]
#[inline]
pub unsafe fn copy_forward(to: *mut u8, from: *const u8, len: usize) {
    for i in 0..len {
        // SAFETY: i < len; the caller's promise.
        unsafe { to.add(i).write_volatile(from.add(i).read_volatile()) };
    }
}

/// # Safety
/// `len` bytes must be writable at `to`.
#[cfg(not(fuzzing))]
#[inline]
pub unsafe fn fill(to: *mut u8, byte: u8, len: usize) {
    for i in 0..len {
        // SAFETY: i < len; the caller's promise.
        unsafe { to.add(i).write_volatile(byte) };
    }
}

/// open(2) flags that differ between architectures (asm/fcntl.h).
pub const O_DIRECTORY: u32 = 0o40000;
pub const O_NOFOLLOW: u32 = 0o100000;

pub mod nr {
    pub const FSETXATTR: usize = 7;
    pub const FGETXATTR: usize = 10;
    pub const FLISTXATTR: usize = 13;
    pub const GETCWD: usize = 17;
    pub const DUP3: usize = 24;
    pub const IOCTL: usize = 29;
    pub const MKNODAT: usize = 33;
    pub const MKDIRAT: usize = 34;
    pub const UNLINKAT: usize = 35;
    pub const SYMLINKAT: usize = 36;
    pub const UMOUNT2: usize = 39;
    pub const PIVOT_ROOT: usize = 41;
    pub const FSTATFS: usize = 44;
    pub const CHDIR: usize = 49;
    pub const FCHDIR: usize = 50;
    pub const CHROOT: usize = 51;
    pub const FCHMOD: usize = 52;
    pub const FCHMODAT: usize = 53;
    pub const FCHOWNAT: usize = 54;
    pub const FCHOWN: usize = 55;
    pub const OPENAT: usize = 56;
    pub const CLOSE: usize = 57;
    pub const GETDENTS64: usize = 61;
    pub const READ: usize = 63;
    pub const WRITE: usize = 64;
    pub const SENDFILE: usize = 71;
    pub const READLINKAT: usize = 78;
    pub const CAPSET: usize = 91;
    pub const PERSONALITY: usize = 92;
    pub const EXIT_GROUP: usize = 94;
    pub const UNSHARE: usize = 97;
    pub const SCHED_SETAFFINITY: usize = 122;
    pub const RT_SIGACTION: usize = 134;
    pub const RT_SIGPROCMASK: usize = 135;
    pub const SETRESUID: usize = 147;
    pub const SETRESGID: usize = 149;
    pub const SETSID: usize = 157;
    pub const SETGROUPS: usize = 159;
    pub const SETHOSTNAME: usize = 161;
    pub const SETDOMAINNAME: usize = 162;
    pub const UMASK: usize = 166;
    pub const PRCTL: usize = 167;
    pub const SOCKET: usize = 198;
    pub const SENDMSG: usize = 211;
    pub const RECVMSG: usize = 212;
    pub const KEYCTL: usize = 219;
    pub const EXECVE: usize = 221;
    pub const MMAP: usize = 222;
    pub const SET_MEMPOLICY: usize = 237;
    pub const SETNS: usize = 268;
    pub const SECCOMP: usize = 277;
    pub const STATX: usize = 291;
}
