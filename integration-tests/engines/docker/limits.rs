//! Limits, as the kernel has them and as they are felt.

use std::time::Duration;

use integration_tests::cgroup::{self, Cgroup};
use integration_tests::engine::{Docker, Started};
use integration_tests::{Runtime, Value, known_difference, require, wait_until};

tests! { shared:
    memory_processors_and_processes,
    updated_while_it_runs,
    running_out_of_memory_is_reported,
    too_many_processes,
    statistics,
    a_cgroup_parent_of_the_user_s,
    throttled_devices,
    nothing_is_left_of_a_container_s_cgroups,
}

fn memory_processors_and_processes(docker: &Docker) {
    let flags = [
        "--memory=64m",
        "--memory-swap=80m",
        "--memory-reservation=32m",
        "--cpus=0.5",
        "--cpu-shares=512",
        "--cpuset-cpus=0",
        "--pids-limit=30",
    ];
    let box_ = docker.start_container(&flags, &["sleep", "1000"]);
    let cgroup = box_.cgroup();
    cgroup.is(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864"));
    cgroup.is(("memory.memsw.limit_in_bytes", "83886080"), ("memory.swap.max", "16777216"));
    cgroup.is(("memory.soft_limit_in_bytes", "33554432"), ("memory.low", "33554432"));
    cgroup.is(("pids.max", "30"), ("pids.max", "30"));
    cgroup.is(("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000"));
    if !cgroup::is_v2() {
        cgroup.is(("cpu.shares", "512"), ("", ""));
    }
    cgroup.is(("cpuset.cpus", "0"), ("cpuset.cpus", "0"));
    let allowed = box_.exec(&["grep", "Cpus_allowed_list", "/proc/self/status"]).ok().stdout;
    assert_eq!(allowed, "Cpus_allowed_list:\t0\n");
    // As a program inside finds them, through the cgroup mount that docker asks for.
    let file =
        if cgroup::is_v2() { "/sys/fs/cgroup/pids.max" } else { "/sys/fs/cgroup/pids/pids.max" };
    assert_eq!(box_.exec(&["cat", file]).ok().stdout, "30\n");
    box_.exec(&["sh", "-c", &format!("echo 50 > {file}")]).fails();
}

fn updated_while_it_runs(docker: &Docker) {
    let box_ = docker
        .start_container(&["--memory=64m", "--pids-limit=30", "--cpus=0.5"], &["sleep", "1000"]);
    let cgroup = box_.cgroup();
    box_.verb("update", &["--memory=96m", "--memory-swap=200m", "--cpus=0.25", "--cpu-shares=100"])
        .ok();
    cgroup.is(("memory.limit_in_bytes", "100663296"), ("memory.max", "100663296"));
    cgroup.is(("memory.memsw.limit_in_bytes", "209715200"), ("memory.swap.max", "109051904"));
    cgroup.is(("cpu.cfs_quota_us", "25000"), ("cpu.max", "25000 100000"));
    if !cgroup::is_v2() {
        cgroup.is(("cpu.shares", "100"), ("", ""));
    }
    cgroup.is(("pids.max", "30"), ("pids.max", "30"));
    known_difference!("update-zeros");
    box_.verb("update", &["--pids-limit=40", "--cpuset-cpus=0"]).ok();
    cgroup.is(("pids.max", "40"), ("pids.max", "40"));
    cgroup.is(("cpuset.cpus", "0"), ("cpuset.cpus", "0"));
    box_.verb("update", &["--pids-limit=-1"]).ok();
    cgroup.is(("pids.max", "max"), ("pids.max", "max"));
    cgroup.is(("memory.limit_in_bytes", "100663296"), ("memory.max", "100663296"));
    // For a stopped container it is remembered.
    box_.verb("stop", &["-t", "0"]).ok();
    box_.verb("update", &["--memory=128m"]).ok();
    box_.verb("start", &[]).ok();
    box_.cgroup().is(("memory.limit_in_bytes", "134217728"), ("memory.max", "134217728"));
}

fn running_out_of_memory_is_reported(docker: &Docker) {
    let flags = ["--memory=16m", "--memory-swap=16m"];
    let run = || {
        let script = "sleep 0.5; tail /dev/zero";
        let box_ = docker.start_container(&flags, &["sh", "-c", script]);
        assert_eq!(box_.wait(), 137);
        box_
    };
    let is_told = |box_: &Started<'_, Docker>| box_.inspect("State.OOMKilled") == "true";
    // The shim has two events at once and, on a busy machine, may pass on the end before its cause.
    let box_ = (0..5).map(|_| run()).find(is_told).unwrap();
    let since = format!("--since={}", box_.inspect("State.StartedAt"));
    let end = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let until = format!("--until={}", end.as_secs() + 1);
    let events = ["events", &since, &until, "--filter=event=oom", "--format={{.ID}}"];
    let told = docker.client(&events).run().ok().stdout;
    assert!(told.contains(box_.id()), "{told}");
    let well = docker.start_container(&flags, &["sh", "-c", "exit 137"]);
    assert_eq!((well.wait(), well.inspect("State.OOMKilled")), (137, "false".into()));
}

fn too_many_processes(docker: &Docker) {
    let script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 5 & done; echo all";
    let out = docker.run(&["--rm", "--pids-limit=6"], &["sh", "-c", script]);
    assert!(out.stderr.contains("can't fork") && !out.stdout.contains("all"), "{out:?}");
}

fn statistics(docker: &Docker) {
    let script = "dd if=/dev/zero of=/dev/shm/filled bs=1M count=8; sleep 0.1; while :; do :; done";
    let box_ = docker.start_container(&["--memory=64m", "--pids-limit=30"], &["sh", "-c", script]);
    let stats = || -> Value {
        let out = docker.client(&["stats", "--no-stream", "--format={{json .}}", box_.id()]).run();
        out.ok().json()
    };
    let percent = |stats: &Value| -> f64 {
        stats["CPUPerc"].as_str().unwrap().trim_end_matches('%').parse().unwrap()
    };
    let mut last = Value::Null;
    wait_until("busy", || {
        last = stats();
        percent(&last) > 1.0 && last["MemUsage"].as_str().is_some_and(|u| !u.starts_with("0B"))
    });
    assert_eq!(last["PIDs"], "1", "{last}");
    assert!(last["MemUsage"].as_str().unwrap().ends_with("/ 64MiB"), "{last}");
    let used = last["MemPerc"].as_str().unwrap().trim_end_matches('%').parse::<f64>().unwrap();
    assert!((12.0..40.0).contains(&used), "8 of 64 MiB: {last}");
}

fn a_cgroup_parent_of_the_user_s(docker: &Docker) {
    let parent = format!("/{}-other/inner", docker.sandbox().mark());
    let box_ = docker.start_container(&[&format!("--cgroup-parent={parent}")], &["sleep", "1000"]);
    let dir = format!("{parent}/{}", box_.id());
    let text = std::fs::read_to_string(format!("/proc/{}/cgroup", box_.pid())).unwrap();
    assert!(text.lines().all(|line| line.ends_with(&dir) || line.starts_with("0::")), "{text}");
    let cgroup = box_.cgroup();
    drop(box_);
    let pids = cgroup.dir("pids");
    assert!(!pids.exists());
    // The parent was made on the way, and is nobody's then.
    for dir in own_hierarchies(&cgroup) {
        let inner = dir.parent().unwrap();
        let _ = std::fs::remove_dir(inner);
        let _ = std::fs::remove_dir(inner.parent().unwrap());
    }
}

fn throttled_devices(docker: &Docker) {
    require!("disk");
    let (major, minor) = cgroup::a_disk().unwrap();
    let path = format!("/dev/block/{major}:{minor}");
    let Ok(device) = std::fs::canonicalize(&path) else { return };
    let flag = format!("--device-write-bps={}:1mb", device.display());
    let box_ = docker.start_container(&[&flag], &["sleep", "1000"]);
    let v1 = format!("{major}:{minor} 1048576");
    let v2 = format!("{major}:{minor} rbps=max wbps=1048576 riops=max wiops=max");
    box_.cgroup().is(("blkio.throttle.write_bps_device", &v1), ("io.max", &v2));
}

fn own_hierarchies(cgroup: &Cgroup) -> Vec<std::path::PathBuf> {
    let names = [
        "blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "systemd",
        "unified",
    ];
    let pids = cgroup.dir("pids").display().to_string();
    if cgroup::is_v2() {
        return vec![pids.into()];
    }
    names
        .iter()
        .map(|name| pids.replace("/cgroup/pids/", &format!("/cgroup/{name}/")).into())
        .collect()
}

fn nothing_is_left_of_a_container_s_cgroups(docker: &Docker) {
    let box_ = docker.start_container(&["--memory=64m"], &["sleep", "1000"]);
    let dirs = own_hierarchies(&box_.cgroup());
    assert!(dirs.iter().any(|dir| dir.exists()));
    // Where the end of the suite looks for what is left there is something now.
    let (sandbox, id) = (docker.sandbox(), box_.id());
    let state = sandbox.path("exec/runtime-runc/moby").join(id);
    assert!(state.exists());
    // Other runtimes are on PATH as well: this one has kept the config.
    assert!(!Runtime::get().is_teu() || state.join("config.json").exists());
    assert_eq!(box_.inspect("HostConfig.Runtime"), "tested");
    assert!(sandbox.run_dir().join("containerd/s").read_dir().unwrap().next().is_some());
    assert!(sandbox.mounts().iter().any(|mount| mount.contains(id) || mount.contains("overlay")));
    assert!(sandbox.processes().iter().any(|(_, line)| line.contains(id)));
    assert!(sandbox.cgroups().iter().any(|dir| dir.ends_with(id)));
    box_.verb("stop", &["-t", "0"]).ok();
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while dirs.iter().any(|dir| dir.exists()) && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    let left: Vec<_> = dirs.iter().filter(|dir| dir.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
}
