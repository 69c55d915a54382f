//! Files, namespaces and networks.

use std::fs;

use integration_tests::engine::Podman;
use integration_tests::{require, wait_until};

tests! {
    rootful:
    volumes_tmpfs_and_a_read_only_root,
    paths_that_are_masked,
    devices,
    a_container_as_for_systemd,
    namespaces_of_the_host,
    namespaces_of_another_container,
    user_namespaces,
    cgroup_namespaces,
    a_network_with_addresses,
}

fn volumes_tmpfs_and_a_read_only_root(podman: &Podman) {
    let dir = podman.make_dir("shared");
    fs::write(dir.join("file"), "of the host\n").unwrap();
    let bound = format!("{}:/rw", dir.display());
    let read_only = format!("{}:/ro:ro", dir.display());
    let flags = [
        "--read-only",
        "-v",
        &bound,
        "-v",
        &read_only,
        "-v",
        "named:/named",
        "--tmpfs=/t:size=1m,mode=700",
        "--mount=type=tmpfs,dst=/u,tmpfs-mode=1770",
    ];
    let script = "cat /ro/file; echo x >/rw/made; echo y >/named/made; echo z >/t/made;
        for f in /made /ro/made; do echo x >$f || echo refused; done; stat -c %a /t /u";
    let out = podman.run(&flags, &["sh", "-c", script]).ok().stdout;
    assert_eq!(out, "of the host\nrefused\nrefused\n700\n1770\n");
    assert_eq!(fs::read_to_string(dir.join("made")).unwrap(), "x\n");
    let again = podman.run(&["-v", "named:/n"], &["cat", "/n/made"]).ok();
    assert_eq!(again.stdout, "y\n");
    podman.client(&["volume", "rm", "named"]).run().ok();
}

fn paths_that_are_masked(podman: &Podman) {
    let script = "cat /proc/keys /secret 2>/dev/null | wc -c; echo 1 >/proc/sysrq-trigger; echo $?";
    let out = podman.run(&["--security-opt=mask=/secret"], &["sh", "-c", script]).ok();
    assert!(out.stdout.starts_with("0\n"), "{out:?}");
    assert_ne!(out.out().lines().nth(1), Some("0"), "{out:?}");
    let seen = podman.run(
        &["--security-opt=unmask=ALL"],
        &["sh", "-c", "cat /proc/keys; grep -c /proc/ /proc/mounts"],
    );
    assert_eq!(seen.out().lines().last(), Some("0"), "{seen:?}");
}

fn devices(podman: &Podman) {
    // Not one that every container may use.
    let flags = ["--device=/dev/kmsg:/dev/messages:w", "--cap-add=mknod", "--cap-add=syslog"];
    let script = "(: >/dev/messages) && echo opened; (: </dev/messages) || echo refused;
        mknod /tmp/mem c 1 1 && (: </tmp/mem) || echo refused; ls /dev/mem || echo none";
    let out = podman.run(&flags, &["sh", "-c", script]).ok();
    assert_eq!(out.stdout, "opened\nrefused\nrefused\nnone\n", "{out:?}");
}

/// What a service manager inside expects: places in memory, and its own cgroups.
fn a_container_as_for_systemd(podman: &Podman) {
    let script = "echo $container; for d in /run /run/lock /tmp; do stat -f -c %T $d; done; cat /proc/mounts";
    let out = podman.run(&["--systemd=always"], &["sh", "-c", script]).ok().stdout;
    assert!(out.starts_with("podman\ntmpfs\ntmpfs\ntmpfs\n"), "{out}");
    let writable = |at: &str| out.lines().any(|l| l.contains(at) && l.contains(" rw,"));
    assert!(writable(" /sys/fs/cgroup/systemd ") || writable(" /sys/fs/cgroup "), "{out}");
}

fn namespaces_of_the_host(podman: &Podman) {
    let flags = ["--pid=host", "--ipc=host", "--uts=host", "--network=host"];
    let script = "for n in pid ipc uts net; do readlink /proc/self/ns/$n; done";
    let inside = podman.run(&flags, &["sh", "-c", script]).ok().stdout;
    let own = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
    let lines: Vec<_> = inside.lines().collect();
    for (line, name) in lines.iter().zip(["pid", "ipc", "uts"]) {
        assert_eq!(*line, own(name).to_str().unwrap());
    }
    // podman itself is in the sandbox's.
    assert_eq!(lines.len(), 4);
}

