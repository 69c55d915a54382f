//! The executor as a program: built for every architecture whose standard library is installed.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::path::Path;
use std::process::Command;

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

fn installed(target: &str) -> bool {
    let output = rustc().args(["--print", "target-libdir", "--target", target]).output().unwrap();
    Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
}

/// Type-checked, assembled and optimised, but not linked: a cross linker may be missing.
fn builds(target: &str) {
    if !installed(target) {
        // Not by `eprintln!`, which is shown for failed tests only.
        let why = format!("SKIP: the standard library for {target} is not installed\n");
        std::io::stderr().write_all(why.as_bytes()).unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("executor/main.rs");
    let output = rustc()
        .args(["--edition=2024", "--crate-name=teu_executor", "--crate-type=bin", "--emit=obj"])
        .args(["-Cpanic=abort", "-Copt-level=s", "-Dwarnings", "--target", target, "-o"])
        .arg(dir.path().join("executor.o"))
        .arg(source)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn it_builds_for_x86_64() {
    builds("x86_64-unknown-linux-gnu");
}

#[test]
fn it_builds_for_aarch64() {
    builds("aarch64-unknown-linux-gnu");
}
