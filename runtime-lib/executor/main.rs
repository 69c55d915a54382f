//! The executor: the only program of teu that ever enters a container.
//!
//! A sealed, static program of a few kilobytes that reads one prepared plan and walks it with raw
//! system calls. It interprets no strings, allocates nothing, cannot panic (a reachable panic is a
//! link error) and never returns. Its parent owns the plan's meaning: a failure goes back as the
//! number of the step and the errno.
//!
//! Started as `teu-init PLAN_FD PLAN_LENGTH [TIMES_FD TIMES_LENGTH]` by execveat from a memfd. Where to read on: `op.rs` is
//! the vocabulary, `machine.rs` the loop, the other files what the ops do.

#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod copy;
mod files;
mod ids;
mod machine;
mod mounts;
#[allow(dead_code)] // the parent's half of the vocabulary
mod op;
mod process;
#[allow(dead_code)]
mod record;
mod root;
mod sys;
mod terminal;

use machine::Machine;

/// Walks the plan to its end, which is an exec or an exit. `times` gets when each step begins, if there
/// is room for it.
fn walk(plan: &'static mut [u8], times: &'static mut [u8]) -> ! {
    match Machine::new(plan, times) {
        Some(machine) => machine.walk(),
        None => sys::exit(1),
    }
}

/// A decimal number without sign.
fn decimal(digits: &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for digit in digits {
        let value = digit.wrapping_sub(b'0');
        if value > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(u32::from(value))?;
    }
    if digits.is_empty() { None } else { Some(number) }
}
