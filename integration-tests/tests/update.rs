//! `update`: other limits for a container that is there.

use std::fs;

use integration_tests::cgroup::{freeze, is_v2};
use integration_tests::differences::listed;
use integration_tests::{Bundle, Container, Runtime, Value, json, known_difference, require};

const MIB: u64 = 1 << 20;

fn limited() -> Bundle {
    let mut b = Bundle::new();
    b.set(
        "/linux/resources",
        json!({
            "devices": [{ "allow": true, "access": "rwm" }],
            "memory": { "limit": 64 * MIB, "swap": 96 * MIB },
            "cpu": { "shares": 100, "quota": 50_000, "period": 100_000 },
            "pids": { "limit": 20 },
        }),
    );
    b
}

#[track_caller]
fn update(c: &Container<'_>, flags: &[&str]) {
    c.verb("update", flags).ok();
}

/// `update -r -` with this.
#[track_caller]
fn update_json(b: &Bundle, resources: &Value) {
    b.verb("update").args(["-r", "-", b.id()]).stdin(resources.to_string()).run().ok();
}

fn bytes(mib: u64) -> String {
    (mib * MIB).to_string()
}

/// Memory, and swap besides it.
#[track_caller]
fn assert_memory(c: &Container<'_>, memory: u64, swap: u64) {
    let all = (memory + swap) * MIB;
    let (memory, swap) = (bytes(memory), bytes(swap));
    c.cgroup().is(("memory.limit_in_bytes", &memory), ("memory.max", &memory));
    c.cgroup().is(("memory.memsw.limit_in_bytes", &all.to_string()), ("memory.swap.max", &swap));
}

#[track_caller]
fn assert_quota(c: &Container<'_>, quota: &str, period: &str) {
    let v2 = format!("{} {period}", if quota == "-1" { "max" } else { quota });
    c.cgroup().is(("cpu.cfs_quota_us", quota), ("cpu.max", &v2));
    c.cgroup().is(("cpu.cfs_period_us", period), ("cpu.max", &v2));
}

#[test]
fn memory_and_swap_go_up_and_down_together() {
    require!("container", "delegation");
    let b = limited();
    let c = b.start_sleeper();
    assert_memory(&c, 64, 32);
    for (memory, swap) in [(200, 100), (30, 20), (60, 20), (60, 0), (300, 0), (40, 260)] {
        let (limit, all) = (bytes(memory), bytes(memory + swap));
        update(&c, &["--memory", &limit, "--memory-swap", &all]);
        assert_memory(&c, memory, swap);
    }
    update(&c, &["--memory-reservation", "20971520"]);
    c.cgroup().is(("memory.soft_limit_in_bytes", "20971520"), ("memory.low", "20971520"));
    assert_memory(&c, 40, 260);
}

#[test]
fn amounts_of_memory_may_have_units() {
    require!("container", "delegation");
    known_difference!("update-units");
    let b = limited();
    let c = b.start_sleeper();
    update(&c, &["--memory", "40M", "--memory-swap", "0.25g"]);
    assert_memory(&c, 40, 216);
}

#[test]
fn no_limit_of_memory_is_none_of_swap_either() {
    require!("container", "delegation");
    known_difference!("update-unlimited");
    let b = limited();
    let c = b.start_sleeper();
    update(&c, &["--memory", "-1"]);
    let unlimited = "9223372036854771712";
    c.cgroup().is(("memory.limit_in_bytes", unlimited), ("memory.max", "max"));
    c.cgroup().is(("memory.memsw.limit_in_bytes", unlimited), ("memory.swap.max", "max"));
}

#[test]
fn what_the_update_does_not_name_stays() {
    require!("container", "delegation");
    let b = limited();
    let c = b.start_sleeper();
    update(&c, &["--pids-limit", "30"]);
    c.cgroup().is(("pids.max", "30"), ("pids.max", "30"));
    assert_quota(&c, "50000", "100000");
    assert_memory(&c, 64, 32);
    update(&c, &["--cpu-share", "200"]);
    assert_quota(&c, "50000", "100000");
    c.cgroup().is(("pids.max", "30"), ("pids.max", "30"));
    known_difference!("update-unlimited");
    update(&c, &["--pids-limit", "-1"]);
    c.cgroup().is(("pids.max", "max"), ("pids.max", "max"));
}

/// 50 of 90 ms; systemd has whole percents only, so that 55.6 becomes 56.
fn fifty_of_ninety() -> &'static str {
    let rounded = Runtime::systemd() && !listed("rounded-quota");
    if rounded { "50400" } else { "50000" }
}

#[test]
fn quota_and_period_are_remembered_from_update_to_update() {
    require!("container", "delegation");
    if is_v2() {
        known_difference!("update-quota-alone");
    }
    let b = limited();
    let c = b.start_sleeper();
    // What was asked for at create and since counts, not what the bundle says now.
    fs::write(b.path().join("config.json"), "{}").unwrap();
    update(&c, &["--cpu-period", "90000"]);
    assert_quota(&c, fifty_of_ninety(), "90000");
    update(&c, &["--cpu-quota", "63000"]);
    assert_quota(&c, "63000", "90000");
    update(&c, &["--cpu-quota", "3000", "--cpu-period", "10000"]);
    assert_quota(&c, "3000", "10000");
    known_difference!("update-unlimited");
    update(&c, &["--cpu-quota", "-1"]);
    assert_quota(&c, "-1", "10000");
}

