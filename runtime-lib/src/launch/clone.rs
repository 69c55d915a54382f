//! The one moment in which a second process shares this program's memory.
//!
//! clone3 with CLONE_VM and CLONE_VFORK: nothing is copied, the calling thread is suspended until
//! the child has exec'd, other threads run on. Hence the child must not touch any memory but its
//! own arguments: it is a dozen instructions of assembly that work in registers only, on the
//! suspended thread's stack, which they never push to. CLONE_CLEAR_SIGHAND makes sure that no
//! signal handler of the program runs there either. The child's descriptor table is its own copy.

#![allow(unsafe_code)]

use std::arch::asm;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

const CLONE_VM: u64 = 0x100;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// struct clone_args of include/uapi/linux/sched.h, version 2 (Linux 5.7).
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    /// 0: no signal before the exec, which sets it to SIGCHLD.
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What the child reads; field offsets are known to the assembly below.
#[repr(C)]
struct Child {
    /// 0: the program, execveat'ed with AT_EMPTY_PATH.
    program: u64,
    /// 8: "".
    empty: *const libc::c_char,
    /// 16.
    argv: *const *const libc::c_char,
    /// 24.
    envp: *const *const libc::c_char,
    /// 32: descriptors from here on are closed by the exec, except
    first: u64,
    /// 40: these,
    keep: *const RawFd,
    /// 48: so many.
    keep_len: u64,
    /// 56: written by the child if something fails.
    errno: i64,
}

/// A started child and the handle to it.
#[derive(Debug)]
pub(super) struct Spawned {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// What to start.
pub(super) struct Spawn<'a> {
    pub program: BorrowedFd<'a>,
    pub argv: &'a [CString],
    /// CLONE_NEW*.
    pub namespaces: u64,
    /// CLONE_INTO_CGROUP.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// Descriptors below this number are left as they are.
    pub first: u32,
    /// Descriptors from there on that the program gets.
    pub keep: &'a [RawFd],
}

/// Starts the program, with an empty environment.
pub(super) fn spawn(spawn: &Spawn<'_>) -> Result<Spawned, Errno> {
    let mut argv: Vec<*const libc::c_char> = spawn.argv.iter().map(|arg| arg.as_ptr()).collect();
    argv.push(std::ptr::null());
    let envp = [std::ptr::null()];
    let empty: &CStr = c"";
    let mut child = Child {
        program: number(spawn.program.as_raw_fd()),
        empty: empty.as_ptr(),
        argv: argv.as_ptr(),
        envp: envp.as_ptr(),
        first: u64::from(spawn.first),
        keep: spawn.keep.as_ptr(),
        keep_len: spawn.keep.len() as u64,
        errno: 0,
    };
    let mut pidfd: RawFd = -1;
    let shared = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND;
    let args = CloneArgs {
        flags: shared | spawn.namespaces | spawn.cgroup.map_or(0, |_| CLONE_INTO_CGROUP),
        pidfd: (&raw mut pidfd) as u64,
        cgroup: spawn.cgroup.map_or(0, |cgroup| number(cgroup.as_raw_fd())),
        ..CloneArgs::default()
    };
    // SAFETY: `args` and `child` are valid for the call, and so is all they point to (`argv`, `envp`,
    // `keep`, `empty` and the CStrings outlive it). The kernel writes a descriptor to `pidfd`.
    let result = unsafe { clone3_and_exec(&args, &mut child) };
    if result < 0 {
        return Err(errno(-result));
    }
    // SAFETY: clone3 succeeded, so CLONE_PIDFD has put a new descriptor there that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let spawned = Spawned { pid: i32::try_from(result).unwrap_or_default(), pidfd };
    // SAFETY: `child` is valid; a volatile read, since the write was made behind the compiler's back.
    match unsafe { std::ptr::read_volatile(&raw const child.errno) } {
        0 => Ok(spawned),
        failed => {
            super::reap(spawned.pidfd.as_fd());
            Err(errno(failed))
        }
    }
}

fn number(fd: RawFd) -> u64 {
    u64::try_from(fd).unwrap_or_default()
}

fn errno(number: i64) -> Errno {
    Errno::from_raw(i32::try_from(number).unwrap_or(libc::EIO))
}

