//! What needs a daemon of its own.

use integration_tests::engine::Containerd;

tests! { alone:
    containers_survive_their_daemon,
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
    let left = containerd.finish();
    assert!(left.is_empty(), "{left:#?}");
}
