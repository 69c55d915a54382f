//! Doors that a review found open, in this or another runtime.

use std::fs;
use std::os::unix::fs::symlink;

use integration_tests::{
    Bundle, Value, json, known_difference, patience, probe, require, wait_until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn hook_lines(path: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_start_container_hook_is_in_the_containers_cgroup() {
    require!("container", "delegation");
    let mut b = Bundle::probe(&["exit", "0"]);
    let hook = json!({ "path": "/probe", "args": ["probe", "save-stdin", "/tmp/seen"] });
    b.push("/hooks/startContainer", hook);
    b.run().ok();
    let seen = hook_lines(&b.rootfs().join("tmp/seen"));
    let cgroup = seen[0]["cgroup"].as_str().unwrap();
    let devices = cgroup.lines().find(|line| line.contains("devices") || line.starts_with("0::"));
    assert!(devices.unwrap().contains(b.id()), "{cgroup}");
}

#[test]
fn an_image_cannot_lead_a_volume_over_a_part_of_proc() {
    require!("container");
    known_difference!("proc-symlink");
    for target in ["/proc/sys", "/proc"] {
        let mut b = Bundle::probe(&["read", "/proc/sys/kernel/ostype"]);
        b.symlink("data", target);
        let source = b.scratch("volume");
        fs::create_dir(&source).unwrap();
        b.bind(&source, "/data", &["rbind"]);
        b.try_create().fails();
    }
}

#[test]
fn the_callers_session_keyring_stays_outside() {
    require!("container");
    known_difference!("keyring-name");
    let b = Bundle::probe(&["read", "/proc/keys"]);
    let keys = b.run().ok().out().to_owned();
    assert!(keys.contains(&format!("_ses.{}", b.id())), "{keys}");
}

#[test]
fn the_callers_session_keyring_is_kept_if_asked_for() {
    require!("container");
    let b = Bundle::probe(&["read", "/proc/keys"]);
    let keys = b.run_cmd(&["--no-new-keyring"]).run().ok().out().to_owned();
    assert!(!keys.contains(&format!("_ses.{}", b.id())), "{keys}");
    let b = Bundle::probe(&["sleep"]);
    let c = b.create_with(&["--no-new-keyring"]);
    c.start().ok();
    let keys = c.exec(&["read", "/proc/keys"]).ok().out().to_owned();
    assert!(!keys.contains(&format!("_ses.{}", b.id())), "{keys}");
    c.finish();
}

#[test]
fn exec_as_another_user_keeps_the_group_of_the_container() {
    require!("root");
    known_difference!("exec-user-gid");
    let mut b = Bundle::new();
    b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let c = b.start_sleeper();
    let report = c.exec_with(&["--user", "2000"], &["report"]).ok().json();
    assert_eq!((&report["uid"], &report["gid"]), (&json!(2000), &json!(1000)));
}

#[test]
fn a_hook_in_the_containers_namespaces_makes_no_file_for_everyone() {
    require!("container");
    let mut b = Bundle::probe(&["exit", "0"]);
    let file = b.scratch("seen");
    let path = probe();
    let path = path.to_str().unwrap();
    b.push(
        "/hooks/createContainer",
        json!({ "path": path, "args": ["probe", "save-stdin", file.to_str().unwrap()] }),
    );
    b.run().ok();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o022, 0, "{mode:o}");
}

#[test]
fn hooks_get_no_descriptor_of_the_callers() {
    require!("container");
    known_difference!("hook-descriptors");
    let mut b = Bundle::probe(&["exit", "0"]);
    let file = b.scratch("seen");
    let path = probe();
    let path = path.to_str().unwrap();
    b.push(
        "/hooks/createRuntime",
        json!({ "path": path, "args": ["probe", "save-stdin", file.to_str().unwrap()] }),
    );
    b.write();
    let run = b.verb("run").arg("--bundle").arg(b.path()).arg(b.id());
    run.through_shell("exec 9</etc/passwd; exec \"$@\"").run().ok();
    let fds = hook_lines(&file)[0]["fds"].clone();
    let fds: Vec<&String> = fds.as_object().unwrap().keys().collect();
    assert_eq!(fds, ["0", "1", "2"]);
}

#[test]
fn sysctls_of_the_host_are_not_written_through_a_joined_namespace() {
    require!("container");
    known_difference!("host-sysctl");
    let before = fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").unwrap();
    let mut b = Bundle::new();
    b.edit(|config| {
        for namespace in config["linux"]["namespaces"].as_array_mut().unwrap() {
            if namespace["type"] == "network" {
                namespace["path"] = json!("/proc/self/ns/net");
            }
        }
    });
    b.set("/linux/sysctl", json!({ "net.ipv4.ip_default_ttl": "77" }));
    b.try_create().fails_with(&["not allowed in"]);
    assert_eq!(fs::read_to_string("/proc/sys/net/ipv4/ip_default_ttl").unwrap(), before);
}

#[test]
fn a_pid_file_is_not_written_through_a_symlink() {
    require!("container");
    known_difference!("pid-file-symlink");
    let b = Bundle::new();
    let (victim, file) = (b.scratch("victim"), b.scratch("pid"));
    fs::write(&victim, "untouched").unwrap();
    symlink(&victim, b.scratch(".pid")).unwrap();
    let c = b.create_with(&["--pid-file", file.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    assert_eq!(fs::read_to_string(&file).unwrap(), c.pid().to_string());
}

#[test]
fn a_created_container_can_be_ended_by_a_signal() {
    require!("container");
    known_difference!("created-signal");
    let b = Bundle::new();
    let c = b.create();
    c.kill("TERM").ok();
    c.wait_status("stopped");
    c.delete().ok();
}

/// Not by way of the runtime, but by whoever has its pidfd (runc's pidfd-socket.bats).
#[test]
fn a_created_container_is_ended_by_a_signal_to_its_process() {
    require!("root");
    known_difference!("created-signal");
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        let mut b = Bundle::new();
        b.set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW" }));
        let c = b.create();
        kill(Pid::from_raw(c.pid()), signal).unwrap();
        c.wait_status("stopped");
    }
}

#[test]
fn an_ordinary_user_of_the_container_can_open_its_standard_output() {
    require!("root");
    let mut b = Bundle::probe(&["append", "/proc/self/fd/1", ""]);
    b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    assert_eq!(b.run().ok().out(), "ok");
}

#[test]
fn a_config_of_many_paths_and_a_long_name_is_refused_soon() {
    require!("container");
    let mut b = Bundle::new();
    let path = vec!["/usr/local/bin"; 6000].join(":");
    b.set("/process/env", json!([format!("PATH={path}")]));
    b.set("/process/args", json!(["x".repeat(60_000)]));
    let start = std::time::Instant::now();
    b.try_create().fails();
    assert!(start.elapsed() < patience(std::time::Duration::from_secs(5)));
}

#[test]
fn a_hook_that_hangs_does_not_keep_a_container_from_being_deleted() {
    require!("container");
    known_difference!("hanging-hook");
    let mut b = Bundle::new();
    b.push("/hooks/startContainer", json!({ "path": "/probe", "args": ["probe", "sleep"] }));
    let c = b.create();
    let pid = c.pid();
    let start = b.verb("start").arg(b.id()).spawn();
    wait_until("the hook runs", || {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "teu-init")
    });
    std::thread::sleep(std::time::Duration::from_millis(200));
    b.verb("delete").args(["--force", b.id()]).run().ok();
    drop(start);
    b.assert_clean();
}

#[test]
fn an_init_that_is_killed_just_before_its_exec_is_an_error() {
    require!("container");
    require!("strace");
    known_difference!("killed-before-exec");
    // The first execve of each process: teu's own is over when strace sees it, the executor's is not.
    let trace = "exec strace -f -qq -o /dev/null -e trace=execve \
                 -e inject=execve:signal=SIGKILL:when=1 \"$@\"";
    let b = Bundle::new();
    b.write();
    let run = b.verb("run").arg("--bundle").arg(b.path()).arg(b.id());
    run.through_shell(trace).run().fails_with(&["killed"]);
    b.assert_clean();
}
