//! create, start, delete; what each leaves behind.

use std::fs;
use std::path::Path;

use integration_tests::cgroup::is_v2;
use integration_tests::{Bundle, json, known_difference, patience, require, wait_until};

#[test]
fn a_container_goes_from_created_to_running_to_stopped_to_gone() {
    require!("container");
    let b = Bundle::probe(&["sleep"]);
    let c = b.create();
    assert_eq!(c.status(), "created");
    assert_eq!(c.stdout(), "");
    c.start().ok();
    assert_eq!(c.status(), "running");
    c.terminate();
    c.wait_status("stopped");
    c.delete().ok();
    c.verb("state", &[]).fails();
    b.assert_clean();
}

#[test]
fn the_process_does_not_run_before_start() {
    require!("container");
    let b = Bundle::probe(&["write", "/started", "yes"]);
    let c = b.create();
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(!b.rootfs().join("started").exists());
    c.start().ok();
    wait_until("the process has run", || b.rootfs().join("started").exists());
    c.wait_status("stopped");
    c.delete().ok();
}

#[test]
fn a_created_container_can_be_deleted_by_force() {
    require!("container");
    let b = Bundle::probe(&["sleep"]);
    b.create().finish();
}

#[test]
fn a_running_container_can_be_deleted_by_force() {
    require!("container");
    let b = Bundle::new();
    b.start_sleeper().finish();
}

#[test]
fn a_running_container_cannot_be_deleted_without_force() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.delete().fails();
    assert_eq!(c.status(), "running");
}

#[test]
fn deleting_an_unknown_container_fails_but_by_force_succeeds() {
    require!("container");
    let b = Bundle::new();
    b.verb("delete").arg("nobody").run().fails_with(&["does not exist"]);
    b.verb("delete").args(["--force", "nobody"]).run().ok();
}

#[test]
fn a_container_cannot_be_started_twice() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.start().fails();
    assert_eq!(c.status(), "running");
}

#[test]
fn a_stopped_container_cannot_be_started() {
    require!("container");
    let b = Bundle::probe(&["exit", "0"]);
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    c.start().fails();
    assert_eq!(c.status(), "stopped");
}

#[test]
fn an_unknown_container_cannot_be_started() {
    require!("container");
    Bundle::new().verb("start").arg("nobody").run().fails_with(&["does not exist"]);
}

#[test]
fn an_id_can_be_used_once_at_a_time() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let pid = c.pid();
    b.try_create().fails_with(&["container with given ID already exists", "already exists"]);
    assert_eq!((c.status().as_str(), c.pid()), ("running", pid));
}

#[test]
fn an_id_can_be_used_again_after_delete() {
    require!("container");
    let b = Bundle::probe(&["echo", "again"]);
    for _ in 0..2 {
        assert_eq!(b.run().ok().out(), "again");
    }
}

#[test]
fn the_configuration_at_create_time_counts() {
    require!("container");
    let b = Bundle::probe(&["echo", "first"]);
    let c = b.create();
    fs::write(b.path().join("config.json"), "{}").unwrap();
    c.start().ok();
    c.wait_stdout("first");
}

#[test]
fn the_bundle_defaults_to_the_working_directory() {
    require!("container");
    let b = Bundle::probe(&["echo", "here"]);
    b.write();
    assert_eq!(b.verb("run").arg(b.id()).cwd(b.path()).run().ok().out(), "here");
}

#[test]
fn a_missing_bundle_or_configuration_is_an_error() {
    require!("container");
    let b = Bundle::new();
    b.verb("create").args(["--bundle", "/no/such/bundle", b.id()]).run().fails();
    b.verb("create").arg("--bundle").arg(b.path()).arg(b.id()).run().fails_with(&["config.json"]);
    b.assert_clean();
}

#[test]
fn a_failed_create_leaves_nothing() {
    require!("container");
    let mut b = Bundle::new();
    b.mount("/data", "bind", "/no/such/source", &["bind"]);
    b.try_create().fails();
    b.assert_clean();
}

#[test]
fn a_container_that_dies_before_start_is_stopped() {
    require!("container");
    let b = Bundle::probe(&["sleep"]);
    let c = b.create();
    c.kill("KILL").ok();
    c.wait_status("stopped");
    c.start().fails();
    c.delete().ok();
    b.assert_clean();
}

#[test]
fn an_unreaped_process_counts_as_stopped() {
    require!("container");
    let b = Bundle::probe(&["sleep"]);
    b.write();
    // The subreaper inherits the container's process and never reaps it.
    let bundle = b.path();
    let create = b.verb("create").arg("--bundle").arg(&bundle).arg(b.id());
    let parent =
        create.wrapped([integration_tests::probe().to_str().unwrap(), "subreaper"]).spawn();
    parent.wait_for("exit 0");
    let state = |field: &str| b.verb("state").arg(b.id()).run().ok().json()[field].clone();
    let pid = state("pid");
    b.verb("kill").args([b.id(), "KILL"]).run().ok();
    let zombie =
        || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default().contains(") Z");
    wait_until("a zombie", zombie);
    assert_eq!(state("status"), "stopped");
    b.verb("delete").arg(b.id()).run().ok();
}

