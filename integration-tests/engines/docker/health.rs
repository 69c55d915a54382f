//! Health checks: an exec at intervals.

use integration_tests::engine::{Docker, Started};
use integration_tests::wait_until;

tests! { shared:
    healthy_then_not_then_healthy_again,
    a_check_that_hangs_or_cannot_be_run,
    checks_leave_nothing_behind,
}

fn checked<'a>(docker: &'a Docker, check: &str) -> Started<'a, Docker> {
    let check = format!("--health-cmd={check}");
    let flags = [
        "--init",
        &check,
        "--health-interval=100ms",
        "--health-timeout=500ms",
        "--health-retries=2",
    ];
    docker.start_container(&flags, &["sleep", "1000"])
}

fn wait_health(box_: &Started<'_, Docker>, status: &str) {
    wait_until(status, || box_.inspect("State.Health.Status") == status);
}

fn healthy_then_not_then_healthy_again(docker: &Docker) {
    let box_ = checked(docker, "echo looked; test ! -e /tmp/ill");
    wait_health(&box_, "healthy");
    box_.exec(&["touch", "/tmp/ill"]).ok();
    wait_health(&box_, "unhealthy");
    let log = box_.verb("inspect", &["--format={{json .State.Health.Log}}"]).ok().json();
    let last = log.as_array().unwrap().last().unwrap();
    assert_eq!((&last["ExitCode"], &last["Output"]), (&1.into(), &"looked\n".into()));
    assert_eq!(box_.status(), "running");
    box_.exec(&["rm", "/tmp/ill"]).ok();
    wait_health(&box_, "healthy");
}

fn a_check_that_hangs_or_cannot_be_run(docker: &Docker) {
    let hanging = checked(docker, "sleep 300");
    wait_health(&hanging, "unhealthy");
    let missing = checked(docker, "no-such-command");
    wait_health(&missing, "unhealthy");
}

fn checks_leave_nothing_behind(docker: &Docker) {
    let box_ = checked(docker, "true");
    wait_health(&box_, "healthy");
    let many = || {
        let log = box_.verb("inspect", &["--format={{json .State.Health.Log}}"]).ok().json();
        log.as_array().unwrap().len() >= 5
    };
    wait_until("five checks", many);
    wait_until("init and sleep alone", || box_.verb("top", &[]).ok().stdout.lines().count() == 3);
}
