//! `linux.resources`: what the kernel then does, and what stands in its files.

use integration_tests::cgroup::{self, a_disk, is_v2};
use integration_tests::differences::listed;
use integration_tests::{Bundle, Runtime, Value, is_root, json, known_difference, require};

/// A bundle with these resources, which may use all devices: rules are looked at elsewhere.
fn limited(resources: Value) -> Bundle {
    let mut b = Bundle::new();
    b.set("/linux/resources", resources);
    b.set("/linux/resources/devices", json!([{ "allow": true, "access": "rwm" }]));
    b
}

const MIB: u64 = 1 << 20;

/// `create` fails with one of these words, and nothing is left of it.
#[track_caller]
fn refused(b: &Bundle, words: &[&str]) {
    b.try_create().fails_with(words);
    if !listed("failed-limit") {
        b.assert_clean();
    }
}

// ---- what the processes notice -------------------------------------------------------------------

/// systemd removes the cgroup of a scope as soon as it is empty.
fn outlives_its_processes() -> bool {
    !Runtime::systemd()
}

#[test]
fn a_cgroup_path_counts_from_the_root_or_from_the_runtimes_own() {
    require!("root", "cgroupfs");
    let line = |pid: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let wanted = |line: &&str| line.contains(if is_v2() { "0::" } else { ":pids:" });
        text.lines().find(wanted).unwrap().rsplit_once(':').unwrap().1.to_owned()
    };
    let own = line("self");
    let beside = if is_v2() { own.rsplit_once('/').unwrap().0 } else { own.trim_end_matches('/') };
    let mut b = Bundle::new();
    let (absolute, relative) = (format!("/{}-a", b.id()), format!("{}-r", b.id()));
    for (path, place) in
        [(&absolute, absolute.clone()), (&relative, format!("{beside}/{relative}"))]
    {
        b.set("/linux/cgroupsPath", json!(path));
        let c = b.start_sleeper();
        assert_eq!(line(&c.pid().to_string()), place);
        c.finish();
        b.assert_clean();
    }
}

#[test]
fn who_takes_more_memory_than_the_limit_is_killed() {
    require!("container", "delegation");
    let limit = 32 * MIB;
    let mut b = limited(json!({ "memory": { "limit": limit, "swap": limit } }));
    b.args(&["touch-memory", "128"]);
    let c = b.create();
    let cgroup = c.cgroup();
    c.start().ok();
    c.wait_status("stopped");
    assert_eq!(c.stdout(), "");
    assert!(!outlives_its_processes() || cgroup.oom_kills() > 0);
    c.finish();
    b.args(&["touch-memory", "8"]);
    assert_eq!(b.run().ok().out(), "touched 8 MiB");
}

#[test]
fn a_limit_that_no_process_can_start_under_is_told() {
    require!("container", "delegation");
    if Runtime::systemd() {
        known_difference!("scope-out-of-memory");
    }
    let b = limited(json!({ "memory": { "limit": 4096 } }));
    // A scope is gone with its process, and mostly with it what the kernel has counted.
    let words: &[&str] =
        if Runtime::systemd() { &["memory limit", "out of memory"] } else { &["memory limit"] };
    refused(&b, words);
}

#[test]
fn no_more_processes_than_the_limit_can_be_forked() {
    require!("container", "delegation");
    let mut b = limited(json!({ "pids": { "limit": 10 } }));
    assert_eq!(b.run_cmd(&[]).run().ok().json()["pid"], 1);
    b.args(&["spawn-children", "20"]);
    assert_eq!(b.run().exits(1).out(), "EAGAIN");
    let c = b.start_sleeper();
    c.cgroup().is(("pids.max", "10"), ("pids.max", "10"));
}

#[test]
fn one_process_is_enough_for_a_container() {
    require!("root");
    let mut b = limited(json!({ "pids": { "limit": 1 } }));
    b.args(&["echo", "alone"]);
    assert_eq!(b.run().ok().out(), "alone");
}

/// What helps it into its namespaces does not count.
#[test]
fn one_process_is_enough_for_a_container_in_a_user_namespace() {
    require!("container", "delegation", "userns");
    let mut b = limited(json!({ "pids": { "limit": 1 } }));
    if is_root() {
        let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
        b.namespace(json!({ "type": "user" })).set("/linux/uidMappings", map.clone());
        b.set("/linux/gidMappings", map);
    }
    b.args(&["echo", "alone"]);
    assert_eq!(b.run().ok().out(), "alone");
}

