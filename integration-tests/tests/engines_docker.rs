//! Docker over the runtime: one daemon, what people do with it.

use integration_tests::cgroup::Cgroup;
use integration_tests::docker::Docker;
use integration_tests::{differences, require, wait_until};

#[test]
fn docker_runs_execs_stops_and_removes_containers() {
    require!("root", "docker", "busybox");
    let docker = Docker::start();
    output_and_status(&docker);
    errors(&docker);
    settings(&docker);
    its_seccomp_profile(&docker);
    a_whole_life(&docker);
    limits(&docker);
}

fn output_and_status(docker: &Docker) {
    let hi = docker.run(&["--rm"], &["sh", "-c", "echo hi; echo oops >&2; exit 7"]).exits(7);
    assert_eq!((hi.stdout.as_str(), hi.stderr.as_str()), ("hi\n", "oops\n"));
    let killed = docker.run(&["--rm"], &["sh", "-c", "kill -9 $$; exec sleep 0"]);
    assert!([0, 137].contains(&killed.status), "{killed:?}");
}

/// Docker derives these statuses from the runtime's wording.
fn errors(docker: &Docker) {
    if differences::applies("wording") {
        return;
    }
    docker.run(&["--rm"], &["no-such-command"]).exits(127);
    docker.run(&["--rm"], &["/etc"]).exits(126);
}

fn settings(docker: &Docker) {
    let flags = [
        "--rm",
        "--hostname=box",
        "--user=1000:1001",
        "--workdir=/tmp",
        "--env=A=b",
        "--read-only",
    ];
    let out =
        docker.run(&flags, &["sh", "-c", "hostname; id -u; id -g; pwd; echo $A; echo x > /x"]);
    assert_eq!(out.stdout, "box\n1000\n1001\n/tmp\nb\n", "{out:?}");
    assert_ne!(out.status, 0);
}

/// Docker's own profile: what it forbids depends on arguments, and on capabilities.
fn its_seccomp_profile(docker: &Docker) {
    let script = "grep Seccomp: /proc/self/status; unshare -U true || echo no";
    let out = docker.run(&["--rm"], &["sh", "-c", script]).ok();
    assert_eq!(out.stdout, "Seccomp:\t2\nno\n", "{out:?}");
    let off =
        docker.run(&["--rm", "--security-opt=seccomp=unconfined"], &["sh", "-c", script]).ok();
    assert_eq!(off.stdout, "Seccomp:\t0\n", "{off:?}");
}

fn a_whole_life(docker: &Docker) {
    docker.run(&["-d", "--name=life", "--init=false"], &["sleep", "1000"]).ok();
    let exec = |words: &[&str]| docker.client(&["exec", "life"]).args(words).run();
    assert_eq!(exec(&["sh", "-c", "echo inside; exit 3"]).exits(3).stdout, "inside\n");
    // 126 from older daemons, 127 from newer ones.
    let missing = exec(&["no-such-command"]);
    assert!([126, 127].contains(&missing.status), "{missing:?}");
    let status = || {
        let inspect = docker.client(&["inspect", "--format={{.State.Status}}", "life"]);
        inspect.run().ok().out().to_owned()
    };
    assert_eq!(status(), "running");
    let top = docker.client(&["top", "life"]).run().ok().stdout;
    assert!(top.contains("sleep 1000"), "{top}");
    docker.client(&["pause", "life"]).run().ok();
    assert_eq!(status(), "paused");
    exec(&["true"]).fails();
    docker.client(&["unpause", "life"]).run().ok();
    exec(&["true"]).ok();
    docker.client(&["kill", "life"]).run().ok();
    wait_until("exited", || status() == "exited");
    docker.client(&["start", "life"]).run().ok();
    assert_eq!(status(), "running");
    docker.client(&["rm", "-f", "life"]).run().ok();
}

fn limits(docker: &Docker) {
    let flags = ["-d", "--name=small", "--memory=64m", "--pids-limit=30", "--cpus=0.5"];
    docker.run(&flags, &["sleep", "1000"]).ok();
    let pid = docker.client(&["inspect", "--format={{.State.Pid}}", "small"]).run().ok();
    let cgroup = Cgroup::of(pid.out().parse().unwrap());
    cgroup.is(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864"));
    cgroup.is(("pids.max", "30"), ("pids.max", "30"));
    cgroup.is(("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000"));
    let update = ["update", "--memory=96m", "--memory-swap=200m", "--cpus=0.25", "small"];
    docker.client(&update).run().ok();
    cgroup.is(("memory.limit_in_bytes", "100663296"), ("memory.max", "100663296"));
    cgroup.is(("cpu.cfs_quota_us", "25000"), ("cpu.max", "25000 100000"));
    cgroup.is(("pids.max", "30"), ("pids.max", "30"));
    docker.client(&["rm", "-f", "small"]).run().ok();
}
