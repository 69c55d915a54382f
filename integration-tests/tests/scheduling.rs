//! Scheduling, I/O priority, processors, memory policy, personality: of the container's process, and of
//! those of an exec.

use integration_tests::{Bundle, Container, Value, json, known_difference, require};

const BATCH: u64 = 3;
const DEADLINE: u64 = 6;
const RESET_ON_FORK: u64 = 1;

fn scheduling(b: &Bundle) -> Value {
    b.run().ok().json()
}

fn exec_with(container: &Container<'_>, field: &str, value: Value) -> Value {
    container.exec_process(&["scheduling"], |process| process[field] = value).ok().json()
}

#[test]
fn policy_and_nice_are_the_configured_ones() {
    require!("root");
    known_difference!("scheduler");
    let mut b = Bundle::probe(&["scheduling"]);
    let flags = ["SCHED_FLAG_RESET_ON_FORK"];
    b.set("/process/scheduler", json!({ "policy": "SCHED_BATCH", "nice": -7, "flags": flags }));
    let r = scheduling(&b);
    assert_eq!((&r["policy"], &r["nice"]), (&json!(BATCH), &json!(-7)));
    assert_eq!(r["flags"], RESET_ON_FORK);
}

#[test]
fn a_deadline_is_in_nanoseconds() {
    require!("root");
    known_difference!("scheduler");
    let mut b = Bundle::probe(&["scheduling"]);
    let times = [1_000_000, 50_000_000, 100_000_000];
    b.set(
        "/process/scheduler",
        json!({
            "policy": "SCHED_DEADLINE", "flags": ["SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_RECLAIM"],
            "runtime": times[0], "deadline": times[1], "period": times[2],
        }),
    );
    let r = scheduling(&b);
    assert_eq!((&r["policy"], &r["times"]), (&json!(DEADLINE), &json!(times)));
}

#[test]
fn a_realtime_policy_is_set_or_refused_with_the_reason() {
    require!("root");
    known_difference!("scheduler");
    let mut b = Bundle::probe(&["scheduling"]);
    b.set("/process/scheduler", json!({ "policy": "SCHED_FIFO", "priority": 3 }));
    // Where the kernel has RT_GROUP_SCHED, a new v1 cgroup has no realtime time to give.
    if std::path::Path::new("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() {
        b.run().fails_with(&["process.scheduler (SCHED_FIFO): EPERM"]);
    } else {
        let r = scheduling(&b);
        assert_eq!((&r["policy"], &r["priority"]), (&json!(1), &json!(3)));
    }
}

#[test]
fn a_scheduler_that_makes_no_sense_is_refused() {
    require!("root");
    known_difference!("scheduler");
    for (scheduler, words) in [
        (json!({ "policy": "SCHED_OTHER", "nice": 20 }), "scheduler.nice"),
        (json!({ "policy": "SCHED_BATCH", "priority": 1 }), "scheduler.priority"),
        (json!({ "policy": "SCHED_FIFO", "runtime": 20 }), "scheduler runtime/deadline/period"),
        (json!({ "policy": "SCHED_NONE" }), "SCHED_NONE"),
    ] {
        let mut b = Bundle::new();
        b.set("/process/scheduler", scheduler);
        b.run().fails_with(&[words]);
    }
}

#[test]
fn io_priority_is_the_configured_one() {
    require!("root");
    known_difference!("io-priority");
    for (class, number) in [("RT", 1), ("BE", 2), ("IDLE", 3)] {
        let mut b = Bundle::probe(&["scheduling"]);
        let class = format!("IOPRIO_CLASS_{class}");
        b.set("/process/ioPriority", json!({ "class": class, "priority": 6 }));
        assert_eq!(scheduling(&b)["io"], json!([number, 6]));
    }
    let mut b = Bundle::new();
    b.set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": 8 }));
    b.run().fails_with(&["ioPriority.Priority"]);
}

#[test]
fn an_exec_has_its_own_settings_or_else_the_containers() {
    require!("root");
    known_difference!("scheduler");
    let mut b = Bundle::new();
    b.set("/process/scheduler", json!({ "policy": "SCHED_BATCH", "nice": 5 }));
    b.set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": 6 }));
    let c = b.start_sleeper();
    let own: Value = c.exec(&["scheduling"]).ok().json();
    assert_eq!((&own["nice"], &own["io"]), (&json!(5), &json!([2, 6])));
    let idle = exec_with(&c, "ioPriority", json!({ "class": "IOPRIO_CLASS_IDLE", "priority": 0 }));
    assert_eq!((&idle["nice"], &idle["io"]), (&json!(5), &json!([3, 0])));
    let unset = exec_with(&c, "ioPriority", Value::Null);
    assert_eq!(unset["io"], json!([2, 6]), "a process without one has the container's");
}