fn namespaces_of_another_container(podman: &Podman) {
    let other = podman.start_container(&["--ipc=shareable", "-h=other"], &["sleep", "1000"]);
    let of = |kind: &str| format!("--{kind}=container:{}", other.id());
    let flags = ["pid", "ipc", "uts", "network"].map(of);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let script =
        "for n in pid ipc uts net; do readlink /proc/self/ns/$n; done; hostname; cat /proc/1/comm";
    let inside = podman.run(&flags, &["sh", "-c", script]).ok().stdout;
    let theirs = ["pid", "ipc", "uts", "net"].map(|name| {
        fs::read_link(format!("/proc/{}/ns/{name}", other.pid())).unwrap().display().to_string()
    });
    assert_eq!(inside, format!("{}\nother\nsleep\n", theirs.join("\n")));
}

fn user_namespaces(podman: &Podman) {
    let maps = ["--uidmap=0:100000:5000", "--gidmap=0:200000:5000"];
    let script = "cat /proc/self/uid_map /proc/self/gid_map; id -u; stat -c %u /bin; echo x >/made";
    let out = podman.run(&maps, &["sh", "-c", script]).ok().stdout;
    let words: Vec<_> = out.split_whitespace().collect();
    assert_eq!(words, ["0", "100000", "5000", "0", "200000", "5000", "0", "0"], "{out}");
    // The tree belongs to ids of the namespace, and so does the cgroup it may manage.
    let other = podman.start_container(&maps, &["sleep", "1000"]);
    let status = fs::read_to_string(format!("/proc/{}/status", other.pid())).unwrap();
    assert!(status.contains("Uid:\t100000\t"), "{status}");
    let out = other.exec_with(&["-u=7"], &["cat", "/proc/self/uid_map"]).ok().stdout;
    assert_eq!(out.split_whitespace().nth(1), Some("100000"));
    let joined = podman
        .run(&[&format!("--userns=container:{}", other.id())], &["readlink", "/proc/self/ns/user"]);
    let theirs = fs::read_link(format!("/proc/{}/ns/user", other.pid())).unwrap();
    assert_eq!(joined.ok().out(), theirs.to_str().unwrap());
}

fn cgroup_namespaces(podman: &Podman) {
    let shown = |flag: &str| podman.run(&[flag], &["cat", "/proc/self/cgroup"]).ok().stdout;
    let host = shown("--cgroupns=host");
    assert!(host.contains(podman.cgroup_parent().trim_start_matches('/')), "{host}");
    let private = shown("--cgroupns=private");
    assert!(private.lines().all(|line| line.ends_with(":/")), "{private}");
}

/// Through a bridge and a pair of devices, in the sandbox's network namespace.
fn a_network_with_addresses(podman: &Podman) {
    require!("bridge", "podman-network");
    podman
        .client(&["network", "create", "--disable-dns", "--subnet=10.99.1.0/24", "n1"])
        .run()
        .ok();
    let server = podman.start_container(
        &["--network=n1", "--ip=10.99.1.7", "-p=8099:80"],
        &["sh", "-c", "while :; do echo served | nc -l -p 80; done"],
    );
    let netns = server.inspect("NetworkSettings.SandboxKey");
    assert!(netns.contains("netns"), "{netns}");
    wait_until("the other container is served", || {
        podman.run(&["--network=n1"], &["sh", "-c", "nc 10.99.1.7 80 </dev/null"]).stdout
            == "served\n"
    });
    let published = || podman.sandbox().map(|s| s.cmd("busybox").args(["nc", "10.99.1.1", "8099"]));
    wait_until("the host is served at the published port", || {
        published().is_none_or(|nc| nc.stdin("").run().stdout == "served\n")
    });
    drop(server);
    podman.client(&["network", "rm", "n1"]).run().ok();
}
