//! The numbers of `events --stats`, held against what the container does.

use std::fs;

use integration_tests::{Bundle, Container, Value, cgroup, json, known_difference, require};

fn stats(c: &Container<'_>) -> Value {
    c.verb("events", &["--stats"]).ok().json()["data"].clone()
}

#[test]
fn processes_are_counted() {
    require!("container", "delegation");
    known_difference!("events");
    let b = Bundle::probe(&["spawn-children", "4"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    assert_eq!(stats(&c)["pids"]["current"], 5);
    if !cgroup::is_v2() {
        fs::write(cgroup::dir(c.pid(), "pids").join("pids.max"), "77").unwrap();
        assert_eq!(stats(&c)["pids"]["limit"], 77);
    }
}

#[test]
fn processor_time_grows_with_use_by_about_as_much() {
    require!("container", "delegation");
    known_difference!("events");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let before = stats(&c)["cpu"]["usage"]["total"].as_u64().unwrap();
    c.exec(&["spin", "300"]).ok();
    let usage = stats(&c)["cpu"]["usage"].clone();
    let used = usage["total"].as_u64().unwrap() - before;
    // A busy machine gives less than all of the time.
    assert!((20_000_000..2_000_000_000).contains(&used), "{used} ns");
    let modes = usage["kernel"].as_u64().unwrap() + usage["user"].as_u64().unwrap();
    assert!(modes > 0, "{usage}");
    if !cgroup::is_v2() {
        let sum = |key: &str| {
            usage[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!(sum("percpu"), usage["total"].as_u64().unwrap());
        assert!(sum("percpu_user") + sum("percpu_kernel") > 0);
    }
}

#[test]
fn throttling_is_counted() {
    require!("container", "delegation", "cgroup1");
    known_difference!("events");
    let b = Bundle::new();
    let c = b.start_sleeper();
    fs::write(cgroup::dir(c.pid(), "cpu").join("cpu.cfs_quota_us"), "5000").unwrap();
    c.exec(&["spin", "400"]).ok();
    let throttling = stats(&c)["cpu"]["throttling"].clone();
    for key in ["periods", "throttledPeriods", "throttledTime"] {
        assert!(throttling[key].as_u64().unwrap() > 0, "{throttling}");
    }
}

#[test]
fn memory_is_counted_and_its_limit_told() {
    require!("container", "delegation");
    known_difference!("events");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let (name, limit) = if cgroup::is_v2() {
        ("memory.max", 64 << 20)
    } else {
        ("memory.limit_in_bytes", 64 << 20)
    };
    fs::write(cgroup::dir(c.pid(), "memory").join(name), limit.to_string()).unwrap();
    c.exec(&["touch-memory", "16"]).ok();
    let memory = stats(&c)["memory"].clone();
    assert_eq!(memory["usage"]["limit"], limit);
    assert!(memory["usage"]["usage"].as_u64().unwrap() > 4096, "{memory}");
    // The peak of v2 came with Linux 5.19.
    let peak = memory["usage"]["max"].as_u64().unwrap_or(16 << 20);
    assert!(peak >= 16 << 20, "{memory}");
    assert!(memory["raw"].as_object().unwrap().len() > 10, "{memory}");
    assert!(memory["swap"]["usage"].as_u64() >= memory["usage"]["usage"].as_u64(), "{memory}");
}

#[test]
fn a_paused_container_has_statistics() {
    require!("container", "delegation");
    known_difference!("events");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.verb("pause", &[]).ok();
    assert_eq!(stats(&c)["pids"]["current"], 1);
}

#[test]
fn the_cpuset_of_v1_is_told() {
    require!("container", "delegation", "cgroup1");
    known_difference!("events");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let cpuset = stats(&c)["cpuset"].clone();
    assert_eq!(cpuset["cpus"][0], 0, "{cpuset}");
    assert_eq!(cpuset["mems"], json!([0]), "{cpuset}");
    assert_eq!(cpuset["sched_load_balance"], 1, "{cpuset}");
    assert_eq!(cpuset["sched_relax_domain_level"], -1, "{cpuset}");
}

#[test]
fn pressure_is_told_on_v2() {
    require!("container", "delegation", "cgroup2");
    known_difference!("events");
    known_difference!("events-psi");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let stats = stats(&c);
    let dir = cgroup::dir(c.pid(), "");
    for (group, file) in [("cpu", "cpu"), ("memory", "memory"), ("blkio", "io")] {
        let measured = fs::read_to_string(dir.join(format!("{file}.pressure"))).is_ok();
        assert_eq!(stats[group].get("psi").is_some(), measured, "{group}: {stats}");
    }
}
