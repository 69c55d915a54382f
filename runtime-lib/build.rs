//! Builds the executor: one `rustc` call, so that it works from a registry as from a checkout.
//!
//! It gets none of the crate's flags: it is static, without libc, optimised in every profile (a
//! debug build would contain panics, which are link errors by design).

use std::env;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

const FLAGS: &[&str] = &[
    "--edition=2024",
    "--crate-name=teu_executor",
    "--crate-type=bin",
    "-Cpanic=abort",
    "-Copt-level=s",
    "-Clto=fat",
    "-Ccodegen-units=1",
    "-Coverflow-checks=off",
    "-Cdebug-assertions=off",
    "-Cdebuginfo=0",
    "-Cstrip=symbols",
    "-Crelocation-model=static",
    "-Ctarget-feature=+crt-static",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-static",
    "-Clink-arg=-Wl,--build-id=none,-z,noexecstack,-z,norelro,--gc-sections",
];

fn main() -> Result<(), String> {
    let var = |name: &str| env::var(name).map_err(|e| format!("{name}: {e}"));
    println!("cargo::rerun-if-changed=executor");
    let version = seccomp_compiler().map_err(|e| format!("src/seccomp: {e}"))?;
    println!("cargo::rustc-env=TEU_SECCOMP_COMPILER={version:016x}");
    let output = PathBuf::from(var("OUT_DIR")?).join("executor");
    let mut rustc = Command::new(var("RUSTC")?);
    rustc.args(FLAGS).arg("--target").arg(var("TARGET")?);
    if let Ok(linker) = env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let status = rustc.arg("executor/main.rs").arg("-o").arg(&output).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("building the executor: rustc: {status}")),
        Err(e) => Err(format!("building the executor: {}: {e}", var("RUSTC")?)),
    }
}

/// A hash of the compiler's source. Compiled filters are kept for later, but not for another compiler.
fn seccomp_compiler() -> std::io::Result<u64> {
    const SOURCE: &str = "src/seccomp";
    println!("cargo::rerun-if-changed={SOURCE}");
    let mut files = fs::read_dir(SOURCE)?.collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut hash = DefaultHasher::new();
    for file in files {
        (file.file_name(), fs::read(file.path())?).hash(&mut hash);
    }
    Ok(hash.finish())
}
