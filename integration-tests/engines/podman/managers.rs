//! Cgroups by podman's choice of a manager: cgroupfs, or systemd with `TEU_TEST_SYSTEMD`. Few commands, for a virtual
//! machine without hardware's help.

use integration_tests::Runtime;
use integration_tests::cgroup;
use integration_tests::engine::Podman;

tests! {
    rootful:
    a_life_in_the_cgroup_of_the_managers_choice,
}

fn a_life_in_the_cgroup_of_the_managers_choice(podman: &Podman) {
    let script = "trap 'exit 5' TERM; while :; do sleep 0.1; done";
    let flags = ["-m=64m", "--pids-limit=30", "--cpus=0.5"];
    let running = podman.start_container(&flags, &["sh", "-c", script]);
    let cgroup = running.cgroup();
    cgroup.is(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864"));
    cgroup.is(("pids.max", "30"), ("pids.max", "30"));
    cgroup.is(("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000"));
    let dir = cgroup.dir("memory").to_owned();
    let name = match Runtime::systemd() {
        true => format!("libpod-{}.scope", running.id()),
        false => format!("libpod-{}", running.id()),
    };
    assert!(dir.components().any(|c| c.as_os_str() == name.as_str()), "{}", dir.display());
    let inside = running.exec(&["sh", "-c", "cat /proc/self/cgroup; exit 3"]).exits(3);
    assert!(!inside.stdout.contains(".."), "{inside:?}");
    let stats = running.verb("stats", &["--no-stream", "--format={{.MemLimit}}"]).ok();
    assert_eq!(stats.out(), "67108864");
    let pid = running.pid();
    running.verb("pause", &[]).ok();
    assert!(cgroup::is_frozen(pid));
    running.verb("unpause", &[]).ok();
    running.verb("stop", &[]).ok();
    assert_eq!(running.inspect("State.ExitCode"), "5");
    assert!(!dir.exists(), "{}", dir.display());
    running.verb("start", &[]).ok();
    assert_eq!(running.status(), "running");
}
