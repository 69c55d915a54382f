//! System calls by number, on every path into the kernel that x86_64 has.

#![allow(unsafe_code)]

use std::io;

use crate::actions::fail;

/// `call native|x32|int80 NUMBER ARG...`: prints the result, or the errno.
pub fn call(path: &str, number: &str, args: &[&str]) -> Option<u8> {
    let number = parse(number)?;
    let mut values = [0; 6];
    for (value, arg) in values.iter_mut().zip(args) {
        *value = parse(arg)?;
    }
    let result = match path {
        "native" => syscall(number, values),
        "x32" => syscall(number | 1 << 30, values),
        "int80" => int80(number, values),
        _ => return None,
    };
    Some(if (-4095..0).contains(&result) {
        fail(&io::Error::from_raw_os_error(i32::try_from(-result).unwrap_or_default()))
    } else {
        println!("{result}");
        0
    })
}

/// Decimal or, with `0x`, hexadecimal.
fn parse(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(target_arch = "x86_64")]
fn syscall(number: u64, a: [u64; 6]) -> i64 {
    let result: i64;
    // SAFETY: the tests pass calls that take no pointer, or that a filter answers.
    unsafe {
        std::arch::asm!("syscall", inlateout("rax") number => result,
            in("rdi") a[0], in("rsi") a[1], in("rdx") a[2], in("r10") a[3], in("r8") a[4], in("r9") a[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

/// i386's entry, which takes 32 bits of each. The third argument on are 0.
#[cfg(target_arch = "x86_64")]
fn int80(number: u64, a: [u64; 6]) -> i64 {
    let result: i64;
    // SAFETY: as above; rbx is kept for the compiler, which does not lend it.
    unsafe {
        std::arch::asm!("push rbx", "mov rbx, {first}", "int 0x80", "pop rbx",
            first = in(reg) a[0],
            inlateout("rax") number => result, in("rcx") a[1], in("rdx") 0, in("rsi") 0, in("rdi") 0,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _);
    }
    // The result is 32 bits wide.
    #[allow(clippy::cast_possible_truncation)]
    let result = result as i32;
    i64::from(result)
}

#[cfg(not(target_arch = "x86_64"))]
fn syscall(number: u64, a: [u64; 6]) -> i64 {
    // SAFETY: as on x86_64. libc turns errors into -1 and errno.
    let result = unsafe { libc::syscall(number as i64, a[0], a[1], a[2], a[3], a[4], a[5]) };
    if result == -1 {
        -i64::from(io::Error::last_os_error().raw_os_error().unwrap_or(0))
    } else {
        result
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn int80(_: u64, _: [u64; 6]) -> i64 {
    -i64::from(libc::ENOSYS)
}
