//! What needs a daemon of its own.

use integration_tests::engine::{Containerd, Sandbox};

tests! { alone:
    containers_survive_their_daemon,
    a_privileged_container_in_a_user_namespace,
}

/// Ends it, and asserts that nothing is left.
#[track_caller]
fn finish(containerd: &Containerd) {
    let left = containerd.finish();
    assert!(left.is_empty(), "{left:#?}");
}

fn containers_survive_their_daemon() {
    let containerd = Containerd::start();
    let script = "trap 'exit 8' TERM; echo ready; while :; do sleep 0.1; done";
    let box_ = containerd.start_container(&[], &["sh", "-c", script]);
    box_.wait_for("ready");
    let pid = box_.listed().1;
    containerd.end();
    assert!(std::fs::exists(format!("/proc/{pid}")).unwrap());
    containerd.begin();
    assert_eq!(box_.listed(), ("RUNNING".into(), pid));
    assert_eq!(box_.exec(&["echo", "there"]).ok().stdout, "there\n");
    box_.verb("pause", &[], &[]).ok();
    box_.verb("resume", &[], &[]).ok();
    box_.verb("kill", &["-s", "SIGTERM"], &[]).ok();
    box_.wait_status("STOPPED");
    assert_eq!(box_.delete(), 8);
    drop(box_);
    finish(&containerd);
}

/// Where the tests' own root lacks a capability `--privileged` gives what there is; here root has them all.
fn a_privileged_container_in_a_user_namespace() {
    let containerd = Containerd::start_in(Sandbox::in_user_namespace("containerd"));
    let script = "grep CapEff /proc/self/status; mount -t tmpfs none /tmp && echo mounted";
    let out = containerd.run(&["--privileged"], &["sh", "-c", script]).ok().stdout;
    let last = std::fs::read_to_string("/proc/sys/kernel/cap_last_cap").unwrap();
    let all = (1_u64 << (last.trim().parse::<u32>().unwrap() + 1)) - 1;
    assert_eq!(out, format!("CapEff:\t{all:016x}\nmounted\n"));
    finish(&containerd);
}
