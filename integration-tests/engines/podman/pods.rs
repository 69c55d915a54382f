//! Pods: containers that share namespaces and a cgroup.

use integration_tests::engine::{Podman, Started};
use integration_tests::{cgroup, require};

tests! {
    rootful:
    containers_of_a_pod_share_namespaces,
    a_pod_is_stopped_paused_and_started_as_one,
    a_pod_from_kubernetes,
}

/// Without the pause process that podman would build an image for.
fn create(podman: &Podman, flags: &[&str]) -> String {
    let parent = format!("--cgroup-parent={}", podman.cgroup_parent());
    let base = ["pod", "create", "--network=none", "--infra-image=busybox", &parent];
    let pod = podman.client(&base).arg("--infra-command=sleep 1000").args(flags);
    pod.run().ok().out().to_owned()
}

fn remove(podman: &Podman, pod: &str) {
    podman.client(&["pod", "rm", "-ft0", pod]).run().ok();
}

fn containers_of_a_pod_share_namespaces(podman: &Podman) {
    let pod = create(podman, &["--hostname=in-pod", "--share=ipc,net,uts,pid"]);
    let flag = format!("--pod={pod}");
    let one =
        podman.start_container(&[&flag], &["sh", "-c", "echo shared >/dev/shm/x; exec sleep 1000"]);
    one.exec(&["test", "-e", "/dev/shm/x"]).ok();
    let script = "cat /dev/shm/x; hostname; cat /proc/1/comm; \
                  for n in net ipc uts pid; do readlink /proc/self/ns/$n; done";
    let out = podman.run(&[&flag], &["sh", "-c", script]).ok().stdout;
    let theirs = ["net", "ipc", "uts", "pid"].map(|name| {
        let link = std::fs::read_link(format!("/proc/{}/ns/{name}", one.pid()));
        link.unwrap().display().to_string()
    });
    assert_eq!(out, format!("shared\nin-pod\nsleep\n{}\n", theirs.join("\n")));
    let dir = cgroup::dir(one.pid(), "memory");
    assert!(dir.parent().unwrap().to_string_lossy().contains(&pod), "{}", dir.display());
    drop(one);
    remove(podman, &pod);
}

fn a_pod_is_stopped_paused_and_started_as_one(podman: &Podman) {
    let pod = create(podman, &[]);
    let flag = format!("--pod={pod}");
    let script = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
    let members = [(); 2].map(|()| podman.start_container(&[&flag], &["sh", "-c", script]));
    let verb = |verb: &str, flags: &[&str]| {
        podman.client(&["pod", verb]).args(flags).arg(&pod).run().ok();
        members.each_ref().map(|member| member.status())
    };
    assert_eq!(verb("pause", &[]), ["paused", "paused"]);
    assert_eq!(verb("unpause", &[]), ["running", "running"]);
    assert_eq!(verb("stop", &["-t1"]), ["exited", "exited"]);
    assert_eq!(verb("start", &[]), ["running", "running"]);
    let top = podman.client(&["pod", "top", &pod]).run().ok();
    assert!(top.stdout.contains("sleep 1000"), "{top:?}");
    let pids = || members.each_ref().map(Started::pid);
    let before = pids();
    assert_eq!(verb("restart", &["--"]), ["running", "running"]);
    assert!(pids().iter().zip(before).all(|(now, before)| *now != before));
    verb("kill", &[]);
    members.iter().for_each(|member| member.wait_status("exited"));
    drop(members);
    remove(podman, &pod);
}

const POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: played
spec:
  shareProcessNamespace: true
  restartPolicy: Never
  containers:
  - name: one
    image: localhost/busybox:latest
    imagePullPolicy: Never
    command: [sh, -c, 'id -u; echo $A; grep CapEff /proc/self/status; touch /x || echo refused; exec sleep 1000']
    env: [{name: A, value: b}]
    resources: {limits: {memory: 64Mi}}
    securityContext: {runAsUser: 5, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
    volumeMounts: [{name: v, mountPath: /v}]
  - name: two
    image: localhost/busybox:latest
    imagePullPolicy: Never
    command: [sh, -c, 'touch /v/of-two; exec sleep 1000']
    volumeMounts: [{name: v, mountPath: /v}]
  volumes: [{name: v, emptyDir: {}}]
";

fn a_pod_from_kubernetes(podman: &Podman) {
    require!("catatonit");
    let file = podman.path("pod.yaml");
    std::fs::write(&file, POD).unwrap();
    let file = file.to_str().unwrap();
    podman.client(&["kube", "play", "--network=none", file]).run().ok();
    let one = podman.known("played-one");
    one.wait_for("refused");
    assert_eq!(one.logs().stdout, "5\nb\nCapEff:\t0000000000000000\nrefused\n");
    let cgroup = one.cgroup();
    cgroup.is(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864"));
    one.exec(&["test", "-e", "/v/of-two"]).ok();
    let top = podman.client(&["pod", "top", "played", "args"]).run().ok().stdout;
    assert_eq!(top.matches("sleep 1000").count(), 2, "{top}");
    let yaml = podman.client(&["generate", "kube", "played"]).run().ok().stdout;
    assert!(yaml.contains("name: played-one"), "{yaml}");
    std::mem::forget(one);
    podman.client(&["kube", "down", file]).run().ok();
    podman.client(&["volume", "rm", "-f", "v"]).run().ok();
    // This one podman has put where it likes.
    let dir = cgroup.dir("memory");
    assert!(!dir.exists() && !dir.parent().unwrap().exists(), "{}", dir.display());
}
