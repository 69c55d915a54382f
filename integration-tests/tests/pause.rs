//! `pause` and `resume`, and every other verb on what is paused.

use std::time::Duration;

use integration_tests::cgroup::{self, Parent};
use integration_tests::{Bundle, Container, known_difference, require, wait_ready, wait_until};

fn started(b: &Bundle) -> Container<'_> {
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    c
}

/// Long enough for a process that runs to be noticed.
fn a_moment() {
    std::thread::sleep(Duration::from_millis(200));
}

#[test]
fn a_paused_container_stands_still_until_it_is_resumed() {
    require!("container", "delegation");
    let b = Bundle::probe(&["trap"]);
    let c = started(&b);
    c.verb("pause", &[]).ok();
    assert!(cgroup::is_frozen(c.pid()), "when pause returns");
    assert_eq!(c.status(), "paused");
    c.kill("USR1").ok();
    a_moment();
    assert_eq!(c.stdout(), "ready\n");
    c.verb("resume", &[]).ok();
    c.wait_stdout("SIGUSR1");
    assert_eq!(c.status(), "running");
    c.finish();
}

#[test]
fn pause_returns_when_many_busy_processes_are_stopped() {
    require!("container", "delegation");
    let b = Bundle::probe(&["fork-chain", "8", "20000"]);
    let c = started(&b);
    c.verb("pause", &[]).ok();
    assert!(cgroup::is_frozen(c.pid()));
    c.verb("resume", &[]).ok();
    assert!(!cgroup::is_frozen(c.pid()));
    c.finish();
}

#[test]
fn a_created_container_can_be_paused_and_is_created_afterwards() {
    require!("container", "delegation");
    known_difference!("pause-created");
    let b = Bundle::probe(&["sleep"]);
    let c = b.create();
    c.verb("pause", &[]).ok();
    assert_eq!(c.status(), "paused");
    c.start().fails_with(&["cannot start a container in the paused state"]);
    c.verb("resume", &[]).ok();
    assert_eq!(c.status(), "created");
    c.start().ok();
    wait_ready(c.pid());
    c.finish();
}

#[test]
fn pausing_twice_is_refused() {
    require!("container", "delegation");
    known_difference!("pause-twice");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.verb("pause", &[]).ok();
    c.verb("pause", &[]).fails_with(&["container not running"]);
    assert_eq!(c.status(), "paused");
}

#[test]
fn what_is_not_paused_cannot_be_resumed() {
    require!("container", "delegation");
    known_difference!("resume-running");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.verb("resume", &[]).fails_with(&["container not paused"]);
    assert_eq!(c.status(), "running");
}

#[test]
fn a_stopped_or_unknown_container_is_neither_paused_nor_resumed() {
    require!("container", "delegation");
    let b = Bundle::probe(&["exit", "0"]);
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    c.verb("pause", &[]).fails_with(&["container not running"]);
    c.verb("resume", &[]).fails_with(&["container not paused"]);
    for verb in ["pause", "resume"] {
        b.verb(verb).arg("nobody").run().fails_with(&["container does not exist"]);
    }
}

#[test]
fn exec_into_a_paused_container_is_refused() {
    require!("container", "delegation");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.verb("pause", &[]).ok();
    let refused = c.exec(&["exit", "3"]);
    refused.fails_with(&["cannot exec in a paused container (use --ignore-paused to override)"]);
}

#[test]
fn exec_that_ignores_the_pause_runs_once_it_is_over() {
    require!("container", "delegation");
    known_difference!("exec-ignore-paused");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.verb("pause", &[]).ok();
    let words = ["--ignore-paused", b.id(), "/probe", "exit", "3"];
    let exec = b.verb("exec").args(words).spawn();
    a_moment();
    assert!(exec.is_alive());
    c.verb("resume", &[]).ok();
    exec.wait().exits(3);
}