#[test]
fn run_detached_returns_while_the_process_goes_on() {
    require!("container");
    let b = Bundle::probe(&["sleep"]);
    b.run_cmd(&["--detach"]).run().ok();
    let state = b.verb("state").arg(b.id()).run().ok().json();
    assert_eq!(state["status"], "running");
    integration_tests::wait_ready(i32::try_from(state["pid"].as_i64().unwrap()).unwrap());
    b.verb("kill").args([b.id(), "TERM"]).run().ok();
    wait_until("stopped", || b.verb("state").arg(b.id()).run().ok().json()["status"] == "stopped");
    b.verb("delete").arg(b.id()).run().ok();
    b.assert_clean();
}

#[test]
fn run_with_keep_leaves_the_stopped_container() {
    require!("container");
    known_difference!("run-keep");
    let b = Bundle::probe(&["exit", "3"]);
    b.run_cmd(&["--keep"]).run().exits(3);
    assert_eq!(b.verb("state").arg(b.id()).run().ok().json()["status"], "stopped");
    b.verb("delete").arg(b.id()).run().ok();
    b.assert_clean();
}

/// The parent of the one process that is not the container's first.
fn adopter(b: &Bundle) -> i32 {
    let parent = |pid: i64| -> i32 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let init = b.verb("state").arg(b.id()).run().ok().json()["pid"].as_i64().unwrap();
    let pids = b.verb("ps").args(["--format", "json", b.id()]).run().ok().json();
    let pids = pids.as_array().unwrap().iter().map(|pid| pid.as_i64().unwrap());
    parent(pids.into_iter().find(|pid| *pid != init).unwrap())
}

#[test]
fn run_in_the_foreground_adopts_orphans_unless_told_not_to() {
    require!("root");
    known_difference!("orphan-run");
    let mut b = Bundle::probe(&["grandchild"]);
    b.without_namespace("pid");
    for (flags, adopts) in [(&[][..], true), (&["--no-subreaper"], false)] {
        let run = b.run_cmd(flags).spawn();
        run.wait_for("ready");
        assert_eq!(adopter(&b) == run.pid().as_raw(), adopts, "{flags:?}");
        b.verb("kill").args([b.id(), "KILL"]).run().ok();
        run.wait().exits(137);
        b.assert_clean();
    }
}

#[test]
fn a_create_killed_at_any_moment_leaves_nothing_after_delete_by_force() {
    require!("container");
    known_difference!("killed-create");
    for delay in [1, 2, 4, 8, 16, 32] {
        let b = Bundle::probe(&["sleep"]);
        b.write();
        let create = b.verb("create").arg("--bundle").arg(b.path()).arg(b.id()).spawn();
        std::thread::sleep(std::time::Duration::from_millis(delay));
        create.signal(nix::sys::signal::Signal::SIGKILL);
        drop(create);
        b.verb("delete").args(["--force", b.id()]).run().ok();
        b.assert_clean();
    }
}

#[test]
fn delete_takes_the_cgroups_of_every_hierarchy() {
    require!("root");
    let mut b = Bundle::new();
    b.cgroup_below("teuit");
    let c = b.start_sleeper();
    let count = b.leaks().cgroups.len();
    assert!(count >= 1, "a cgroup by the configured name");
    c.finish();
    remove_empty_cgroups("teuit");
}

fn remove_empty_cgroups(name: &str) {
    for entry in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        let _ = fs::remove_dir(entry.path().join(name));
    }
    let _ = fs::remove_dir(Path::new("/sys/fs/cgroup").join(name));
}

#[test]
fn a_process_without_a_pid_namespace_takes_its_children_along_on_delete() {
    require!("root");
    if is_v2() {
        known_difference!("deletion-leftovers");
    }
    let mut b = Bundle::new();
    b.without_namespace("pid").args(&["spawn-children", "3"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    c.finish();
}

#[test]
fn processes_that_multiply_do_not_outrun_a_deletion_by_force() {
    require!("root");
    known_difference!("deletion-leftovers");
    for shared in [true, false] {
        let mut b = Bundle::probe(&["fork-chain", "6", "200000"]);
        if shared {
            b.without_namespace("pid");
        }
        let c = b.create();
        c.start().ok();
        c.wait_stdout("ready");
        let started = std::time::Instant::now();
        c.finish();
        assert!(
            started.elapsed() < patience(std::time::Duration::from_secs(10)),
            "shared pids: {shared}"
        );
    }
}

#[test]
fn annotations_and_unknown_fields_are_no_obstacle() {
    require!("container");
    let mut b = Bundle::probe(&["echo", "fine"]);
    b.set("/annotations", json!({ "org.example.key": "value" }))
        .set("/x-unknown", json!({ "a": [1] }));
    assert_eq!(b.run().ok().out(), "fine");
}

#[test]
fn a_container_without_a_process_starts_without_effect() {
    require!("container");
    known_difference!("no-process");
    let mut b = Bundle::new();
    b.remove("/process");
    let c = b.create();
    assert_eq!(c.status(), "created");
    c.start().ok();
    c.wait_status("stopped");
    c.delete().ok();
    b.assert_clean();
}