#[test]
fn an_update_of_something_else_makes_no_quota_forgotten() {
    require!("container", "delegation");
    if is_v2() {
        known_difference!("update-forgets-quota");
    }
    let b = limited();
    let c = b.start_sleeper();
    update(&c, &["--pids-limit", "30"]);
    update(&c, &["--cpu-period", "90000"]);
    assert_quota(&c, fifty_of_ninety(), "90000");
}

#[test]
fn limits_come_from_a_file_or_from_standard_input() {
    require!("container", "delegation");
    let b = limited();
    let c = b.start_sleeper();
    update_json(&b, &json!({ "pids": { "limit": 40 }, "cpu": { "cpus": "0", "shares": 0 } }));
    c.cgroup().is(("pids.max", "40"), ("pids.max", "40"));
    c.cgroup().is(("cpuset.cpus", "0"), ("cpuset.cpus", "0"));
    let file = b.scratch("resources.json");
    fs::write(&file, json!({ "cpu": { "quota": 7000, "period": 70_000 } }).to_string()).unwrap();
    // Flags beside a file do not count, as in runc.
    update(&c, &["--resources", file.to_str().unwrap(), "--pids-limit", "50"]);
    assert_quota(&c, "7000", "70000");
    c.cgroup().is(("pids.max", "40"), ("pids.max", "40"));
}

#[test]
fn running_processes_notice() {
    require!("container", "delegation");
    let b = limited();
    let c = b.start_sleeper();
    update(&c, &["--memory", &bytes(32), "--memory-swap", &bytes(32)]);
    assert_eq!(c.exec(&["touch-memory", "128"]).stdout, "");
    assert!(c.cgroup().oom_kills() > 0);
    update(&c, &["--pids-limit", "15"]);
    assert_eq!(c.exec(&["spawn-children", "40"]).out(), "EAGAIN");
    update(&c, &["--pids-limit", "50"]);
    if c.report()["cpus"] == "0-1" {
        update(&c, &["--cpuset-cpus", "1"]);
        assert_eq!(c.report()["cpus"], "1");
    }
}

#[test]
fn burst_and_idle_can_be_changed() {
    require!("container", "delegation");
    known_difference!("cpu-burst");
    let b = limited();
    let c = b.start_sleeper();
    let burst = |text: &str| c.cgroup().is(("cpu.cfs_burst_us", text), ("cpu.max.burst", text));
    update(&c, &["--cpu-burst", "40000"]);
    burst("40000");
    update(&c, &["--cpu-quota", "20000", "--cpu-burst", "10000"]);
    burst("10000");
    update(&c, &["--cpu-burst", "30000", "--cpu-quota", "60000"]);
    burst("30000");
    update(&c, &["--cpu-burst", "0"]);
    burst("0");
    for idle in ["1", "0", "1"] {
        update(&c, &["--cpu-idle", idle]);
        c.cgroup().is(("cpu.idle", idle), ("cpu.idle", idle));
    }
    update(&c, &["--cpu-period", "10000", "--cpu-quota", "5000"]);
    c.cgroup().is(("cpu.idle", "1"), ("cpu.idle", "1"));
    update(&c, &["--cpu-idle", "0", "--cpu-share", "512"]);
    c.cgroup().is(("cpu.shares", "512"), ("cpu.weight", "59"));
    known_difference!("weight-of-idle");
    let outcome = c.verb("update", &["--cpu-idle", "1", "--cpu-share", "200"]).ok();
    assert!(outcome.stderr.contains("unable to apply both"), "{outcome:#?}");
    c.cgroup().is(("cpu.idle", "1"), ("cpu.idle", "1"));
}

#[test]
fn a_created_and_a_paused_container_can_be_updated() {
    require!("container", "delegation");
    let b = limited();
    let c = b.create();
    update(&c, &["--pids-limit", "11"]);
    c.cgroup().is(("pids.max", "11"), ("pids.max", "11"));
    assert_eq!(c.status(), "created");
    c.start().ok();
    c.verb("delete", &["--force"]).ok();
    let c = b.start_sleeper();
    let cgroup = c.cgroup();
    freeze(cgroup.dir("freezer"), true);
    c.wait_status("paused");
    update(&c, &["--pids-limit", "12"]);
    cgroup.is(("pids.max", "12"), ("pids.max", "12"));
    assert_eq!(c.status(), "paused");
    freeze(cgroup.dir("freezer"), false);
    c.wait_status("running");
}

