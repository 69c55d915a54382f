//! The clock that the executor reads (`executor/sys/arch_*.rs`).

#![allow(unsafe_code)]

/// The processor's time-stamp counter.
#[cfg(target_arch = "x86_64")]
pub(super) fn ticks() -> u64 {
    // SAFETY: reads a counter. A program that has been forbidden to (PR_SET_TSC) gets SIGSEGV, which it
    // has asked for.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The machine's counter.
#[cfg(target_arch = "aarch64")]
pub(super) fn ticks() -> u64 {
    let count: u64;
    // SAFETY: reads a counter, which the kernel lets every process do.
    unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
    count
}
