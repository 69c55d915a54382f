//! What podman does only for runtimes whose name is in its configuration: docs/engines.md has the lines.

use integration_tests::engine::{Podman, Wrapper};
use integration_tests::known_difference;

tests! {
    rootful:
    errors_are_read_from_the_log,
    a_container_without_cgroups,
    a_runtime_by_its_path,
}

/// As for crun and runc: `runtime_supports_json` has podman pass `--log-format=json --log FILE`.
fn errors_are_read_from_the_log(podman: &Podman) {
    let config = podman.configure("json.conf", "runtime_supports_json = [\"tested\"]");
    let run = |flags: &[&str], words: &[&str]| {
        podman.run_cmd(flags, words).env("CONTAINERS_CONF", &config).run()
    };
    run(&[], &["true"]).ok();
    let missing = run(&[], &["no-such-command"]).exits(127);
    // The message alone, without the line of the log around it.
    assert!(
        !missing.stderr.contains("level=") && !missing.stderr.contains("\"msg\""),
        "{missing:?}"
    );
    run(&[], &["/etc"]).exits(126);
    let running = podman.start_container(&[], &["sleep", "1000"]);
    let exec = |words: &[&str]| running.exec_cmd(&[], words).env("CONTAINERS_CONF", &config).run();
    exec(&["no-such-command"]).exits(127);
    exec(&["/etc"]).exits(126);
    exec(&["sh", "-c", "exit 4"]).exits(4);
}

/// As for crun alone: `runtime_supports_nocgroup` allows `--cgroups=disabled`, for which the runtime gets
/// `--cgroup-manager disabled`.
fn a_container_without_cgroups(podman: &Podman) {
    known_difference!("cgroup-manager");
    let config = podman.configure("nocgroup.conf", "runtime_supports_nocgroup = [\"tested\"]");
    let run = |flags: &[&str], words: &[&str]| {
        let flags = [&["--cgroups=disabled", "--cgroupns=host"], flags].concat();
        podman.run_cmd(&flags, words).env("CONTAINERS_CONF", &config).run()
    };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let inside = run(&[], &["sh", "-c", "cat /proc/self/cgroup; ls /sys/fs/cgroup >/dev/null"]);
    assert_eq!(inside.ok().stdout, own);
    known_difference!("rootless-limits");
    let limited = run(&["--memory=64m"], &["true"]).fails();
    assert!(limited.stderr.contains("the cgroup manager is disabled"), "{limited:?}");
}

fn a_runtime_by_its_path(podman: &Podman) {
    let wrapper = Wrapper::new(&podman.make_dir("named"));
    let parent = format!("--cgroup-parent={}", podman.cgroup_parent());
    let words = ["run", "--rm", "--network=none", &parent, "busybox", "echo", "hi"];
    let out = podman.client(&["--runtime", wrapper.path()]).args(words).run().ok();
    assert_eq!(out.stdout, "hi\n");
    assert!(wrapper.was_called("create"));
}