#[test]
fn an_ordinary_user_cannot_have_what_needs_privileges() {
    require!("root", "userns", "teu");
    let mut b = Bundle::rootless();
    b.args(&["scheduling"]);
    b.set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_RT", "priority": 0 }));
    b.run().fails_with(&["process.ioPriority (IOPRIO_CLASS_RT): EPERM"]);
    b.set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_IDLE", "priority": 0 }));
    assert_eq!(scheduling(&b)["io"], json!([3, 0]));
}

/// Runs the runtime on the first processor alone.
fn pinned(b: &Bundle, verb: &str) -> integration_tests::Cmd {
    b.write();
    b.verb(verb).wrapped(["taskset", "-c", "0"])
}

fn own_cpus() -> Value {
    let host = integration_tests::Cmd::new(integration_tests::probe());
    host.arg("scheduling").run().ok().json()["cpus"].clone()
}

#[test]
fn the_affinity_of_the_caller_is_not_the_containers() {
    require!("root", "two-cpus");
    known_difference!("affinity-reset");
    let b = Bundle::probe(&["scheduling"]);
    let run = pinned(&b, "run").arg("--bundle").arg(b.path()).arg(b.id()).run();
    assert_eq!(run.ok().json()["cpus"], own_cpus());
    let _running = b.start_sleeper();
    let exec = pinned(&b, "exec").arg(b.id()).args(["/probe", "scheduling"]).run();
    assert_eq!(exec.ok().json()["cpus"], own_cpus());
}

#[test]
fn an_exec_runs_on_the_processors_it_asks_for() {
    require!("root", "two-cpus");
    known_difference!("exec-affinity");
    let mut b = Bundle::new();
    b.set("/process/execCPUAffinity", json!({ "final": "1" }));
    let c = b.start_sleeper();
    let cpus = |affinity: Value| exec_with(&c, "execCPUAffinity", affinity)["cpus"].clone();
    // What becomes of it in the container's cpuset is up to the kernel: Linux before 6.2 drops it.
    let left = cpus(json!({ "initial": "0", "final": "" }));
    assert!(left == "0" || left == own_cpus(), "{left}");
    assert_eq!(cpus(json!({ "initial": "0", "final": "0-1,4000" })), "0-1");
    assert_eq!(cpus(json!({ "final": "0" })), "0");
    assert_eq!(cpus(Value::Null), "1", "a process without one has the container's");
    let refused =
        c.exec_process(&["echo"], |p| p["execCPUAffinity"] = json!({ "initial": "4000" }));
    refused.fails_with(&["execCPUAffinity.initial"]);
    let refused = c.exec_process(&["echo"], |p| p["execCPUAffinity"] = json!({ "final": "1-0" }));
    refused.fails_with(&["execCPUAffinity.final"]);
}

#[test]
fn a_personality_of_32_bits_shows_in_uname() {
    require!("root");
    known_difference!("personality");
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let mut b = Bundle::probe(&["scheduling"]);
    b.set("/linux/personality", json!({ "domain": "LINUX32" }));
    assert_eq!(scheduling(&b)["machine"], "i686");
    let c = b.start_sleeper();
    assert_eq!(c.exec(&["scheduling"]).ok().json()["machine"], "i686");
    c.finish();
    b.set("/linux/personality", json!({ "domain": "LINUX" }));
    assert_eq!(scheduling(&b)["machine"], "x86_64");
    b.set("/linux/personality", json!({ "domain": "SOLARIS" }));
    b.run().fails_with(&["SOLARIS"]);
}

#[test]
fn flags_of_a_personality_are_refused() {
    require!("root", "teu");
    let mut b = Bundle::new();
    b.set("/linux/personality", json!({ "domain": "LINUX32", "flags": ["ADDR_NO_RANDOMIZE"] }));
    b.run().fails_with(&["linux.personality.flags[0]"]);
}

#[test]
fn memory_comes_from_the_configured_nodes() {
    require!("root");
    known_difference!("memory-policy");
    const BIND_STATIC: i32 = 2 | 1 << 15;
    let mut b = Bundle::probe(&["scheduling"]);
    let flags = ["MPOL_F_STATIC_NODES"];
    b.set("/linux/memoryPolicy", json!({ "mode": "MPOL_BIND", "nodes": "0", "flags": flags }));
    assert_eq!(scheduling(&b)["memory"], json!([BIND_STATIC, 1]));
    let c = b.start_sleeper();
    assert_eq!(c.exec(&["scheduling"]).ok().json()["memory"], json!([BIND_STATIC, 1]));
    c.finish();
    b.set("/linux/memoryPolicy", json!({ "mode": "MPOL_LOCAL" }));
    assert_eq!(scheduling(&b)["memory"], json!([4, 0]));
    b.set("/linux/memoryPolicy", json!({ "mode": "MPOL_BIND", "nodes": "1000" }));
    b.run().fails_with(&["memoryPolicy"]);
    b.set("/linux/memoryPolicy", json!({ "mode": "MPOL_BIND" }));
    b.run().fails_with(&["at least one node"]);
}