/// To look after one that has forked too much. Only forks are refused where no more are allowed
/// (Documentation/admin-guide/cgroup-v2.rst, "PID").
#[test]
fn a_further_process_gets_into_a_full_container() {
    require!("container", "delegation");
    known_difference!("exec-pids");
    if is_v2() {
        known_difference!("exec-full");
    }
    for limit in [2, 1] {
        let b = limited(json!({ "pids": { "limit": limit } }));
        let c = b.start_sleeper();
        assert_eq!(c.exec(&["echo", "second"]).ok().out(), "second", "limit {limit}");
        assert_eq!(c.exec(&["spawn-children", "1"]).out(), "EAGAIN");
        c.finish();
    }
}

#[test]
fn a_limit_of_no_processes_lets_none_be_forked() {
    require!("root");
    known_difference!("pids-zero");
    let mut b = limited(json!({ "pids": { "limit": 0 } }));
    b.set("/ociVersion", "1.3.0");
    b.args(&["spawn-children", "1"]);
    assert_eq!(b.run().exits(1).out(), "EAGAIN");
}

#[test]
fn before_1_3_a_limit_of_no_processes_was_no_limit() {
    // systemd has a limit of its own for every unit.
    require!("root", "cgroupfs");
    let mut b = limited(json!({ "pids": { "limit": 0 } }));
    b.set("/ociVersion", "1.1.0");
    let c = b.start_sleeper();
    let pids = c.cgroup().read("pids.max", "pids.max");
    assert_eq!(pids, "max");
}

#[test]
fn the_cpus_are_the_configured_ones() {
    require!("container", "delegation");
    let b = limited(json!({ "cpu": { "cpus": "0", "mems": "0" } }));
    assert_eq!(b.report()["cpus"], "0");
    let c = b.start_sleeper();
    c.cgroup().is(("cpuset.cpus", "0"), ("cpuset.cpus", "0"));
    c.cgroup().is(("cpuset.mems", "0"), ("cpuset.mems", "0"));
}

#[test]
fn a_quota_slows_a_busy_process_down() {
    require!("container", "delegation");
    let mut b = limited(json!({ "cpu": { "quota": 10_000, "period": 100_000 } }));
    b.args(&["spin", "500"]);
    let c = b.create();
    let cgroup = c.cgroup();
    c.start().ok();
    c.wait_status("stopped");
    let had: u64 = c.stdout().trim().parse().unwrap();
    assert!(had < 300, "{had} ms of CPU in 500 ms at a tenth of a CPU");
    let throttled = || cgroup.counter("cpu.stat", "cpu.stat", "nr_throttled");
    assert!(!outlives_its_processes() || throttled() > 0);
}

#[test]
fn limits_hold_for_later_processes_too() {
    require!("container", "delegation");
    let limit = 32 * MIB;
    let b =
        limited(json!({ "memory": { "limit": limit, "swap": limit }, "pids": { "limit": 20 } }));
    let c = b.start_sleeper();
    assert_eq!(c.exec(&["touch-memory", "128"]).stdout, "");
    assert!(c.cgroup().oom_kills() > 0);
    assert_eq!(c.exec(&["spawn-children", "40"]).out(), "EAGAIN");
}

// ---- what stands in the kernel's files -----------------------------------------------------------

