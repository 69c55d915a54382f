//! `--cgroup-manager`, crun's flag: podman asks for `disabled` with `--cgroups=disabled`.

use integration_tests::{Bundle, Runtime, known_difference, require};

fn disabled() -> Bundle {
    let mut b = Bundle::new();
    b.global_flag("--cgroup-manager=disabled");
    b
}

/// Which no test's own `--systemd-cgroup` may contradict.
fn is_there() -> bool {
    !integration_tests::differences::applies("cgroup-manager") && !Runtime::systemd()
}

#[test]
fn a_container_without_a_cgroup_stays_in_its_callers() {
    require!("container");
    if !is_there() {
        return;
    }
    let b = disabled();
    let c = b.start_sleeper();
    let of = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let own = of(std::process::id().cast_signed());
    assert_eq!(of(c.pid()), own);
    assert_eq!(c.exec(&["exit", "3"]).status, 3);
    assert!(c.verb("pause", &[]).status != 0, "it has nothing to be frozen by");
    c.terminate();
    c.wait_status("stopped");
    c.delete().ok();
    b.assert_clean();
}

#[test]
fn its_cgroup_mount_shows_the_callers() {
    require!("container");
    if !is_there() {
        return;
    }
    let mut b = disabled();
    b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "ro"]);
    let r = b.report();
    let mounts = r["mounts"].as_array().unwrap().iter();
    let hierarchies = mounts.filter(|m| m["fstype"].as_str().unwrap().starts_with("cgroup"));
    let places: Vec<_> = hierarchies.map(|m| m["mountpoint"].as_str().unwrap()).collect();
    assert!(!places.is_empty(), "{}", r["mounts"]);
    for at in places {
        assert!(at.starts_with("/sys/fs/cgroup") && r.mount_has(at, "ro"), "{at}");
    }
}

#[test]
fn limits_and_paths_are_refused_where_there_is_no_cgroup() {
    require!("container");
    if !is_there() {
        return;
    }
    known_difference!("rootless-limits");
    let mut b = disabled();
    b.set("/linux/resources/memory/limit", 64 << 20);
    b.run().fails_with(&["linux.resources.memory.limit", "the cgroup manager is disabled"]);
    let mut b = disabled();
    b.set("/linux/cgroupsPath", "/somewhere");
    b.run().fails_with(&["linux.cgroupsPath: /somewhere: the cgroup manager is disabled"]);
}
