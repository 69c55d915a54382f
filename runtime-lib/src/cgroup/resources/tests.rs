use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::cgroup::paths::{Paths, Place};

const NEW_V1: Target = Target { mode: Mode::V1, fresh: true, document: "config.json" };
const NEW_V2: Target = Target { mode: Mode::V2, ..NEW_V1 };
const OLD_V1: Target = Target { fresh: false, ..NEW_V1 };
const OLD_V2: Target = Target { fresh: false, ..NEW_V2 };

fn resources(json: &str) -> LinuxResources {
    crate::spec::read_resources(json.as_bytes(), Path::new("r")).unwrap()
}

/// `file=value` of each setting.
fn lines(json: &str, target: Target) -> Vec<String> {
    let settings = compile(&resources(json), target).unwrap_or_else(|e| panic!("{json}: {e}"));
    settings.list.iter().map(|s| format!("{}={}", s.file, s.value)).collect()
}

#[track_caller]
fn both(json: &str, v1: &[&str], v2: &[&str]) {
    assert_eq!(lines(json, NEW_V1), v1, "{json}");
    assert_eq!(lines(json, NEW_V2), v2, "{json}");
}

#[track_caller]
fn refused(json: &str, target: Target, words: &str) {
    let text = compile(&resources(json), target).unwrap_err().to_string();
    assert!(text.contains(words), "{json}: {text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn what_is_unset_writes_nothing() {
    for json in [
        "{}",
        r#"{"devices": [{"allow": false}], "memory": {}, "cpu": {"shares": 0}, "pids": {},
            "blockIO": {"weight": 0}}"#,
        r#"{"memory": {"limit": 0, "reservation": 0, "swap": 0, "kernel": 0, "kernelTCP": 0,
            "swappiness": 18446744073709551615, "useHierarchy": true,
            "checkBeforeUpdate": false}}"#,
        r#"{"cpu": {"quota": 0, "period": 0, "cpus": "", "mems": "",
            "realtimeRuntime": 0, "realtimePeriod": 0}}"#,
        r#"{"blockIO": {"leafWeight": 0, "weightDevice": null, "throttleReadBpsDevice": []},
            "hugepageLimits": [], "rdma": {}, "unified": null, "network": {"classID": 0}}"#,
    ] {
        for target in [NEW_V1, NEW_V2, OLD_V1, OLD_V2] {
            assert!(lines(json, target).is_empty(), "{json}: {:?}", lines(json, target));
        }
    }
}

