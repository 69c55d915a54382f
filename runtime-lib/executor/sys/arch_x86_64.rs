//! x86_64: entry point, system-call instruction and numbers (arch/x86/entry/syscalls/syscall_64.tbl).

#[cfg(not(fuzzing))]
use core::arch::{asm, global_asm};

#[cfg(not(fuzzing))]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {entry}",
    "ud2",
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
    // SAFETY: the syscall instruction clobbers rcx and r11 only; memory effects are the caller's.
    unsafe {
        asm!("syscall", inlateout("rax") nr as isize => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// The processor's own clock (TSC), which needs no system call: a seccomp filter cannot forbid it, and a
/// time namespace does not change it.
#[inline]
pub fn ticks() -> u64 {
    // SAFETY: reads a counter. The kernel lets every process do that unless it has been told otherwise
    // with PR_SET_TSC, and nobody tells it here.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// # Safety
/// `len` bytes must be readable at `from` and writable at `to`, which must not lie behind `from`
/// within them.
#[cfg(not(fuzzing))]
#[inline]
pub unsafe fn copy_forward(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise; the direction flag is clear (System V ABI).
    unsafe {
        asm!("rep movsb", inout("rcx") len => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack, preserves_flags));
    }
}

/// # Safety
/// `len` bytes must be writable at `to`.
#[cfg(not(fuzzing))]
#[inline]
pub unsafe fn fill(to: *mut u8, byte: u8, len: usize) {
    // SAFETY: as above.
    unsafe {
        asm!("rep stosb", inout("rcx") len => _, inout("rdi") to => _, in("al") byte,
            options(nostack, preserves_flags));
    }
}

/// open(2) flags that differ between architectures (asm/fcntl.h).
pub const O_DIRECTORY: u32 = 0o200000;
pub const O_NOFOLLOW: u32 = 0o400000;

pub mod nr {
    pub const READ: usize = 0;
    pub const WRITE: usize = 1;
    pub const CLOSE: usize = 3;
    pub const MMAP: usize = 9;
    pub const RT_SIGACTION: usize = 13;
    pub const RT_SIGPROCMASK: usize = 14;
    pub const IOCTL: usize = 16;
    pub const SENDFILE: usize = 40;
    pub const SOCKET: usize = 41;
    pub const SENDMSG: usize = 46;
    pub const RECVMSG: usize = 47;
    pub const EXECVE: usize = 59;
    pub const GETCWD: usize = 79;
    pub const CHDIR: usize = 80;
    pub const FCHDIR: usize = 81;
    pub const FCHMOD: usize = 91;
    pub const FCHOWN: usize = 93;
    pub const UMASK: usize = 95;
    pub const SETSID: usize = 112;
    pub const SETGROUPS: usize = 116;
    pub const SETRESUID: usize = 117;
    pub const SETRESGID: usize = 119;
    pub const CAPSET: usize = 126;
    pub const FSTATFS: usize = 138;
    pub const PERSONALITY: usize = 135;
    pub const PIVOT_ROOT: usize = 155;
    pub const PRCTL: usize = 157;
    pub const CHROOT: usize = 161;
    pub const UMOUNT2: usize = 166;
    pub const SETHOSTNAME: usize = 170;
    pub const SETDOMAINNAME: usize = 171;
    pub const FSETXATTR: usize = 190;
    pub const FGETXATTR: usize = 193;
    pub const FLISTXATTR: usize = 196;
    pub const SCHED_SETAFFINITY: usize = 203;
    pub const GETDENTS64: usize = 217;
    pub const EXIT_GROUP: usize = 231;
    pub const SET_MEMPOLICY: usize = 238;
    pub const KEYCTL: usize = 250;
    pub const OPENAT: usize = 257;
    pub const MKDIRAT: usize = 258;
    pub const MKNODAT: usize = 259;
    pub const FCHOWNAT: usize = 260;
    pub const UNLINKAT: usize = 263;
    pub const SYMLINKAT: usize = 266;
    pub const READLINKAT: usize = 267;
    pub const FCHMODAT: usize = 268;
    pub const UNSHARE: usize = 272;
    pub const DUP3: usize = 292;
    pub const SETNS: usize = 308;
    pub const SECCOMP: usize = 317;
    pub const STATX: usize = 332;
}
