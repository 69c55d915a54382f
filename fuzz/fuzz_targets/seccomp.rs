//! `linux.seccomp`, alone or in a config: an error or a program that the kernel takes.

#![no_main]

#[path = "../../runtime-lib/tests/seccomp/interpreter.rs"]
#[allow(dead_code)]
mod interpreter;

use libfuzzer_sys::fuzz_target;
use libteu::seccomp::{Arch, Filter, explain};
use oci_spec::runtime::{LinuxSeccomp, Spec};

fuzz_target!(|json: &[u8]| {
    let Some(profile) = profile(json) else { return };
    for native in [Arch::X86_64, Arch::Aarch64, Arch::Riscv64] {
        if let Ok(filter) = Filter::compile_for(&profile, native) {
            interpreter::check(filter.instructions()).unwrap();
        }
    }
    let _ = explain(&profile, Some("socket"));
});

fn profile(json: &[u8]) -> Option<LinuxSeccomp> {
    serde_json::from_slice(json).ok().or_else(|| {
        let spec: Spec = serde_json::from_slice(json).ok()?;
        spec.linux().as_ref()?.seccomp().clone()
    })
}
