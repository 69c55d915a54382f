//! Whole cgroups made of plain files, and the JSON that comes of them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::cgroup::paths::Place;

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
}

fn place(dir: &Path, controllers: &[&str]) -> Place {
    let controllers = controllers.iter().map(|&s| s.to_owned()).collect();
    Place { controllers, mount: "/".into(), dir: dir.to_owned() }
}

fn v2(files: &[(&str, &str)]) -> Stats {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    let unified = Some(place(dir.path(), &[]));
    Stats::read(&Paths { mode: Mode::V2, unified, ..Paths::default() }).unwrap()
}

fn v1(controllers: &[&str], files: &[(&str, &str)]) -> Stats {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), files);
    Stats::read(&Paths { v1: vec![place(dir.path(), controllers)], ..Paths::default() }).unwrap()
}

fn json_of(stats: &Stats) -> Value {
    serde_json::to_value(stats).unwrap()
}

/// What runc prints of a container in which nothing was counted, but for what the binary adds.
#[test]
fn zeros_are_left_out_where_runc_leaves_them_out() {
    let text = serde_json::to_string(&Stats::default()).unwrap();
    let cpuset = "\"cpuset\":{\"cpu_exclusive\":0,\"mem_hardwall\":0,\"mem_exclusive\":0,\
         \"memory_migrate\":0,\"memory_spread_page\":0,\"memory_spread_slab\":0,\"memory_pressure\":0,\
         \"sched_load_balance\":0,\"sched_relax_domain_level\":0}";
    let expected = format!(
        "{{\"cpu\":{{}},{cpuset},\"memory\":{{}},\"pids\":{{}},\"blkio\":{{}},\"hugetlb\":{{}},\"intel_rdt\":{{}}}}"
    );
    assert_eq!(text, expected);
}

#[test]
fn the_unified_hierarchy_is_told_in_terms_of_v1() {
    let pressure = "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n";
    let stats = v2(&[
        (
            "cpu.stat",
            "usage_usec 7\nuser_usec 4\nsystem_usec 3\nnr_periods 2\nnr_throttled 1\nthrottled_usec 9\n",
        ),
        ("cpu.pressure", pressure),
        ("memory.stat", "anon 1\nfile 2\n"),
        ("memory.current", "100\n"),
        ("memory.max", "4096\n"),
        ("memory.peak", "200\n"),
        ("memory.swap.current", "10\n"),
        ("memory.swap.max", "max\n"),
        ("pids.current", "3\n"),
        ("pids.max", "max\n"),
        ("io.stat", "8:0 rbytes=1 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"),
    ]);
    let json = json_of(&stats);
    assert_eq!(
        json["cpu"],
        json!({
            "usage": { "total": 7000, "kernel": 3000, "user": 4000 },
            "throttling": { "periods": 2, "throttledPeriods": 1, "throttledTime": 9000 },
            "psi": { "some": { "avg10": 0, "avg60": 0, "avg300": 0, "total": 5 } },
        })
    );
    assert_eq!(
        json["memory"],
        json!({
            "cache": 2,
            "usage": { "limit": 4096, "usage": 100, "max": 200, "failcnt": 0 },
            "swap": { "limit": u64::MAX, "usage": 110, "failcnt": 0 },
            "raw": { "anon": 1, "file": 2 },
        })
    );
    assert_eq!(json["pids"], json!({ "current": 3 }));
    assert_eq!(
        json["blkio"]["ioServiceBytesRecursive"],
        json!([{ "major": 8, "op": "Read", "value": 1 }, { "major": 8, "op": "Write" }])
    );
    assert_eq!((stats.memory.swap_only.usage, stats.memory.swap_only.limit), (10, u64::MAX));
}

#[test]
fn v1_controllers_fill_their_part_alone() {
    let stats = v1(
        &["cpu", "cpuacct", "memory", "pids"],
        &[
            ("cpuacct.stat", "user 2\nsystem 1\n"),
            ("cpuacct.usage", "31\n"),
            ("cpuacct.usage_percpu", "30 1 \n"),
            ("cpuacct.usage_all", "cpu user system\n0 20 10\n1 1 0\n"),
            ("cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"),
            ("memory.stat", "cache 4\n"),
            ("memory.usage_in_bytes", "8\n"),
            ("memory.limit_in_bytes", "16\n"),
            ("memory.max_usage_in_bytes", "12\n"),
            ("memory.failcnt", "1\n"),
            ("memory.kmem.usage_in_bytes", "5\n"),
            ("pids.current", "1\n"),
            ("pids.max", "7\n"),
            ("cpuset.cpus", "not asked for\n"),
        ],
    );
    let json = json_of(&stats);
    assert_eq!(
        json["cpu"],
        json!({ "usage": {
            "total": 31, "percpu": [30, 1], "percpu_kernel": [10, 0], "percpu_user": [20, 1],
            "kernel": 10_000_000, "user": 20_000_000,
        }})
    );
    assert_eq!(
        json["memory"],
        json!({
            "cache": 4,
            "usage": { "limit": 16, "usage": 8, "max": 12, "failcnt": 1 },
            "kernel": { "limit": 0, "usage": 5, "failcnt": 0 },
            "raw": { "cache": 4 },
        })
    );
    assert_eq!(json["pids"], json!({ "current": 1, "limit": 7 }));
}

#[test]
fn without_the_pids_controller_of_v2_processes_are_counted() {
    assert_eq!(v2(&[("cgroup.procs", "4\n5\n")]).pids.current, 2);
}

#[test]
fn no_cgroup_is_no_error_but_one_that_is_gone_is() {
    assert_eq!(Stats::read(&Paths::default()).unwrap(), Stats::default());
    let gone = Paths { v1: vec![place(Path::new("/nonexistent"), &["cpu"])], ..Paths::default() };
    let e = Stats::read(&gone).unwrap_err().to_string();
    assert_eq!(e, "open /nonexistent: ENOENT: no such file or directory");
}
