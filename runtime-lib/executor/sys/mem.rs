//! The five functions that compiled code may call by itself. There is no libc to bring them, and
//! written in Rust they would be compiled into calls of themselves: hence volatile accesses for the
//! ones that matter little, and one instruction where the architecture has it.

use core::ffi::c_int;

/// # Safety
/// As memcpy(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    // SAFETY: the caller's promise; the regions do not overlap.
    unsafe { super::arch::copy_forward(to, from, len) };
    to
}

/// # Safety
/// As memmove(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, len: usize) -> *mut u8 {
    if (to as usize).wrapping_sub(from as usize) >= len {
        // SAFETY: the caller's promise; `to` is not inside [from, from + len), so forward is right.
        unsafe { super::arch::copy_forward(to, from, len) };
    } else {
        for i in (0..len).rev() {
            // SAFETY: i < len, both within the caller's regions; backward, since `to` is behind.
            unsafe { to.add(i).write_volatile(from.add(i).read_volatile()) };
        }
    }
    to
}

/// # Safety
/// As memset(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: c_int, len: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { super::arch::fill(to, byte as u8, len) };
    to
}

/// # Safety
/// As memcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, len: usize) -> c_int {
    for i in 0..len {
        // SAFETY: i < len, within the caller's regions.
        let (x, y) = unsafe { (a.add(i).read_volatile(), b.add(i).read_volatile()) };
        if x != y {
            return c_int::from(x) - c_int::from(y);
        }
    }
    0
}

/// # Safety
/// As bcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, len: usize) -> c_int {
    // SAFETY: the caller's promise is the same.
    unsafe { memcmp(a, b, len) }
}

/// # Safety
/// As strlen(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut len = 0;
    // SAFETY: the caller promises a NUL; nothing behind it is read.
    while unsafe { text.add(len).read_volatile() } != 0 {
        len += 1;
    }
    len
}