#[test]
fn an_idle_cgroup_has_no_weight() {
    for (json, idle, weight) in [
        (r#"{"cpu": {"idle": 1, "shares": 5}}"#, true, true),
        (r#"{"unified": {"cpu.idle": " 1", "cpu.weight": "8"}}"#, true, true),
        (r#"{"cpu": {"idle": 1}, "unified": {"cpu.weight.nice": "1"}}"#, true, true),
        (r#"{"cpu": {"shares": 5}, "unified": {"cpu.idle": "1"}}"#, true, true),
        (r#"{"cpu": {"idle": 1, "shares": 0}}"#, true, false),
        (r#"{"cpu": {"idle": 1, "shares": 5}, "unified": {"cpu.idle": "0"}}"#, false, false),
        (r#"{"cpu": {"idle": 0, "shares": 5}}"#, false, false),
        (r#"{"unified": {"cpu.weight": "8"}}"#, false, false),
    ] {
        let asked = resources(json);
        assert_eq!((is_idle(&asked), weight_of_idle(&asked).is_some()), (idle, weight), "{json}");
        let lines = lines(json, OLD_V2);
        assert_eq!(!idle, lines.iter().any(|line| line.starts_with("cpu.weight")), "{json}");
        assert!(!idle || lines.iter().any(|line| line.trim_end().ends_with("1")), "{json}");
    }
}

/// They are what it begins with; an existing one has to be told.
#[test]
fn a_new_cgroup_needs_no_absence_of_limits() {
    let json = r#"{"memory": {"limit": -1, "swap": -1, "kernel": -1, "disableOOMKiller": false},
        "cpu": {"quota": -1, "burst": 0, "idle": 0}, "pids": {"limit": -1}}"#;
    assert!(lines(json, NEW_V1).is_empty() && lines(json, NEW_V2).is_empty());
    let v1 = [
        "pids.max=max",
        "memory.limit_in_bytes=-1",
        "memory.memsw.limit_in_bytes=-1",
        "memory.oom_control=0",
        "cpu.cfs_burst_us=0",
        "cpu.cfs_quota_us=-1",
        "cpu.idle=0",
    ];
    assert_eq!(lines(json, OLD_V1), v1);
    let v2 = [
        "pids.max=max",
        "memory.swap.max=max",
        "memory.max=max",
        "cpu.idle=0",
        "cpu.max.burst=0",
        "cpu.max=max 100000",
    ];
    assert_eq!(lines(json, OLD_V2), v2);
}

#[test]
fn memory() {
    both(
        r#"{"memory": {"limit": 1000, "swap": 3000, "reservation": 500}}"#,
        &[
            "memory.limit_in_bytes=1000",
            "memory.memsw.limit_in_bytes=3000",
            "memory.soft_limit_in_bytes=500",
        ],
        &["memory.swap.max=2000", "memory.max=1000", "memory.low=500"],
    );
    let no_swap = r#"{"memory": {"limit": 1000, "swap": 1000}}"#;
    assert_eq!(lines(no_swap, NEW_V2), ["memory.swap.max=0", "memory.max=1000"]);
    let only = r#"{"memory": {"swappiness": 0, "disableOOMKiller": true, "kernelTCP": 7}}"#;
    assert_eq!(
        lines(only, NEW_V1),
        ["memory.kmem.tcp.limit_in_bytes=7", "memory.oom_control=1", "memory.swappiness=0"]
    );
    // Without a limit of memory there is none of memory+swap either.
    let unlimited = r#"{"memory": {"limit": -1}}"#;
    assert_eq!(
        lines(unlimited, OLD_V1),
        ["memory.limit_in_bytes=-1", "memory.memsw.limit_in_bytes=-1"]
    );
    assert_eq!(lines(unlimited, OLD_V2), ["memory.swap.max=max", "memory.max=max"]);
}

#[test]
fn memory_that_makes_no_sense() {
    for (fields, target, words) in [
        (r#""limit": -2"#, NEW_V1, "config.json: linux.resources.memory.limit: must be bytes"),
        (r#""swap": -2"#, NEW_V2, "linux.resources.memory.swap: must be bytes"),
        (r#""swap": 5"#, NEW_V2, "unable to set swap limit without memory limit"),
        (r#""limit": 5, "swap": 4"#, NEW_V2, "memory+swap limit should be >= memory limit"),
        (r#""swappiness": 101"#, NEW_V1, "invalid memory swappiness value: 101 (valid range"),
        (r#""swappiness": 60"#, NEW_V2, "memory.swappiness: cgroup v1 only"),
        (r#""disableOOMKiller": true"#, NEW_V2, "memory.disableOOMKiller: cgroup v1 only"),
        (r#""kernel": 5"#, NEW_V1, "memory.kernel: kernel memory has no limit of its own"),
        (r#""kernelTCP": 5"#, NEW_V2, "memory.kernelTCP: cgroup v1 only"),
        (r#""useHierarchy": false"#, NEW_V1, "hierarchically since Linux 5.11"),
    ] {
        refused(&format!(r#"{{"memory": {{{fields}}}}}"#), target, words);
    }
}

#[test]
fn cpu() {
    both(
        r#"{"cpu": {"shares": 512, "quota": 50000, "period": 200000, "burst": 100}}"#,
        &[
            "cpu.shares=512",
            "cpu.cfs_period_us=200000",
            "cpu.cfs_burst_us=100",
            "cpu.cfs_quota_us=50000",
        ],
        &["cpu.weight=59", "cpu.max.burst=100", "cpu.max=50000 200000"],
    );
    both(r#"{"cpu": {"quota": 5000}}"#, &["cpu.cfs_quota_us=5000"], &["cpu.max=5000 100000"]);
    both(r#"{"cpu": {"period": 5000}}"#, &["cpu.cfs_period_us=5000"], &["cpu.max=max 5000"]);
    both(
        r#"{"cpu": {"quota": -1, "period": 5000}}"#,
        &["cpu.cfs_period_us=5000"],
        &["cpu.max=max 5000"],
    );
    both(r#"{"cpu": {"idle": 1}}"#, &["cpu.idle=1"], &["cpu.idle=1"]);
    both(r#"{"cpu": {"idle": 1, "shares": 5}}"#, &["cpu.idle=1"], &["cpu.idle=1"]);
    both(
        r#"{"cpu": {"cpus": "0-1", "mems": "0"}}"#,
        &["cpuset.cpus=0-1", "cpuset.mems=0"],
        &["cpuset.cpus=0-1", "cpuset.mems=0"],
    );
    let realtime = r#"{"cpu": {"realtimeRuntime": 950, "realtimePeriod": 1000}}"#;
    assert_eq!(lines(realtime, NEW_V1), ["cpu.rt_period_us=1000", "cpu.rt_runtime_us=950"]);
    refused(realtime, NEW_V2, "linux.resources.cpu.realtimePeriod: cgroup v1 only");
    refused(r#"{"cpu": {"shares": 1}}"#, NEW_V1, "the minimum allowed cpu-shares is 2");
    refused(r#"{"cpu": {"shares": 262145}}"#, NEW_V1, "the maximum allowed cpu-shares is 262144");
    refused(r#"{"cpu": {"idle": 2}}"#, NEW_V1, "must be 0 or 1, is 2");
    refused(r#"{"cpu": {"cpus": "0\u0000"}}"#, NEW_V1, "cpu.cpus: contains a NUL byte");
}

#[test]
fn pids() {
    both(r#"{"pids": {"limit": 20}}"#, &["pids.max=20"], &["pids.max=20"]);
    both(r#"{"pids": {"limit": 0}}"#, &["pids.max=1"], &["pids.max=1"]);
}

#[test]
fn block_io() {
    both(
        r#"{"blockIO": {"weight": 500, "weightDevice": [{"major": 8, "minor": 1, "weight": 10}],
            "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}],
            "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 700}],
            "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 800}],
            "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 4294967296}]}}"#,
        &[
            "blkio.bfq.weight=500",
            "blkio.bfq.weight_device=8:1 10",
            "blkio.throttle.read_bps_device=8:0 600",
            "blkio.throttle.write_bps_device=8:0 700",
            "blkio.throttle.read_iops_device=8:0 800",
            "blkio.throttle.write_iops_device=8:0 4294967295",
        ],
        &[
            "io.bfq.weight=500",
            "io.bfq.weight=8:1 10",
            "io.max=8:0 rbps=600",
            "io.max=8:0 wbps=700",
            "io.max=8:0 riops=800",
            "io.max=8:0 wiops=4294967295",
        ],
    );
    let settings = compile(&resources(r#"{"blockIO": {"weight": 500}}"#), NEW_V2).unwrap();
    let io_weight = Missing::Instead("io.weight".into(), "4950".into());
    assert_eq!(settings.list[0].missing, io_weight);
    let leaves = r#"{"blockIO": {"leafWeight": 10, "weightDevice": [{"leafWeight": 11}]}}"#;
    assert_eq!(lines(leaves, NEW_V1), ["blkio.leaf_weight=10", "blkio.leaf_weight_device=0:0 11"]);
    refused(leaves, NEW_V2, "blockIO.leafWeight: cgroup v1 only");
    refused(r#"{"blockIO": {"weight": 9}}"#, NEW_V1, "must be from 10 to 1000, is 9");
    let none = r#"{"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 0}]}}"#;
    assert_eq!(lines(none, OLD_V1), ["blkio.throttle.read_bps_device=8:0 0"]);
    assert_eq!(lines(none, OLD_V2), ["io.max=8:0 rbps=max"]);
}

#[test]
fn huge_pages() {
    both(
        r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}"#,
        &["hugetlb.2MB.limit_in_bytes=4194304", "hugetlb.2MB.rsvd.limit_in_bytes=4194304"],
        &["hugetlb.2MB.max=4194304", "hugetlb.2MB.rsvd.max=4194304"],
    );
    for size in ["", "MB", "2", "2mb", "2MiB", "-2MB", "2MB/../x", "../2MB"] {
        let json = format!(r#"{{"hugepageLimits": [{{"pageSize": "{size}", "limit": 1}}]}}"#);
        refused(&json, NEW_V1, "linux.resources.hugepageLimits[0].pageSize: ");
    }
    let negative = r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": -1}]}"#;
    refused(negative, NEW_V2, "hugepageLimits[0].limit: must not be negative");
}

#[test]
fn rdma() {
    let lines = ["rdma.max=a hca_object=0", "rdma.max=b hca_handle=3 hca_object=10"];
    both(
        r#"{"rdma": {"b": {"hcaHandles": 3, "hcaObjects": 10}, "a": {"hcaObjects": 0}}}"#,
        &lines,
        &lines,
    );
    refused(r#"{"rdma": {"a": {}}}"#, NEW_V1, "rdma.a: must have hcaHandles, hcaObjects or both");
    refused(r#"{"rdma": {"a b": {"hcaHandles": 1}}}"#, NEW_V2, "must be the name of a device");
}

#[test]
fn network() {
    let json =
        r#"{"network": {"classID": 1048577, "priorities": [{"name": "lo", "priority": 5}]}}"#;
    assert_eq!(lines(json, NEW_V1), ["net_cls.classid=1048577", "net_prio.ifpriomap=lo 5"]);
    refused(json, NEW_V2, "linux.resources.network.classID: cgroup v1 only");
    let priorities = r#"{"network": {"priorities": [{"name": "lo", "priority": 5}]}}"#;
    refused(priorities, NEW_V2, "linux.resources.network.priorities: cgroup v1 only");
    let nameless = r#"{"network": {"priorities": [{"name": "", "priority": 5}]}}"#;
    refused(nameless, NEW_V1, "must have the name of an interface");
}

#[test]
fn unified() {
    let json = r#"{"unified": {"memory.high": "1", "io.max": "8:0 rbps=1\n8:1 rbps=2"},
        "memory": {"limit": 5}}"#;
    let expected = ["memory.max=5", "io.max=8:0 rbps=1\n8:1 rbps=2", "memory.high=1"];
    assert_eq!(lines(json, NEW_V2), expected);
    refused(json, NEW_V1, "cannot use unified on cgroup v1");
    for (name, words) in [
        ("../cgroup.procs", "must be a file name (no slashes)"),
        ("a/b.c", "must be a file name (no slashes)"),
        ("..", "must be in the form CONTROLLER.PARAMETER"),
        (".", "must be in the form CONTROLLER.PARAMETER"),
        ("", "must be in the form CONTROLLER.PARAMETER"),
        ("memory", "must be in the form CONTROLLER.PARAMETER"),
        (".max", "must be in the form CONTROLLER.PARAMETER"),
        ("memory.", "must be in the form CONTROLLER.PARAMETER"),
        ("a.b\\u0000", "contains a NUL byte"),
    ] {
        refused(&format!(r#"{{"unified": {{"{name}": "1"}}}}"#), NEW_V2, words);
    }
    refused(r#"{"unified": {"a.b": "\n"}}"#, NEW_V2, "unified.a.b: must have a value");
}

fn fake(controllers: &[(&str, &[(&str, &str)])], mode: Mode) -> (tempfile::TempDir, Paths) {
    let root = tempfile::tempdir().unwrap();
    let mut paths = Paths { mode, ..Paths::default() };
    for (controller, files) in controllers {
        let mount = root.path().join(controller);
        let dir = mount.join("pod/box");
        fs::create_dir_all(&dir).unwrap();
        files.iter().for_each(|(name, text)| fs::write(dir.join(name), text).unwrap());
        let place = |controllers| Place { controllers, mount: mount.clone(), dir: dir.clone() };
        match mode {
            Mode::V1 => paths.v1.push(place(vec![(*controller).to_owned()])),
            Mode::V2 => paths.unified = Some(place(vec![])),
        }
    }
    (root, paths)
}

fn put(json: &str, target: Target, paths: &Paths) -> Result<()> {
    apply(paths, &compile(&resources(json), target).unwrap())
}

fn dir(paths: &Paths) -> PathBuf {
    paths.places().next().unwrap().dir.clone()
}

#[test]
fn values_go_to_the_directory_of_their_controller() {
    let (root, paths) =
        fake(&[("pids", &[("pids.max", "")]), ("cpu", &[("cpu.shares", "")])], Mode::V1);
    put(r#"{"pids": {"limit": 7}, "cpu": {"shares": 99}}"#, NEW_V1, &paths).unwrap();
    let read = |file: &str| fs::read_to_string(root.path().join(file)).unwrap();
    assert_eq!(read("pids/pod/box/pids.max"), "7");
    assert_eq!(read("cpu/pod/box/cpu.shares"), "99");
}

#[test]
fn a_controller_that_is_not_there_is_told_in_runcs_words() {
    let (_root, mut paths) = fake(&[("pids", &[])], Mode::V1);
    let memory = r#"{"memory": {"limit": 7}}"#;
    let words = "linux.resources.memory.limit: cannot set memory limit: container could not join \
                 or create cgroup (controller memory is not mounted)";
    assert_eq!(put(memory, NEW_V1, &paths).unwrap_err().to_string(), words);
    paths.best_effort = true;
    let e = put(memory, NEW_V1, &paths).unwrap_err().to_string();
    assert!(e.ends_with("container could not join or create cgroup"), "{e}");
    let none = Paths { mode: Mode::V2, best_effort: true, ..Paths::default() };
    let e = put(memory, NEW_V2, &none).unwrap_err().to_string();
    assert!(e.contains("rootless needs no limits + no cgrouppath"), "{e}");
    // Nothing limits where there is no controller.
    put(r#"{"memory": {"limit": -1}}"#, OLD_V1, &paths).unwrap();
    put(r#"{"memory": {"limit": -1}}"#, OLD_V2, &none).unwrap();
}

#[test]
fn a_missing_file_on_v2_names_the_cgroup_that_keeps_the_controller() {
    let (_root, paths) = fake(&[("u", &[("cgroup.controllers", "pids\n")])], Mode::V2);
    let place = paths.unified.clone().unwrap();
    for (at, controllers, children) in
        [("", "memory pids\n", "memory pids\n"), ("pod", "memory pids\n", "pids\n")]
    {
        fs::write(place.mount.join(at).join("cgroup.controllers"), controllers).unwrap();
        fs::write(place.mount.join(at).join("cgroup.subtree_control"), children).unwrap();
    }
    let text = put(r#"{"memory": {"limit": 7}}"#, NEW_V2, &paths).unwrap_err().to_string();
    let file = place.dir.join("memory.max");
    let kept = place.mount.join("pod/cgroup.subtree_control");
    let expected = format!(
        "open linux.resources.memory.limit: \"7\" to {}: ENOENT: no such file or directory \
         (controller \"memory\" not available: it is not enabled in {})",
        file.display(),
        kept.display()
    );
    assert_eq!(text, expected);
    let text = put(r#"{"unified": {"misc.max": "a 1"}}"#, NEW_V2, &paths).unwrap_err().to_string();
    let end = format!("it is not in {})", place.mount.join("cgroup.controllers").display());
    assert!(text.contains(r#"controller "misc" not available"#) && text.ends_with(&end), "{text}");
    let text = put(r#"{"pids": {"limit": 7}}"#, NEW_V2, &paths).unwrap_err().to_string();
    assert!(text.ends_with("(this kernel has no such file)"), "{text}");
}

#[test]
fn files_may_stand_in_for_each_other_or_be_dispensable() {
    let (_root, paths) = fake(&[("u", &[("io.weight", ""), ("memory.max", "")])], Mode::V2);
    put(r#"{"blockIO": {"weight": 10}}"#, NEW_V2, &paths).unwrap();
    assert_eq!(fs::read_to_string(dir(&paths).join("io.weight")).unwrap(), "1");
    // No swap accounting: swap that is forbidden needs none.
    put(r#"{"memory": {"limit": 10, "swap": 10}}"#, NEW_V2, &paths).unwrap();
    let text = put(r#"{"memory": {"limit": 10, "swap": 20}}"#, NEW_V2, &paths).unwrap_err();
    assert!(text.to_string().contains("memory.swap.max: ENOENT"), "{text}");
}

#[test]
fn usage_is_looked_at_only_where_it_is_asked_for() {
    let files = [("memory.max", ""), ("memory.current", "500\n"), ("memory.swap.max", "")];
    let (_root, paths) = fake(&[("u", &files)], Mode::V2);
    put(r#"{"memory": {"limit": 400}}"#, OLD_V2, &paths).unwrap();
    let check = r#"{"memory": {"limit": 400, "checkBeforeUpdate": true}}"#;
    let text = put(check, OLD_V2, &paths).unwrap_err().to_string();
    assert!(text.ends_with("rejecting memory limit 400 <= usage 500"), "{text}");
    let check = r#"{"memory": {"limit": 501, "swap": 600, "checkBeforeUpdate": true}}"#;
    put(check, OLD_V2, &paths).unwrap();
}

#[test]
fn errors_name_field_value_and_file() {
    let (_root, paths) = fake(&[("pids", &[])], Mode::V1);
    fs::create_dir(dir(&paths).join("pids.max")).unwrap();
    let text = put(r#"{"pids": {"limit": 7}}"#, NEW_V1, &paths).unwrap_err().to_string();
    let start = "open linux.resources.pids.limit: \"7\" to /";
    assert!(text.starts_with(start) && text.contains("pids.max: EISDIR: "), "{text}");
}

/// Any resources, in the ranges of their types.
fn any_resources() -> impl Strategy<Value = LinuxResources> {
    let memory = proptest::option::of((any::<Option<i64>>(), any::<Option<i64>>()));
    let cpu = proptest::option::of((
        any::<Option<u64>>(),
        any::<Option<i64>>(),
        any::<Option<u64>>(),
        any::<Option<i64>>(),
        proptest::option::of(".{0,8}"),
    ));
    let io = proptest::option::of((any::<u16>(), any::<i64>(), any::<u64>()));
    let strings = proptest::collection::hash_map(".{0,12}", ".{0,12}", 0..3);
    let size = ("[0-9A-Z/.]{0,6}", any::<i64>());
    (memory, cpu, proptest::option::of(any::<i64>()), io, strings, size).prop_map(
        |(memory, cpu, pids, io, strings, (size, bytes))| {
            let document = serde_json::json!({
                "memory": memory.map(|(limit, swap)| serde_json::json!({
                    "limit": limit, "swap": swap, "reservation": swap})),
                "cpu": cpu.map(|(shares, quota, period, idle, cpus)| serde_json::json!({
                    "shares": shares, "quota": quota, "period": period, "idle": idle,
                    "cpus": cpus, "burst": shares})),
                "pids": {"limit": pids},
                "blockIO": io.map(|(weight, major, rate)| serde_json::json!({
                    "weight": weight,
                    "weightDevice": [{"major": major, "minor": 0, "leafWeight": weight}],
                    "throttleReadIOPSDevice": [{"major": major, "minor": 1, "rate": rate}]})),
                "hugepageLimits": [{"pageSize": size, "limit": bytes}],
                "unified": strings,
            });
            resources(&document.to_string())
        },
    )
}

proptest! {
    #[test]
    fn whatever_is_asked_stays_in_the_cgroup(wanted in any_resources(), v2 in any::<bool>()) {
        match compile(&wanted, if v2 { OLD_V2 } else { OLD_V1 }) {
            Ok(settings) => for setting in settings.list {
                prop_assert!(!setting.file.contains('/') && setting.file.contains('.'));
                prop_assert!(!setting.file.starts_with('.'), "{}", setting.file);
                prop_assert!(!setting.value.contains('\0') && !setting.value.is_empty());
            },
            Err(e) => prop_assert_eq!(e.to_string().lines().count(), 1),
        }
    }

    #[test]
    fn more_is_never_written_as_less(a in 1i64..1 << 50, b in 1i64..1 << 50) {
        let (a, b) = (a.min(b), a.max(b));
        let numbers = |limit: i64, target| {
            let json = format!(
                r#"{{"memory": {{"limit": {limit}}}, "pids": {{"limit": {limit}}},
                    "cpu": {{"quota": {limit}, "shares": {}}}, "blockIO": {{"weight": {}}}}}"#,
                2 + limit % 262_143, 10 + limit % 991
            );
            let list = lines(&json, target);
            list.iter()
                .filter(|line| !line.contains("weight") && !line.contains("shares"))
                .map(|line| {
                    let value = line.split('=').nth(1).unwrap();
                    value.split(' ').next().unwrap().parse().unwrap()
                })
                .collect::<Vec<u64>>()
        };
        for target in [OLD_V1, OLD_V2] {
            let pairs = numbers(a, target).into_iter().zip(numbers(b, target));
            prop_assert!(pairs.into_iter().all(|(less, more)| less <= more));
        }
    }

    #[test]
    fn an_update_of_nothing_changes_nothing_and_one_twice_no_more_than_once(
        old in any_resources(), update in any_resources()
    ) {
        let nothing = LinuxResources::default();
        prop_assert_eq!(&merged(&old, &nothing), &old);
        let once = merged(&old, &update);
        prop_assert_eq!(&merged(&once, &update), &once);
    }
}

#[test]
fn an_update_changes_what_it_names() {
    let old = resources(
        r#"{"memory": {"limit": 100, "swap": 300}, "cpu": {"shares": 5, "quota": 6, "period": 7},
            "pids": {"limit": 9}, "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
            "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}]},
            "unified": {"a.b": "1"}}"#,
    );
    let check = |update: &str, expected: &str, written: &[&str]| {
        let update = resources(update);
        let new = merged(&old, &update);
        let (new_json, expected) = (serde_json::to_value(&new).unwrap(), resources(expected));
        assert_eq!(new_json, serde_json::to_value(merged(&old, &expected)).unwrap());
        let settings = compile(&widened(&update, &new), OLD_V2).unwrap();
        let list: Vec<_> =
            settings.list.iter().map(|s| format!("{}={}", s.file, s.value)).collect();
        assert_eq!(list, written);
        new
    };
    let new = check(
        r#"{"memory": {"limit": 200}}"#,
        r#"{"memory": {"limit": 200, "swap": 300}}"#,
        &["memory.swap.max=100", "memory.max=200"],
    );
    assert_eq!(new.memory().unwrap().swap(), Some(300));
    let new = check(
        r#"{"cpu": {"period": 70}}"#,
        r#"{"cpu": {"quota": 6, "period": 70}}"#,
        &["cpu.max=6 70"],
    );
    assert_eq!(new.cpu().clone().unwrap().shares(), Some(5));
    let new = check(
        r#"{"memory": {"limit": -1}}"#,
        r#"{"memory": {"limit": -1}}"#,
        &["memory.swap.max=max", "memory.max=max"],
    );
    assert_eq!(new.memory().unwrap().swap(), None);
    let new = check(r#"{"cpu": {"idle": 1}}"#, r#"{"cpu": {"idle": 1}}"#, &["cpu.idle=1"]);
    assert_eq!(new.cpu().clone().unwrap().shares(), None);
    let weighed = merged(&new, &resources(r#"{"cpu": {"shares": 7}}"#)).cpu().clone().unwrap();
    assert_eq!((weighed.shares(), weighed.idle()), (Some(7), Some(0)));
    let new = check(
        r#"{"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 2},
            {"major": 8, "minor": 1, "rate": 3}]}, "pids": {}, "unified": {"a.c": "2"}}"#,
        r#"{"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 2},
            {"major": 8, "minor": 1, "rate": 3}]}, "unified": {"a.c": "2"}}"#,
        &["io.max=8:0 rbps=2", "io.max=8:1 rbps=3", "a.c=2"],
    );
    assert_eq!(
        new.block_io().clone().unwrap().throttle_read_bps_device().clone().unwrap().len(),
        2
    );
    assert_eq!(new.pids().unwrap().limit(), 9);
    assert_eq!(new.unified().clone().unwrap().len(), 2);
}
