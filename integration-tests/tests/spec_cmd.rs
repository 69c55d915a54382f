//! `spec`.

use std::fs;

use integration_tests::{Bundle, Runtime, Value, known_difference, require};

fn spec(flags: &[&str]) -> (tempfile::TempDir, integration_tests::Outcome) {
    let dir = tempfile::tempdir().unwrap();
    let outcome = Runtime::get().bare().arg("spec").args(flags).cwd(dir.path()).run();
    (dir, outcome)
}

fn read(dir: &tempfile::TempDir) -> Value {
    serde_json::from_str(&fs::read_to_string(dir.path().join("config.json")).unwrap()).unwrap()
}

#[test]
fn spec_writes_a_configuration_that_runs() {
    require!("root");
    let (dir, outcome) = spec(&[]);
    outcome.ok();
    let mut b = Bundle::new();
    b.edit(|c| *c = read(&dir));
    b.set("/process/terminal", false).set("/process/args", vec!["/probe", "report"]);
    b.set("/process/env", vec!["PATH=/"]);
    // This runtime may be older than the host's seccomp or cgroups: only what spec chose itself is under test.
    let r = b.report();
    assert_eq!(r["uid"], 0);
    assert_eq!(r["no_new_privs"], true);
}

#[test]
fn spec_does_not_overwrite() {
    let (dir, outcome) = spec(&[]);
    outcome.ok();
    let before = fs::read(dir.path().join("config.json")).unwrap();
    Runtime::get().bare().arg("spec").cwd(dir.path()).run().fails_with(&["exist"]);
    assert_eq!(fs::read(dir.path().join("config.json")).unwrap(), before);
}

#[test]
fn spec_takes_a_bundle() {
    let dir = tempfile::tempdir().unwrap();
    Runtime::get().bare().args(["spec", "--bundle"]).arg(dir.path()).run().ok();
    assert_eq!(read(&dir)["root"]["path"], "rootfs");
}

#[test]
fn spec_for_rootless_maps_the_caller() {
    known_difference!("spec-rootless");
    let (dir, outcome) = spec(&["--rootless"]);
    outcome.ok();
    let config = read(&dir);
    let namespaces = config["linux"]["namespaces"].as_array().unwrap();
    assert!(namespaces.iter().any(|n| n["type"] == "user"), "{namespaces:?}");
    assert_eq!(config["linux"]["uidMappings"][0]["hostID"], nix::unistd::geteuid().as_raw());
}

#[test]
fn spec_is_the_configuration_that_runc_writes() {
    let (dir, outcome) = spec(&[]);
    outcome.ok();
    let config = read(&dir);
    assert_eq!(config["process"]["args"], serde_json::json!(["sh"]));
    assert_eq!(config["process"]["terminal"], true);
    assert_eq!(config["root"]["readonly"], true);
    let at: Vec<&str> = config["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|m| m["destination"].as_str())
        .collect();
    assert_eq!(
        at,
        ["/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"]
    );
}
