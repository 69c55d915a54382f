//! The machine and the moment, for the head of the tables.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::site::Site;
use crate::subject::Subject;

/// Two lines of Markdown. `load` is that of the beginning.
pub fn describe(subjects: &[Subject], site: &Site, rounds: usize, load: &str) -> String {
    let runtimes = subjects.iter().filter(|subject| subject.is_runtime());
    let versions: Vec<_> = runtimes.map(|s| format!("{} {}", s.name, s.version)).collect();
    let date = Command::new("date").args(["-u", "+%F"]).output();
    let date = date.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    format!(
        "{}, cgroup {}, state on {}; {}; {rounds} rounds, {}; \
         load average {load} before, {} after.",
        machine(),
        if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "v2" } else { "v1" },
        site.state_kind(),
        versions.join(", "),
        date.unwrap_or_default(),
        load_average(),
    )
}

/// Processor, kernel, number of cores.
pub fn machine() -> String {
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{}, Linux {kernel}, {cores} cores", cpu())
}

/// Of the last minute.
pub fn load_average() -> String {
    read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned()
}

fn cpu() -> String {
    let text = read("/proc/cpuinfo");
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": ")).map(|(_, name)| name);
    name.unwrap_or(std::env::consts::ARCH).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// The workspace's own release build of a package whose program has the same name, brought up to date where cargo is at hand.
pub fn release_build(package: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|e| format!("/proc/self/exe: {e}"))?;
    let profile = own.parent().ok_or("no directory of its own")?;
    let built = profile.with_file_name("release").join(package);
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    if let Some(cargo) = std::env::var_os("CARGO").filter(|_| workspace.exists()) {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--release", "--package", package, "--manifest-path"]);
        let status = build.arg(workspace).status().map_err(|e| format!("cargo: {e}"))?;
        if !status.success() {
            return Err(format!("cargo build of {package} failed"));
        }
    }
    Ok(built)
}