#[test]
fn memory_values() {
    require!("container", "delegation");
    let b = limited(json!({
        "memory": { "limit": 64 * MIB, "swap": 96 * MIB, "reservation": 32 * MIB }
    }));
    let c = b.start_sleeper();
    let cgroup = c.cgroup();
    cgroup.is(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864"));
    cgroup.is(("memory.memsw.limit_in_bytes", "100663296"), ("memory.swap.max", "33554432"));
    cgroup.is(("memory.soft_limit_in_bytes", "33554432"), ("memory.low", "33554432"));
}

#[test]
fn memory_values_of_v1_alone() {
    require!("container", "delegation");
    let fields = json!({ "swappiness": 0, "disableOOMKiller": true, "limit": 64 * MIB });
    let b = limited(json!({ "memory": fields }));
    if is_v2() {
        known_difference!("v1-only");
        refused(&b, &["cgroup v1 only"]);
        return;
    }
    let c = b.start_sleeper();
    assert_eq!(c.cgroup().read("memory.swappiness", ""), "0");
    assert_eq!(c.cgroup().counter("memory.oom_control", "", "oom_kill_disable"), 1);
}

#[test]
fn kernel_memory_has_no_limit_of_its_own() {
    require!("container", "delegation");
    known_difference!("kernel-memory");
    let b = limited(json!({ "memory": { "kernel": 64 * MIB } }));
    refused(&b, &["linux.resources.memory.kernel"]);
}

#[test]
fn cpu_values() {
    require!("container", "delegation");
    let b = limited(json!({ "cpu": { "shares": 512, "quota": 50_000, "period": 200_000 } }));
    let c = b.start_sleeper();
    let cgroup = c.cgroup();
    cgroup.is(("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 200000"));
    cgroup.is(("cpu.cfs_period_us", "200000"), ("cpu.max", "50000 200000"));
    if is_v2() {
        known_difference!("cpu-weight");
    }
    cgroup.is(("cpu.shares", "512"), ("cpu.weight", "59"));
}

#[test]
fn cpu_idle() {
    require!("container", "delegation");
    known_difference!("cpu-idle");
    let b = limited(json!({ "cpu": { "idle": 1 } }));
    let c = b.start_sleeper();
    c.cgroup().is(("cpu.idle", "1"), ("cpu.idle", "1"));
    known_difference!("weight-of-idle");
    let b = limited(json!({ "cpu": { "idle": 1, "shares": 200 } }));
    let c = b.start_sleeper();
    c.cgroup().is(("cpu.idle", "1"), ("cpu.idle", "1"));
}

#[test]
fn cpu_burst() {
    require!("container", "delegation");
    known_difference!("cpu-burst");
    let b = limited(json!({ "cpu": { "quota": 50_000, "burst": 20_000 } }));
    let c = b.start_sleeper();
    c.cgroup().is(("cpu.cfs_burst_us", "20000"), ("cpu.max.burst", "20000"));
}

#[test]
fn realtime_values() {
    require!("container", "delegation", "realtime");
    let b = limited(json!({ "cpu": { "realtimeRuntime": 2000, "realtimePeriod": 500_000 } }));
    let c = b.start_sleeper();
    assert_eq!(c.cgroup().read("cpu.rt_runtime_us", ""), "2000");
    assert_eq!(c.cgroup().read("cpu.rt_period_us", ""), "500000");
}

#[test]
fn throttles_of_block_devices() {
    require!("container", "delegation", "disk");
    let (major, minor) = a_disk().unwrap();
    let rate = |rate: u64| json!([{ "major": major, "minor": minor, "rate": rate }]);
    let b = limited(json!({ "blockIO": {
        "throttleReadBpsDevice": rate(1_048_576),
        "throttleWriteBpsDevice": rate(2_097_152),
        "throttleReadIOPSDevice": rate(1000),
        "throttleWriteIOPSDevice": rate(2000),
    } }));
    let c = b.start_sleeper();
    let cgroup = c.cgroup();
    let all = format!("{major}:{minor} rbps=1048576 wbps=2097152 riops=1000 wiops=2000");
    for (file, rate) in [
        ("read_bps", 1_048_576),
        ("write_bps", 2_097_152),
        ("read_iops", 1000),
        ("write_iops", 2000),
    ] {
        let file = format!("blkio.throttle.{file}_device");
        cgroup.is((&file, &format!("{major}:{minor} {rate}")), ("io.max", &all));
    }
}

#[test]
fn block_weight() {
    require!("container", "delegation", "block-weight");
    known_difference!("block-weight");
    let b = limited(json!({ "blockIO": { "weight": 500 } }));
    let c = b.start_sleeper();
    let cgroup = c.cgroup();
    let bfq = cgroup.file("blkio.bfq.weight", "io.bfq.weight").exists();
    match (is_v2(), bfq) {
        (true, false) => assert_eq!(cgroup.read("blkio.weight", "io.weight"), "default 4950"),
        (true, true) => assert_eq!(cgroup.read("", "io.bfq.weight"), "default 500"),
        (false, _) => assert_eq!(cgroup.read("blkio.bfq.weight", ""), "500"),
    }
}

#[test]
fn huge_pages() {
    require!("root");
    let b = limited(json!({ "hugepageLimits": [{ "pageSize": "2MB", "limit": 4_194_304 }] }));
    if !cgroup::has("hugetlb") {
        known_difference!("missing-controller");
        refused(&b, &["cannot set hugetlb limit", "hugetlb"]);
        return;
    }
    let c = b.start_sleeper();
    let cgroup = c.cgroup();
    cgroup.is(("hugetlb.2MB.limit_in_bytes", "4194304"), ("hugetlb.2MB.max", "4194304"));
    known_difference!("hugetlb-rsvd");
    cgroup.is(("hugetlb.2MB.rsvd.limit_in_bytes", "4194304"), ("hugetlb.2MB.rsvd.max", "4194304"));
}

#[test]
fn files_of_v2_by_name() {
    require!("container", "delegation");
    let b = limited(json!({
        "unified": { "memory.high": "67108864", "pids.max": "20" }, "pids": { "limit": 10 }
    }));
    if !is_v2() {
        known_difference!("unified-v1");
        refused(&b, &["cannot use unified on cgroup v1"]);
        return;
    }
    let c = b.start_sleeper();
    assert_eq!(c.cgroup().read("", "memory.high"), "67108864");
    assert_eq!(c.cgroup().read("", "pids.max"), "20");
}

#[test]
fn files_of_v2_line_by_line() {
    require!("container", "delegation", "disk", "cgroup2");
    known_difference!("unified-lines");
    let (major, minor) = a_disk().unwrap();
    let lines = format!("{major}:{minor} rbps=1048576\n{major}:{minor} wiops=7");
    let b = limited(json!({ "unified": { "io.max": lines } }));
    let c = b.start_sleeper();
    let expected = format!("{major}:{minor} rbps=1048576 wbps=max riops=max wiops=7");
    assert_eq!(c.cgroup().read("", "io.max"), expected);
}

// ---- what cannot be had --------------------------------------------------------------------------

/// Resources, and words of which one has to be in the error.
fn refusals() -> Vec<(Value, &'static [&'static str])> {
    let mut cases: Vec<(Value, &[&str])> = vec![
        (json!({ "cpu": { "cpus": "99999" } }), &["cpuset.cpus", "cpu.cpus"]),
        (json!({ "memory": { "limit": 64 * MIB, "swap": 32 * MIB } }), &["memory"]),
        (
            json!({ "blockIO": { "throttleReadBpsDevice": [{ "major": 99, "minor": 99, "rate": 1 }] } }),
            &["read_bps_device", "io.max"],
        ),
    ];
    // systemd rounds up to a whole percent.
    if !Runtime::systemd() {
        cases.push((json!({ "cpu": { "quota": 5 } }), &["cpu.cfs_quota_us", "cpu.max"]));
    }
    if cgroup::has("hugetlb") || !listed("missing-controller") {
        let unknown = json!({ "hugepageLimits": [{ "pageSize": "3MB", "limit": 0 }] });
        cases.push((unknown, &["hugetlb"]));
    }
    if is_v2() {
        cases.push((json!({ "unified": { "nothing.max": "1" } }), &["nothing"]));
        cases.push((json!({ "unified": { "../cgroup.procs": "0" } }), &["no slashes", ".."]));
    }
    cases
}