/// The pid, or a negative errno. In the child: marks all descriptors from `first` on as
/// close-on-exec, takes the mark off those to keep, and execs.
///
/// # Safety
/// `args` and `child` must be valid, and every pointer in `child` too until the call returns; the
/// flags must contain CLONE_VM and CLONE_VFORK, not CLONE_FILES, and `stack` must be 0.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3_and_exec(args: &CloneArgs, child: &mut Child) -> i64 {
    let result: i64;
    // SAFETY: the parent's path changes rax, rcx and r11 only. The child's path runs in another
    // process that never leaves this block; it writes memory only at [r12 + 56], and changes the
    // registers of its own copy. The parent sleeps meanwhile, so sharing its stack is no race.
    unsafe {
        asm!(
            "syscall", // clone3
            "test rax, rax",
            "jnz 9f",
            "mov eax, 436", // close_range(first, ~0, CLOSE_RANGE_CLOEXEC)
            "mov rdi, [r12 + 32]",
            "mov esi, 0xffffffff",
            "mov edx, 4",
            "syscall",
            "test rax, rax",
            "jnz 8f",
            "mov r8, [r12 + 40]",
            "mov r9, [r12 + 48]",
            "2:",
            "test r9, r9",
            "jz 3f",
            "mov eax, 72", // fcntl(*keep, F_SETFD, 0)
            "mov edi, [r8]",
            "mov esi, 2",
            "xor edx, edx",
            "syscall",
            "test rax, rax",
            "jnz 8f",
            "add r8, 4",
            "dec r9",
            "jmp 2b",
            "3:",
            "mov eax, 322", // execveat(program, "", argv, envp, AT_EMPTY_PATH)
            "mov rdi, [r12]",
            "mov rsi, [r12 + 8]",
            "mov rdx, [r12 + 16]",
            "mov r10, [r12 + 24]",
            "mov r8d, 0x1000",
            "syscall",
            "8:",
            "neg rax",
            "mov [r12 + 56], rax",
            "mov eax, 231", // exit_group(127)
            "mov edi, 127",
            "syscall",
            "ud2",
            "9:",
            inlateout("rax") 435i64 => result,
            in("rdi") std::ptr::from_ref(args),
            in("rsi") size_of::<CloneArgs>(),
            in("r12") std::ptr::from_mut(child),
            lateout("rcx") _,
            lateout("r11") _,
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("rdx") _,
            options(nostack),
        );
    }
    result
}

/// See the other architecture.
///
/// # Safety
/// As there.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3_and_exec(args: &CloneArgs, child: &mut Child) -> i64 {
    let result: i64;
    // SAFETY: svc changes x0 only; for the child's path see x86_64, with x20 in the place of r12.
    unsafe {
        asm!(
            "svc 0", // clone3
            "cbnz x0, 9f",
            "mov x8, 436", // close_range
            "ldr x0, [x20, 32]",
            "mov w1, 0xffffffff",
            "mov x2, 4",
            "svc 0",
            "cbnz x0, 8f",
            "ldr x9, [x20, 40]",
            "ldr x10, [x20, 48]",
            "2:",
            "cbz x10, 3f",
            "mov x8, 25", // fcntl
            "ldr w0, [x9], 4",
            "mov x1, 2",
            "mov x2, 0",
            "svc 0",
            "cbnz x0, 8f",
            "sub x10, x10, 1",
            "b 2b",
            "3:",
            "mov x8, 281", // execveat
            "ldr x0, [x20]",
            "ldr x1, [x20, 8]",
            "ldr x2, [x20, 16]",
            "ldr x3, [x20, 24]",
            "mov x4, 0x1000",
            "svc 0",
            "8:",
            "neg x0, x0",
            "str x0, [x20, 56]",
            "mov x8, 94", // exit_group
            "mov x0, 127",
            "svc 0",
            "brk 1",
            "9:",
            inlateout("x0") std::ptr::from_ref(args) as i64 => result,
            inlateout("x8") 435u64 => _,
            inlateout("x1") size_of::<CloneArgs>() => _,
            in("x20") std::ptr::from_mut(child),
            lateout("x2") _,
            lateout("x3") _,
            lateout("x4") _,
            lateout("x9") _,
            lateout("x10") _,
            options(nostack),
        );
    }
    result
}
