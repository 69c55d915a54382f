//! The sample bundles in `bundles/` do what their README says.

use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::{Bundle, Cmd, Outcome, Runtime, Terminal, ordinary_user, require};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bundles")
}

fn sample(name: &str) -> Bundle {
    let text = fs::read_to_string(folder().join(name).join("config.json")).unwrap();
    let mut b = Bundle::new();
    b.edit(|config| *config = serde_json::from_str(&text).unwrap());
    b
}

fn run(name: &str, user: Option<u32>) -> Outcome {
    let mut b = sample(name);
    if let Some(uid) = user {
        b.as_user(uid);
    }
    b.run()
}

#[test]
fn every_sample_bundle_is_in_the_readme_and_is_tested_here() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["hello", "limits", "rootless"]);
    for name in names {
        assert!(
            readme.contains(&format!("| `{name}` |")),
            "{name} has no line in bundles/README.md"
        );
    }
}

#[test]
fn hello_says_hello() {
    require!("root");
    assert!(run("hello", None).ok().out().starts_with("Hello from a container"));
}

#[test]
fn rootless_says_hello_to_an_ordinary_user() {
    require!("container");
    assert!(run("rootless", Some(1000)).ok().out().starts_with("Hello from a container"));
}

#[test]
fn limits_are_found_by_the_process() {
    require!("root");
    let report = run("limits", None).ok().json();
    assert_eq!(report["uid"], 1000);
    assert_eq!(report["umask"], 0o077);
    assert_eq!(report["groups"], serde_json::json!([2000]));
    assert_eq!(report["oom_score_adj"], 500);
    assert_eq!(report["rlimits"]["RLIMIT_NOFILE"], serde_json::json!([64, 128]));
    assert_eq!(report["cpus"], "0");
}

#[test]
fn limits_are_the_kernels() {
    require!("root");
    let b = sample("limits");
    let c = b.start_sleeper();
    let cgroup = c.cgroup();
    cgroup.is(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864"));
    cgroup.is(("memory.memsw.limit_in_bytes", "67108864"), ("memory.swap.max", "0"));
    cgroup.is(("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000"));
    cgroup.is(("pids.max", "16"), ("pids.max", "16"));
}

/// The lines under "A rootfs with a shell", as they stand there.
#[test]
fn an_ordinary_user_gets_a_shell_by_the_readmes_lines() {
    require!("userns", "busybox", "teu");
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let (_, section) = readme.split_once("## A rootfs with a shell").unwrap();
    let lines = section.lines().filter_map(|line| line.strip_prefix("    "));
    let script = lines.collect::<Vec<_>>().join("\n");
    assert!(script.contains("teu spec --rootless") && script.contains("teu run"), "{script}");

    let b = Bundle::rootless();
    let home = b.scratch("home");
    fs::create_dir_all(home.join("bin")).unwrap();
    fs::copy(Runtime::get().path(), home.join("bin/teu")).unwrap();
    b.write();
    let path = format!("{}:{}", home.join("bin").display(), std::env::var("PATH").unwrap());
    let cmd = Cmd::new("sh").args(["-ec", &script]).cwd(&home).env("PATH", path);
    let cmd = cmd.env("HOME", &home).env("XDG_RUNTIME_DIR", b.root());
    let mut terminal = Terminal::new();
    let running = terminal.spawn(cmd.user(integration_tests::is_root().then(ordinary_user)));
    terminal.wait_for("# ");
    terminal.type_in("id -u; echo on $(tty); exit 7\n");
    terminal.wait_for("0\r\non /dev/pts/0");
    running.wait().exits(7);
}
