//! From the kernel's exec to the plan, and what is linked in if a panic can be reached.

use core::ffi::CStr;

use super::{Fd, arch, close, exit, nr};
use crate::decimal;

/// What `entry` finds on the stack: argc and argv as the kernel lays them out.
///
/// # Safety
/// Called once, by `_start`, with the initial stack pointer.
pub unsafe extern "C" fn entry(stack: *const usize) -> ! {
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
