//! System calls that nix has no safe function for. The only file with `unsafe` in it.

#![allow(unsafe_code, reason = "clone3, capset, prctl, keyctl, execve and wait4 by hand")]

use std::arch::asm;
use std::ffi::{CStr, c_int, c_ulong};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::Ordering;

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use crate::measure::STOP;

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const STACK_UNITS: usize = 16 * 1024;
const DATAGRAM: c_int = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
/// IFF_UP
const UP: i16 = 1;
const KEYCTL_JOIN_SESSION_KEYRING: c_int = 1;

/// struct clone_args of include/uapi/linux/sched.h, version 2.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// What a waited-for child has used.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time together, with that of the children it waited for.
    pub cpu_us: f64,
    /// The largest of it and of the children it waited for. Linux counts in what the process was
    /// before its exec, here: the size of the caller.
    pub max_rss_kib: i64,
}

/// Waits for a child: its wait status and what it has used.
pub fn wait_with_usage(pid: i32) -> Result<(c_int, Usage), Errno> {
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which all zeroes is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live variables of the right types.
        let result = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        match Errno::result(result) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
    let cpu_us = micros(usage.ru_utime) + micros(usage.ru_stime);
    Ok((status, Usage { cpu_us, max_rss_kib: usage.ru_maxrss }))
}

#[allow(clippy::cast_precision_loss, reason = "a run takes far less than 2^52 microseconds")]
fn micros(time: libc::timeval) -> f64 {
    time.tv_sec as f64 * 1e6 + time.tv_usec as f64
}

/// clone3 with CLONE_VM and CLONE_VFORK: the child runs `body` on a stack of its own in the caller's
/// memory, and the caller sleeps until it has exec'd or ended.
pub fn vfork<T>(
    namespaces: u64,
    cgroup: Option<BorrowedFd<'_>>,
    body: extern "C" fn(&T) -> !,
    argument: &T,
) -> Result<i32, Errno> {
    let shared = (libc::CLONE_VM | libc::CLONE_VFORK).cast_unsigned();
    let mut stack = vec![0u128; STACK_UNITS];
    let args = CloneArgs {
        flags: u64::from(shared) | namespaces | cgroup.map_or(0, |_| CLONE_INTO_CGROUP),
        exit_signal: u64::from(libc::SIGCHLD.cast_unsigned()),
        stack: stack.as_mut_ptr() as u64,
        stack_size: size_of_val(stack.as_slice()) as u64,
        cgroup: cgroup.map_or(0, |fd| u64::from(fd.as_raw_fd().cast_unsigned())),
        ..CloneArgs::default()
    };
    // SAFETY: `args` is a valid clone_args with a stack that nobody else uses and that outlives the
    // child's use of it, for CLONE_VFORK keeps us here. `body` never returns and takes `argument`.
    // The process has one thread, so sharing memory and thread pointer with the sleeping caller
    // races with nothing.
    let result = unsafe { clone3(&args, body as *const (), std::ptr::from_ref(argument).cast()) };
    drop(stack);
    let pid = i32::try_from(result).map_err(|_| Errno::EOVERFLOW)?;
    if pid < 0 { Err(Errno::from_raw(-pid)) } else { Ok(pid) }
}

/// # Safety
/// `args` names an unused stack; `body` is an `extern "C" fn` that takes `argument`, never returns.
#[cfg(target_arch = "x86_64")]
unsafe fn clone3(args: &CloneArgs, body: *const (), argument: *const ()) -> i64 {
    let result: i64;
    // SAFETY: the parent's path changes rax, rcx and r11 only; the child's runs on its own stack
    // and registers and never leaves the block.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") std::ptr::from_ref(args),
            in("rsi") size_of::<CloneArgs>(),
            in("r12") argument,
            in("r13") body,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// See the other architecture.
///
/// # Safety
/// As there.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3(args: &CloneArgs, body: *const (), argument: *const ()) -> i64 {
    let result: i64;
    // SAFETY: as on x86_64; svc changes x0 only.
    unsafe {
        asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, 0",
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            inlateout("x0") std::ptr::from_ref(args) as i64 => result,
            in("x8") libc::SYS_clone3,
            in("x1") size_of::<CloneArgs>(),
            in("x20") argument,
            in("x21") body,
        );
    }
    result
}

/// Becomes the program, with no arguments and no environment.
pub fn exec(path: &CStr) -> Errno {
    let argv = [path.as_ptr(), std::ptr::null()];
    let envp = [std::ptr::null()];
    // SAFETY: both lists end with a null pointer and live until the call returns, if it does.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    Errno::last()
}

/// Ends the process without any cleaning up.
pub fn exit_now(status: c_int) -> ! {
    // SAFETY: takes a number and does not return.
    unsafe { libc::_exit(status) }
}

/// Takes a capability out of the bounding set.
pub fn drop_bounding(cap: u32) -> Result<(), Errno> {
    // SAFETY: this option takes one number.
    let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, c_ulong::from(cap), 0, 0, 0) };
    Errno::result(result).map(drop)
}

/// Sets effective and permitted capabilities, clears the inheritable ones.
pub fn set_capabilities(caps: u64) -> Result<(), Errno> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let (low, high) = ((caps & 0xffff_ffff), caps >> 32);
    let [low, high] = [low, high].map(|half| u32::try_from(half).unwrap_or(0));
    let data = [low, low, 0, high, high, 0];
    // SAFETY: header and data have the layout of version 3, the data of two structs of three u32.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) };
    Errno::result(result).map(drop)
}

/// A new session keyring of this name.
pub fn join_session_keyring(name: &CStr) -> Result<(), Errno> {
    let operation = KEYCTL_JOIN_SESSION_KEYRING;
    // SAFETY: the name ends with a zero byte and lives until the call returns.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, operation, name.as_ptr()) };
    Errno::result(result).map(drop)
}

/// Brings up the loopback interface of the calling thread's network namespace.
pub fn loopback_up() -> Result<(), Errno> {
    // SAFETY: takes three numbers.
    let fd = Errno::result(unsafe { libc::socket(libc::AF_INET, DATAGRAM, 0) })?;
    // SAFETY: the kernel has just made this descriptor for us.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: ifreq is plain numbers, for which all zeroes is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as std::ffi::c_char;
    }
    request.ifr_ifru.ifru_flags = UP;
    // SAFETY: the request is a live ifreq with a name and flags, which is what the call reads.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Errno::result(result).map(drop)
}

/// A descriptor of a process.
pub fn pidfd_open(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes two numbers.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::EOVERFLOW)?;
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

extern "C" fn interrupted(_: c_int) {
    STOP.store(true, Ordering::Relaxed);
}

/// From now on SIGINT, SIGTERM and SIGHUP set [`STOP`].
pub fn stop_on_interrupt() -> Result<(), String> {
    let action =
        SigAction::new(SigHandler::Handler(interrupted), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler only stores to an atomic.
        unsafe { sigaction(signal, &action) }.map_err(|e| format!("sigaction: {e}"))?;
    }
    Ok(())
}
