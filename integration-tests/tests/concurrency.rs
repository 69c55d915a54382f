//! Several commands at once.

use std::thread;

use integration_tests::{Bundle, known_difference, require, wait_until};

#[test]
fn of_several_creates_with_one_id_exactly_one_wins() {
    require!("container");
    known_difference!("create-race");
    for _ in 0..3 {
        let b = Bundle::probe(&["sleep"]);
        b.write();
        let create = || b.verb("create").arg("--bundle").arg(b.path()).arg(b.id()).spawn();
        let all: Vec<_> = (0..4).map(|_| create()).collect();
        let won = all.into_iter().map(|c| c.wait()).filter(|o| o.status == 0).count();
        assert_eq!(won, 1);
        assert_eq!(b.verb("state").arg(b.id()).run().ok().json()["status"], "created");
        b.verb("delete").args(["--force", b.id()]).run().ok();
        b.assert_clean();
    }
}

#[test]
fn containers_with_different_ids_do_not_meet() {
    require!("container");
    thread::scope(|scope| {
        for n in 0..6 {
            scope.spawn(move || {
                let b = Bundle::probe(&["exit", &n.to_string()]);
                b.run().exits(n);
            });
        }
    });
}

#[test]
fn of_two_starts_one_wins() {
    require!("container");
    known_difference!("start-race");
    let b = Bundle::probe(&["sleep"]);
    let c = b.create();
    let both = [0, 1].map(|_| b.verb("start").arg(b.id()).spawn());
    let won = both.into_iter().map(|s| s.wait()).filter(|o| o.status == 0).count();
    assert_eq!(won, 1);
    assert_eq!(c.status(), "running");
}

#[test]
fn deletes_at_once_leave_nothing() {
    require!("container");
    let b = Bundle::new();
    b.start_sleeper();
    let both = [0, 1, 2].map(|_| b.verb("delete").args(["--force", b.id()]).spawn());
    let won = both.into_iter().map(|d| d.wait()).filter(|o| o.status == 0).count();
    assert!(won >= 1);
    b.assert_clean();
}

#[test]
fn many_execs_at_once_all_run() {
    require!("container");
    let b = Bundle::new();
    let _c = b.start_sleeper();
    let all: Vec<_> = (0..6)
        .map(|n| b.verb("exec").args([b.id(), "/probe", "exit", &n.to_string()]).spawn())
        .collect();
    let statuses: Vec<i32> = all.into_iter().map(|e| e.wait().status).collect();
    assert_eq!(statuses, [0, 1, 2, 3, 4, 5]);
}

#[test]
fn an_exec_ends_when_the_container_does() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let exec = b.verb("exec").args([b.id(), "/probe", "trap"]).spawn();
    exec.wait_for("ready");
    c.kill("KILL").ok();
    exec.wait().exits(137);
    wait_until("stopped", || c.status() == "stopped");
}