#[test]
fn what_cannot_be_set_fails_by_name_and_leaves_nothing() {
    require!("container", "delegation");
    for (resources, words) in refusals() {
        let b = limited(resources);
        refused(&b, words);
    }
}

#[test]
fn errors_name_field_value_and_file() {
    require!("container", "delegation", "teu");
    let b = limited(json!({ "cpu": { "cpus": "99999" } }));
    let outcome = b.try_create().fails();
    // systemd would have to be given a bit for each.
    let file = if Runtime::systemd() { "invalid range" } else { "/cpuset.cpus: ERANGE" };
    for part in ["linux.resources.cpu.cpus", "\\\"99999\\\"", file] {
        assert!(outcome.stderr.contains(part), "{part}: {outcome:#?}");
    }
    let b = limited(json!({ "hugepageLimits": [{ "pageSize": "../2MB", "limit": 0 }] }));
    b.try_create().fails_with(&["linux.resources.hugepageLimits[0].pageSize"]);
}

#[test]
fn a_user_who_has_no_cgroups_is_told_so() {
    require!("root");
    known_difference!("rootless-limits");
    let mut b = Bundle::new();
    b.without_namespace("network").namespace(json!({ "type": "user" })).unmount("/sys");
    b.unmount("/dev/pts").unmount("/dev/mqueue");
    let map = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
    b.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    b.set("/linux/resources/pids/limit", 10).as_user(1000);
    let words = [
        "cannot set pids limit: container could not join or create cgroup",
        "rootless needs no limits + no cgrouppath when no permission is granted for cgroups",
    ];
    refused(&b, &words);
}

#[test]
fn networks_are_for_v1() {
    require!("container", "delegation");
    let b = limited(json!({ "network": { "classID": 1_048_577 } }));
    if is_v2() {
        known_difference!("v1-only");
        refused(&b, &["cgroup v1 only"]);
    } else if cgroup::has("net_cls") {
        let c = b.start_sleeper();
        assert_eq!(c.cgroup().read("net_cls.classid", ""), "1048577");
    } else {
        known_difference!("missing-controller");
        refused(&b, &["cannot set net_cls limit", "net_cls"]);
    }
}
