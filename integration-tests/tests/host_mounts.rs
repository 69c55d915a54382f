//! Containers without a mount namespace: their mounts are there for them, and for nobody else.

use integration_tests::{Bundle, Cmd, Terminal, json, known_difference, own_namespace, require};

/// In a mount namespace for the test, for other runtimes would leave mounts on the host; it fails if there are any
/// when the container has ended.
fn run(b: &Bundle) -> Cmd {
    let nothing = format!("\"$@\" && ! grep {} /proc/self/mountinfo", b.mark());
    b.run_cmd(&[]).through_shell(&nothing).wrapped(["unshare", "--mount"])
}

fn shared() -> Bundle {
    let mut b = Bundle::new();
    b.without_namespace("mount");
    b
}

/// Hooks run once there as well (runc issue 3996).
#[test]
fn without_mounts_there_is_a_root() {
    require!("root");
    known_difference!("host-mounts");
    let mut b = shared();
    let file = b.scratch("hook");
    let script = format!("echo once >>{}", file.display());
    b.set("/process/args", json!(["/probe", "ls", "/"])).set("/mounts", json!([]));
    b.push("/hooks/createRuntime", json!({ "path": "/bin/sh", "args": ["sh", "-c", script] }));
    let run = run(&b).run().ok();
    assert!(run.out().contains("probe"), "{run:?}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "once\n");
}

#[test]
fn mounts_are_the_containers_alone() {
    require!("root");
    known_difference!("host-mounts");
    let mut b = shared();
    let source = b.scratch("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("file"), "bound").unwrap();
    b.set("/root/readonly", true).mount("/t", "tmpfs", "tmpfs", &["size=64k"]);
    b.mount("/t/b", "bind", source.to_str().unwrap(), &["bind", "ro"]);
    let caps = json!(["CAP_SYS_ADMIN"]);
    b.capabilities(&json!({ "bounding": caps, "effective": caps, "permitted": caps }));
    let mnt = format!("mnt:[{}]", own_namespace("mnt"));
    let c = b.start_sleeper();
    assert!(!std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&b.mark()));
    assert_eq!(
        std::fs::read_link(format!("/proc/{}/ns/mnt", c.pid())).unwrap().to_str(),
        Some(&*mnt)
    );
    for (command, expected) in [
        (["read", "/t/b/file"].as_slice(), "bound"),
        (&["write", "/t/b/file", "x"], "EROFS"),
        (&["write", "/t/new", "x"], "ok"),
        (&["write", "/new", "x"], "EROFS"),
        (&["read", "/proc/sys/kernel/ostype"], "Linux"),
    ] {
        assert_eq!(c.exec(command).out(), expected, "{command:?}");
    }
    // The tree is in no mount namespace: ENOENT since Linux 6.15, EINVAL before.
    assert_ne!(c.exec(&["mount", "none", "/t", "tmpfs"]).out(), "ok");
    assert!(!b.rootfs().join("t/b").exists(), "made in the tmpfs, not below it");
    c.finish();
}

#[test]
fn an_exec_is_in_the_containers_root_without_mounts_as_well() {
    require!("root");
    known_difference!("host-mounts");
    let mut b = shared();
    b.set("/mounts", json!([]));
    let c = b.start_sleeper();
    assert!(c.exec(&["ls", "/"]).ok().out().split(' ').any(|name| name == "probe"));
    c.finish();
}

#[test]
fn a_terminal_is_the_console() {
    require!("root");
    known_difference!("host-mounts");
    let mut b = shared();
    b.set("/process/terminal", true)
        .set("/process/args", json!(["/probe", "stat", "/dev/console"]));
    let mut terminal = Terminal::new();
    let running = terminal.spawn(b.run_cmd(&[]));
    terminal.wait_for("\"device\":\"136:");
    running.wait().ok();
}

/// Then there is no namespace to enter at all.
#[test]
fn an_exec_is_in_the_root_of_a_container_without_namespaces() {
    require!("root");
    known_difference!("host-mounts");
    let mut b = shared();
    b.set("/linux/namespaces", json!([])).remove("/hostname").unmount("/sys");
    b.mount("/t", "tmpfs", "tmpfs", &[]);
    let c = b.start_sleeper();
    assert_eq!(c.exec(&["write", "/t/file", "x"]).out(), "ok");
    assert!(!b.rootfs().join("t/file").exists());
    c.finish();
}

/// They are where the init is, and what they mount the container keeps.
#[test]
fn create_container_hooks_may_mount() {
    require!("root", "teu");
    let mut b = shared();
    let place = b.dir("hooked");
    let script = format!("mount -t tmpfs hook {0} && echo hook >{0}/file", place.display());
    b.push("/hooks/createContainer", json!({ "path": "/bin/sh", "args": ["sh", "-c", script] }));
    b.set("/process/args", json!(["/probe", "read", "/hooked/file"]));
    assert_eq!(run(&b).run().ok().out(), "hook");
    assert!(!place.join("file").exists());
}

#[test]
fn what_would_be_lost_is_refused() {
    require!("root", "teu");
    let mut b = shared();
    b.mount("/t", "tmpfs", "tmpfs", &["unbindable"]);
    b.try_create().fails_with(&["(/t): unbindable needs a mount namespace in linux.namespaces"]);
    b.assert_clean();
    let mut b = shared();
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    b.namespace(json!({ "type": "user" })).set("/linux/uidMappings", map.clone());
    b.set("/linux/gidMappings", map);
    b.try_create().fails_with(&["mounts: needs a mount namespace in linux.namespaces"]);
    b.assert_clean();
}
