//! podman as an ordinary user: the runtime is root of a user namespace that podman has made.

use integration_tests::cgroup;
use integration_tests::engine::{Podman, Sandbox};
use integration_tests::{known_difference, ordinary_user, require};

tests! {
    rootless:
    a_life_without_privileges,
    groups_that_are_kept,
    namespaces_of_the_user_s,
    pods_and_builds,
    limits_by_delegation,
}

fn a_life_without_privileges(podman: &Podman) {
    let script = "trap 'exit 5' TERM; echo up; while :; do sleep 0.1; done";
    let running = podman.start_container(&[], &["sh", "-c", script]);
    running.wait_for("up");
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    assert!(status.contains(&format!("Uid:\t{}\t", ordinary_user())), "{status}");
    let out =
        running.exec_with(&["-u", "alice"], &["sh", "-c", "id -u; id -G; touch /x || exit 4"]);
    assert_eq!(out.exits(4).stdout, "1000\n1001 20\n");
    running
        .exec_with(
            &["--privileged"],
            &["grep", "-q", "CapEff:.000001ffffffffff", "/proc/self/status"],
        )
        .ok();
    running.exec(&["no-such-command"]).exits(127);
    let top = running.verb("top", &[]).ok();
    assert!(top.stdout.contains("trap"), "{top:?}");
    running.verb("stop", &[]).ok();
    assert_eq!(running.inspect("State.ExitCode"), "5");
    running.verb("start", &[]).ok();
    running.verb("kill", &[]).ok();
    assert_eq!(running.wait(), 137);
}

fn ids(podman: &Podman, flags: &[&str]) -> String {
    let script = "id -u; id -g; awk '{ print $1, $2, $3 }' /proc/self/uid_map";
    podman.run(flags, &["sh", "-c", script]).ok().stdout.replace('\n', ";")
}

/// Of the second level: what is in the container is mapped to the ids of podman's namespace.
pub(super) fn mappings_of_ids(podman: &Podman) {
    let user = ordinary_user();
    assert_eq!(ids(podman, &[]), format!("0;0;0 {user} 1;1 100000 65536;"));
    assert_eq!(
        ids(podman, &["--userns=keep-id"]),
        format!("{user};{user};0 1 {user};{user} 0 1;{} {} {};", user + 1, user + 1, 65536 - user)
    );
    assert_eq!(ids(podman, &["--userns=nomap"]), "0;0;0 1 65536;");
    assert_eq!(ids(podman, &["--uidmap=0:1:500", "--gidmap=0:1:500", "-u=7:8"]), "7;8;0 1 500;");
    let auto = ids(podman, &["--userns=auto:size=1000"]);
    assert!(auto.starts_with("0;0;0 ") && auto.ends_with(" 1000;"), "{auto}");
}

fn groups_that_are_kept(podman: &Podman) {
    let out = podman.run(&["-u=1000:1001", "--group-add=4711"], &["id", "-G"]).ok().stdout;
    assert!(out.split_whitespace().any(|group| group == "4711"), "{out}");
    known_difference!("keep-groups");
    podman.run(&["--group-add=keep-groups"], &["true"]).ok();
}

fn namespaces_of_the_user_s(podman: &Podman) {
    let net = podman.run(&["--network=host"], &["readlink", "/proc/self/ns/net"]).ok();
    let own =
        |sandbox: &Sandbox| sandbox.cmd("readlink").arg("/proc/self/ns/net").run().ok().stdout;
    assert!(podman.sandbox().is_none_or(|sandbox| own(sandbox) == net.stdout), "{net:?}");
    let script = "grep -c . /proc/self/cgroup; ls /sys/fs/cgroup >/dev/null && hostname";
    let out = podman.run(&["-h=box", "--tmpfs=/t", "--read-only"], &["sh", "-c", script]).ok();
    assert_eq!(out.stdout.lines().last(), Some("box"));
    let rights = ["grep", "-E", "CapEff|Seccomp:", "/proc/self/status"];
    let all = podman.run(&["--privileged"], &rights).ok().stdout;
    assert_eq!(all, "CapEff:\t000001ffffffffff\nSeccomp:\t0\n");
    let none = podman.run(&["--cap-drop=all"], &rights).ok().stdout;
    assert_eq!(none, "CapEff:\t0000000000000000\nSeccomp:\t2\n");
}

fn pods_and_builds(podman: &Podman) {
    let flags = [
        "pod",
        "create",
        "--network=none",
        "--infra-image=busybox",
        "--infra-command=sleep 1000",
        "--hostname=in-pod",
    ];
    let pod = podman.client(&flags).run().ok().out().to_owned();
    let out = podman.run(&[&format!("--pod={pod}")], &["hostname"]).ok();
    assert_eq!(out.stdout, "in-pod\n");
    podman.client(&["pod", "rm", "-ft0", &pod]).run().ok();
    let dir = podman.make_dir("context");
    std::fs::write(
        dir.join("Containerfile"),
        "FROM localhost/busybox\nRUN id -u >/who\nUSER alice\nRUN id -un >/tmp/who\n",
    )
    .unwrap();
    let build = ["build", "-q", "--network=none", "--isolation=oci", "-t=built"];
    podman.client(&build).arg(dir).run().ok();
    let out = podman
        .client(&["run", "--rm", "--network=none", "built", "cat", "/who", "/tmp/who"])
        .run()
        .ok();
    assert_eq!(out.stdout, "0\nalice\n");
}

/// Where systemd runs the user's session; elsewhere podman does not even ask.
fn limits_by_delegation(podman: &Podman) {
    require!("cgroup2", "session", "delegation");
    let running = podman.start_container(&["-m=64m", "--pids-limit=30"], &["sleep", "1000"]);
    let cgroup = running.cgroup();
    cgroup.is(("memory.limit_in_bytes", ""), ("memory.max", "67108864"));
    cgroup.is(("pids.max", ""), ("pids.max", "30"));
    let pid = running.pid();
    running.verb("pause", &[]).ok();
    assert!(cgroup::is_frozen(pid));
    running.verb("unpause", &[]).ok();
    let stats = running.verb("stats", &["--no-stream", "--format={{.MemLimit}}"]).ok();
    assert_eq!(stats.out(), "67108864");
}
