//! What needs a daemon of its own: restarts of it, and flags of it.

use std::fs;

use integration_tests::engine::{Docker, Sandbox};
use integration_tests::wait_until;

tests! { alone:
    live_restore_keeps_containers_going,
    restarted_without_live_restore,
    user_namespaces_remapped,
    fifty_containers_at_once,
    privileged_containers_in_a_user_namespace,
    a_killed_daemon_finds_its_containers_again,
}

/// Ends it, and asserts that nothing is left.
#[track_caller]
fn finish(docker: &Docker) {
    let left = docker.finish();
    assert!(left.is_empty(), "{left:#?}");
}

/// A daemon that has found containers again forgets the file of a network namespace now and then (docker 20.10,
/// seen once in about ten runs of everything): it is the daemon's own, made and mounted by nobody else.
#[track_caller]
fn finish_restored(docker: &Docker) {
    let mut left = docker.finish();
    left.retain(|what| !(what.starts_with("mount ") && what.contains("/exec/netns/")));
    assert!(left.is_empty(), "{left:#?}");
}

fn live_restore_keeps_containers_going() {
    let docker = Docker::start(&["--live-restore"]);
    let script = "trap 'exit 8' TERM; echo ready; while :; do sleep 0.1; done";
    let box_ = docker.start_container(&[], &["sh", "-c", script]);
    box_.wait_for("ready");
    let ending = docker.start_container(&[], &["sh", "-c", "sleep 2; exit 6"]);
    let pid = box_.pid();
    docker.end();
    assert!(fs::read_to_string(format!("/proc/{pid}/comm")).is_ok(), "goes on");
    docker.begin();
    assert_eq!((box_.pid(), box_.status().as_str()), (pid, "running"));
    assert_eq!(box_.exec(&["sh", "-c", "echo still there"]).ok().stdout, "still there\n");
    box_.verb("pause", &[]).ok();
    box_.verb("unpause", &[]).ok();
    box_.verb("update", &["--memory=64m", "--memory-swap=64m"]).ok();
    box_.cgroup().is(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864"));
    assert_eq!(ending.wait(), 6);
    box_.verb("stop", &["-t", "20"]).ok();
    assert_eq!(box_.inspect("State.ExitCode"), "8");
    box_.verb("start", &[]).ok();
    assert_eq!(box_.status(), "running");
    drop((box_, ending));
    finish_restored(&docker);
}

fn restarted_without_live_restore() {
    let docker = Docker::start(&[]);
    let once = docker.start_container(&["--init"], &["sleep", "1000"]);
    let always = docker.start_container(&["--init", "--restart=always"], &["sleep", "1000"]);
    let unless = ["--init", "--restart=unless-stopped"].as_slice();
    let [going, stopped] = [0, 1].map(|_| docker.start_container(unless, &["sleep", "1000"]));
    stopped.verb("stop", &["-t", "0"]).ok();
    let pids = [once.pid(), always.pid(), going.pid()];
    docker.end();
    assert!(pids.iter().all(|pid| !fs::exists(format!("/proc/{pid}")).unwrap()));
    docker.begin();
    [&always, &going].iter().for_each(|container| container.wait_status("running"));
    assert_eq!([once.status(), stopped.status()], ["exited", "exited"]);
    once.verb("start", &[]).ok();
    assert_eq!(once.exec(&["echo", "there"]).ok().stdout, "there\n");
    drop((once, always, going, stopped));
    finish(&docker);
}

fn a_killed_daemon_finds_its_containers_again() {
    let docker = Docker::start(&["--live-restore"]);
    let box_ = docker.start_container(&[], &["sleep", "1000"]);
    let dead = docker.start_container(&[], &["sleep", "1000"]);
    docker.kill();
    let killed = nix::unistd::Pid::from_raw(dead_pid(&docker, dead.id()));
    nix::sys::signal::kill(killed, nix::sys::signal::Signal::SIGKILL).unwrap();
    docker.begin();
    assert_eq!(box_.status(), "running");
    dead.wait_status("exited");
    assert_eq!(dead.inspect("State.ExitCode"), "137");
    drop((box_, dead));
    finish_restored(&docker);
}

/// Of a container whose daemon does not answer.
fn dead_pid(docker: &Docker, id: &str) -> i32 {
    let file = format!("exec/containerd/daemon/io.containerd.runtime.v2.task/moby/{id}/init.pid");
    fs::read_to_string(docker.sandbox().path(&file)).unwrap().trim().parse().unwrap()
}

fn user_namespaces_remapped() {
    let script = "mount -t tmpfs ids /mnt; echo nobody:300000:65536 > /mnt/ids
        mount --bind /mnt/ids /etc/subuid; mount --bind /mnt/ids /etc/subgid";
    let sandbox = Sandbox::prepared("docker", script);
    let docker = Docker::start_in(sandbox, &["--userns-remap=nobody:nogroup"]);
    let box_ = docker.start_container(&["-u", "alice", "--memory=64m"], &["sleep", "1000"]);
    let status = fs::read_to_string(format!("/proc/{}/status", box_.pid())).unwrap();
    assert!(status.contains("Uid:\t301000\t301000\t301000\t301000"), "{status}");
    assert_eq!(
        box_.exec(&["cat", "/proc/self/uid_map"]).ok().out().split_whitespace().collect::<Vec<_>>(),
        ["0", "300000", "65536"]
    );
    let script = "id -u; stat -c %u /etc/passwd; touch /made; hostname; cat /proc/self/cgroup | wc -l; mount | grep -c ' /proc '";
    box_.exec_with(&["-u", "0"], &["sh", "-c", script]).ok();
    box_.cgroup().is(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864"));
    docker
        .run(
            &["--rm", "--userns=host"],
            &["sh", "-c", "test $(awk '{print $3}' /proc/self/uid_map) -gt 65536"],
        )
        .ok();
    let own = docker.run(
        &["--rm", "-v", "named:/data", "--tmpfs=/t", "-t"],
        &["sh", "-c", "id -u; stat -c %u /data /dev/console; echo x > /data/x"],
    );
    assert_eq!(own.ok().stdout, "0\r\n0\r\n0\r\n");
    box_.verb("pause", &[]).ok();
    box_.verb("unpause", &[]).ok();
    box_.verb("stop", &["-t", "0"]).ok();
    drop(box_);
    docker.client(&["volume", "rm", "named"]).run().ok();
    finish(&docker);
}

/// All that the daemon knows of; those after CAP_AUDIT_READ are newer.
const ALL: u64 = (1 << 38) - 1;

/// `--privileged`, of containers and of execs.
pub(super) fn privileged(docker: &Docker) {
    let capabilities = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
        u64::from_str_radix(line, 16).unwrap() & ALL
    };
    let script =
        "grep -E 'CapEff|Seccomp:' /proc/self/status; mount -t tmpfs none /tmp && echo mounted;
        echo 1 > /proc/sys/net/ipv4/ip_forward && echo written; mount | grep -c 'sysfs.*[(]rw'";
    let out = docker.run(&["--rm", "--privileged"], &["sh", "-c", script]).ok().stdout;
    assert_eq!(capabilities(&out), ALL);
    assert!(out.ends_with("Seccomp:\t0\nmounted\nwritten\n1\n"), "{out}");
    let box_ = docker.start_container(&[], &["sleep", "1000"]);
    let exec = |flags: &[&str]| box_.exec_with(flags, &["grep", "CapEff", "/proc/self/status"]);
    assert_eq!(capabilities(&exec(&[]).ok().stdout), 0xa804_25fb);
    assert_eq!(capabilities(&exec(&["--privileged"]).ok().stdout), ALL);
}

/// Where the tests' own root lacks a capability, as root of a container often does, `--privileged` fails with every
/// runtime; in a user namespace it has them all.
fn privileged_containers_in_a_user_namespace() {
    let docker = Docker::start_in(Sandbox::in_user_namespace("docker"), &[]);
    privileged(&docker);
    docker.run(&["--rm", "--cap-add=SYS_RESOURCE"], &["true"]).ok();
    let out = docker.run(&["--rm", "--memory=64m", "-u", "alice"], &["id", "-u"]).ok();
    assert_eq!(out.stdout, "1000\n");
    finish(&docker);
}

fn fifty_containers_at_once() {
    let docker = Docker::start(&[]);
    let command = |n: u32| {
        let script = format!("echo {n}; exec sleep 1000");
        docker
            .run_cmd(&["-d", "--label=fifty", "--name", &format!("box{n}")], &["sh", "-c", &script])
    };
    let clients: Vec<_> = (0..50)
        .map(|n| {
            command(n)
                .limit(integration_tests::patience(std::time::Duration::from_secs(120)))
                .spawn()
        })
        .collect();
    for client in clients {
        client.wait().ok();
    }
    let list = docker.client(&["ps", "-q", "--filter=label=fifty", "--filter=status=running"]);
    assert_eq!(list.run().ok().stdout.lines().count(), 50);
    let execs: Vec<_> = (0..50)
        .map(|n| {
            docker
                .client(&["exec", &format!("box{n}"), "hostname"])
                .limit(integration_tests::patience(std::time::Duration::from_secs(120)))
                .spawn()
        })
        .collect();
    for exec in execs {
        exec.wait().ok();
    }
    for n in 0..50 {
        let logs = || docker.client(&["logs", &format!("box{n}")]).run().ok().stdout;
        wait_until("its output", || logs() == format!("{n}\n"));
    }
    let names: Vec<String> = (0..50).map(|n| format!("box{n}")).collect();
    let removal = docker.client(&["rm", "-f"]).args(&names);
    removal.limit(integration_tests::patience(std::time::Duration::from_secs(120))).run().ok();
    finish(&docker);
}