#[test]
fn a_paused_container_can_be_killed() {
    require!("container", "delegation");
    known_difference!("kill-paused");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.verb("pause", &[]).ok();
    c.kill("KILL").ok();
    c.wait_status("stopped");
    c.delete().ok();
    b.assert_clean();
}

#[test]
fn other_signals_wait_for_the_end_of_the_pause() {
    require!("container", "delegation");
    let b = Bundle::new();
    let c = b.start_sleeper();
    wait_ready(c.pid());
    c.verb("pause", &[]).ok();
    c.kill("TERM").ok();
    a_moment();
    assert_eq!(c.status(), "paused");
    c.verb("resume", &[]).ok();
    c.wait_status("stopped");
}

#[test]
fn a_paused_container_is_deleted_by_force_alone() {
    require!("container", "delegation");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.verb("pause", &[]).ok();
    let words = format!("cannot delete container {} that is not stopped: paused", b.id());
    c.delete().fails_with(&[&words]);
    assert_eq!(c.status(), "paused");
    c.finish();
}

#[test]
fn processes_that_outlive_their_init_are_deleted_when_paused_too() {
    require!("root");
    known_difference!("paused-leftovers");
    let mut b = Bundle::new();
    b.without_namespace("pid").args(&["spawn-children", "3"]);
    let c = started(&b);
    c.verb("pause", &[]).ok();
    c.finish();
}

#[test]
fn a_frozen_parent_does_not_make_a_container_paused() {
    require!("root", "cgroupfs");
    known_difference!("frozen-parent");
    let mut b = Bundle::new();
    let parent = Parent::new(&format!("{}-parent", b.id()));
    b.set("/linux/cgroupsPath", parent.path(b.id()));
    let c = b.start_sleeper();
    cgroup::freeze(&parent.dir(), true);
    wait_until("frozen", || cgroup::is_frozen(c.pid()));
    assert_eq!(c.status(), "running");
    c.kill("KILL").ok();
    cgroup::freeze(&parent.dir(), false);
    c.wait_status("stopped");
    c.delete().ok();
    drop(parent);
    b.assert_clean();
}

#[test]
fn a_deletion_that_a_frozen_parent_prevents_says_so_and_succeeds_later() {
    require!("root", "cgroupfs", "teu", "cgroup1");
    let mut b = Bundle::new();
    let parent = Parent::new(&format!("{}-parent", b.id()));
    b.set("/linux/cgroupsPath", parent.path(b.id()));
    let c = b.start_sleeper();
    cgroup::freeze(&parent.dir(), true);
    wait_until("frozen", || cgroup::is_frozen(c.pid()));
    let refused = c.verb("delete", &["--force"]);
    refused.fails_with(&["container init still running: a parent of its cgroup is frozen"]);
    cgroup::freeze(&parent.dir(), false);
    c.verb("delete", &["--force"]).ok();
    drop(parent);
    b.assert_clean();
}

#[test]
fn a_container_is_not_created_in_a_frozen_cgroup() {
    require!("root", "cgroupfs");
    known_difference!("frozen-cgroup");
    let mut b = Bundle::new();
    let parent = Parent::new(&format!("{}-parent", b.id()));
    b.set("/linux/cgroupsPath", parent.path(b.id()));
    cgroup::freeze(&parent.dir(), true);
    b.try_create().fails_with(&["container's cgroup unexpectedly frozen"]);
    assert!(!parent.dir().join(b.id()).exists());
    drop(parent);
    b.assert_clean();
}

#[test]
fn a_container_is_not_created_in_a_cgroup_with_processes() {
    require!("root", "cgroupfs");
    known_difference!("populated-cgroup");
    let mut first = Bundle::new();
    let path = format!("/{}-shared", first.id());
    first.set("/linux/cgroupsPath", path.clone());
    let c = first.start_sleeper();
    let mut second = Bundle::new();
    second.set("/linux/cgroupsPath", path);
    second.try_create().fails_with(&["container's cgroup is not empty: 1 process(es) found"]);
    second.assert_clean();
    assert_eq!(c.status(), "running");
    c.finish();
}
