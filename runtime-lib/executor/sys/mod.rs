//! The executor's system calls. All its `unsafe` is in this folder.
//!
//! ```text
//! arch_*     entry point, the call instruction, its numbers, the clock
//! start      from there to the plan
//! mem        what compiled code calls by itself
//! files mounts process network terminal   calls by what they are about
//! ```
//!
//! Wrappers are safe: they take slices and C strings, never addresses. An error is a bare errno.
//! Numbers from 424 on are the same on every architecture.

#![allow(unsafe_code)]

#[cfg_attr(target_arch = "x86_64", path = "arch_x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "arch_aarch64.rs")]
mod arch;
pub use arch::{O_DIRECTORY, O_NOFOLLOW, nr, ticks};
// A fuzz target has a program of its own around the executor (docs/fuzzing.md).
#[cfg(not(fuzzing))]
mod mem;
#[cfg(not(fuzzing))]
mod start;

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
    pub const EBUSY: i32 = 16;
    pub const EINVAL: i32 = 22;
    pub const EPERM: i32 = 1;
    pub const ENAMETOOLONG: i32 = 36;
    pub const ELOOP: i32 = 40;
    pub const EOPNOTSUPP: i32 = 95;
    pub const EPROTO: i32 = 71;
    pub const EBADF: i32 = 9;
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
