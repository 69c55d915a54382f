//! Any profile gives an error or a program that the kernel takes: `cargo +nightly fuzz run seccomp`.

#![no_main]

#[path = "../../runtime-lib/tests/seccomp/interpreter.rs"]
#[allow(dead_code)]
mod interpreter;

use libfuzzer_sys::fuzz_target;
use libteu::seccomp::{Arch, Filter, explain};
use oci_spec::runtime::LinuxSeccomp;

fuzz_target!(|json: &[u8]| {
    let Ok(profile) = serde_json::from_slice::<LinuxSeccomp>(json) else { return };
    for native in [Arch::X86_64, Arch::Aarch64, Arch::Riscv64] {
        if let Ok(filter) = Filter::compile_for(&profile, native) {
            interpreter::check(filter.instructions()).unwrap();
        }
    }
    let _ = explain(&profile, Some("socket"));
});
