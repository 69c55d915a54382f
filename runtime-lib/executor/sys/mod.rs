//! The executor's system calls. All its `unsafe` is in this folder.
//!
//! ```text
//! arch_*     entry point, the call instruction, its numbers, the clock
//! mem        what compiled code calls by itself
//! files mounts process network terminal   calls by what they are about
//! ```
//!
//! Wrappers are safe: they take slices and C strings, never addresses. An error is a bare errno.
//! Numbers from 424 on are the same on every architecture.

#![allow(unsafe_code)]

use core::ffi::CStr;

use crate::decimal;

#[cfg_attr(target_arch = "x86_64", path = "arch_x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch_aarch64.rs")]
mod arch;
use arch::nr;
pub use arch::{O_DIRECTORY, O_NOFOLLOW, ticks};
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
    let mapped = |i: usize, flags: usize| match (decimal(argument(i)), decimal(argument(i + 1))) {
        (Some(fd), Some(len)) => map(fd as Fd, len as usize, flags),
        _ => None,
    };
    let times = mapped(3, MAP_SHARED).unwrap_or_default();
    match mapped(1, MAP_PRIVATE) {
        Some(plan) => crate::walk(plan, times),
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

/// Copy on write: what the plan is mapped with.
const MAP_PRIVATE: usize = 2;
/// For the times, which the runtime reads in the file afterwards.
const MAP_SHARED: usize = 1;

/// Maps a memfd. The executor is the only user of the mapping.
fn map(fd: Fd, len: usize, flags: usize) -> Option<&'static mut [u8]> {
    const READ_WRITE: usize = 3;
    // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
    let at = unsafe { arch::syscall(nr::MMAP, [0, len, READ_WRITE, flags, fd as usize, 0]) };
    close(fd);
    if at <= 0 || len == 0 {
        return None;
    }
    // SAFETY: `len` bytes are mapped there, readable and writable, until exec; the memfd is sealed
    // against shrinking, so no access faults; this is the only reference to them, and nobody else
    // writes to the file.
    Some(unsafe { core::slice::from_raw_parts_mut(at as *mut u8, len) })
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

// After the macro, which they use.
mod files;
mod mounts;
mod network;
mod process;
mod terminal;
pub use files::*;
pub use mounts::*;
pub use network::*;
pub use process::*;
pub use terminal::*;

pub fn exit(status: i32) -> ! {
    loop {
        plain(nr::EXIT_GROUP, [status as usize, 0, 0, 0, 0, 0]);
    }
}

pub fn close(fd: Fd) {
    plain(nr::CLOSE, [fd as usize, 0, 0, 0, 0, 0]);
}