#[test]
fn a_stopped_or_unknown_container_cannot_be_updated() {
    require!("container", "delegation");
    let b = limited();
    b.verb("update").args(["--pids-limit", "5", "nobody"]).run().fails_with(&["does not exist"]);
    let c = b.start_sleeper();
    c.kill("KILL").ok();
    c.wait_status("stopped");
    known_difference!("update-stopped");
    c.verb("update", &["--pids-limit", "5"]).fails_with(&["container not running"]);
}

#[test]
fn a_failed_update_changes_nothing() {
    require!("container", "delegation");
    let b = limited();
    let c = b.start_sleeper();
    c.verb("update", &["--pids-limit", "5", "--cpuset-cpus", "99999"]).fails_with(&["cpu"]);
    let flags = ["--memory", &bytes(32), "--memory-swap", &bytes(16)];
    c.verb("update", &flags).fails_with(&["memory"]);
    known_difference!("update-rollback");
    assert_memory(&c, 64, 32);
    c.cgroup().is(("pids.max", "20"), ("pids.max", "20"));
    // Nor is it remembered.
    update(&c, &["--cpu-share", "200"]);
    c.cgroup().is(("pids.max", "20"), ("pids.max", "20"));
}

#[test]
fn memory_in_use_cannot_be_taken_away() {
    require!("container", "delegation");
    let b = limited();
    let c = b.start_sleeper();
    if is_v2() {
        known_difference!("check-before-update");
        let resources = json!({ "memory": { "limit": 1024, "checkBeforeUpdate": true } });
        let update = b.verb("update").args(["-r", "-", b.id()]).stdin(resources.to_string());
        update.run().fails_with(&["rejecting memory limit 1024"]);
    } else {
        let words = ["unable to set memory limit to 1024 (current usage: "];
        c.verb("update", &["--memory", "1024"]).fails_with(&words);
    }
    assert_eq!(c.status(), "running");
    assert_memory(&c, 64, 32);
}

#[test]
fn memory_nodes_can_be_changed() {
    require!("container", "delegation");
    if !integration_tests::cgroup::has("cpuset") {
        return;
    }
    let b = limited();
    let c = b.start_sleeper();
    update(&c, &["--cpuset-mems", "0", "--cpuset-cpus", "0"]);
    c.cgroup().is(("cpuset.mems", "0"), ("cpuset.mems", "0"));
    c.cgroup().is(("cpuset.cpus", "0"), ("cpuset.cpus", "0"));
}

#[test]
fn the_weight_of_block_devices_can_be_changed() {
    require!("container", "delegation", "block-weight");
    known_difference!("update-block-weight");
    let b = limited();
    let c = b.start_sleeper();
    update(&c, &["--blkio-weight", "300"]);
    let cgroup = c.cgroup();
    if cgroup.file("blkio.bfq.weight", "io.bfq.weight").exists() {
        cgroup.is(("blkio.bfq.weight", "300"), ("io.bfq.weight", "default 300"));
    } else {
        assert_eq!(cgroup.read("blkio.weight", "io.weight"), "default 2930");
    }
}

#[test]
fn realtime_can_be_changed() {
    require!("root", "realtime");
    let b = limited();
    let c = b.start_sleeper();
    update(&c, &["--cpu-rt-period", "900000", "--cpu-rt-runtime", "0"]);
    c.cgroup().is(("cpu.rt_period_us", "900000"), ("", ""));
}

#[test]
fn wrong_input_is_refused_by_name() {
    require!("container", "delegation");
    let b = limited();
    let c = b.start_sleeper();
    c.verb("update", &["--memory", "lots"]).fails_with(&["memory"]);
    c.verb("update", &["--resources", "/no/such/file"]).fails_with(&["/no/such/file"]);
    let update = |json: &str| b.verb("update").args(["-r", "-", b.id()]).stdin(json).run();
    update("{\"memory\": ").fails();
    known_difference!("wrong-types");
    update(r#"{"cpu": {"shares": "many"}}"#).fails_with(&["cpu.shares"]);
    c.cgroup().is(("pids.max", "20"), ("pids.max", "20"));
}

#[test]
fn devices_that_an_engine_sends_along_stay_as_they_are() {
    require!("container", "delegation", "cgroup1");
    known_difference!("update-devices");
    let mut b = limited();
    let deny = json!([{ "allow": false, "access": "rwm" }]);
    b.set("/linux/resources/devices", deny.clone());
    let c = b.start_sleeper();
    let list = || fs::read_to_string(c.cgroup().dir("devices").join("devices.list")).unwrap();
    let before = list();
    // Someone else's addition, which an update that says nothing new must not take away.
    fs::write(c.cgroup().dir("devices").join("devices.allow"), "c 1:11 r").unwrap();
    update_json(&b, &json!({ "devices": deny, "pids": { "limit": 9 } }));
    assert!(list().contains("c 1:11 r"), "{}", list());
    let rule = json!({ "allow": true, "type": "c", "major": 1, "minor": 11, "access": "w" });
    update_json(&b, &json!({ "devices": [deny[0], rule] }));
    assert!(list().contains("c 1:11 w"), "{}", list());
    update_json(&b, &json!({ "devices": deny }));
    assert_eq!(list(), before);
}
