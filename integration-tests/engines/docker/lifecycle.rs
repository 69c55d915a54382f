//! A container's life: every verb that begins, changes or ends it.

use integration_tests::engine::{Docker, Started};
use integration_tests::{differences, wait_until};
use nix::sys::signal::Signal;

tests! { shared:
    created_started_ended_and_started_again,
    stopped_by_its_own_signal_or_by_force,
    signals_by_kill,
    signals_of_the_client_are_passed_on,
    paused_and_resumed,
    waiting_and_attaching,
    logs_in_parts,
    top_shows_processes,
    renamed_listed_and_removed,
    restart_policies,
    events_in_their_order,
    a_failed_start_leaves_it_created,
}

fn sleeper<'a>(docker: &'a Docker, flags: &[&str]) -> Started<'a, Docker> {
    docker.start_container(flags, &["sleep", "1000"])
}

/// Says `ready`, then `got NAME` for each of these signals; ends after TERM.
const LISTENER: &str =
    "trap 'echo got HUP' HUP; trap 'echo got USR1' USR1; trap 'echo got TERM; exit 4' TERM;
    echo ready; while :; do sleep 0.1; done";

fn listener<'a>(docker: &'a Docker, flags: &[&str]) -> Started<'a, Docker> {
    let box_ = docker.start_container(flags, &["sh", "-c", LISTENER]);
    box_.wait_for("ready");
    box_
}

fn created_started_ended_and_started_again(docker: &Docker) {
    let box_ = docker.create(&[], &["sh", "-c", "echo started >> /count; cat /count; exit 3"]);
    assert_eq!(box_.status(), "created");
    let first = box_.verb("start", &["-a"]).exits(3);
    assert_eq!(first.stdout, "started\n");
    assert_eq!((box_.status().as_str(), box_.inspect("State.ExitCode").as_str()), ("exited", "3"));
    let second = box_.verb("start", &["-a"]).exits(3);
    assert_eq!(second.stdout, "started\nstarted\n", "its files are kept");
    let running = sleeper(docker, &[]);
    let pid = running.pid();
    running.verb("start", &[]).ok();
    assert_eq!(running.pid(), pid);
    running.verb("restart", &["-t", "0"]).ok();
    assert_ne!(running.pid(), pid);
    assert_eq!(running.status(), "running");
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}

fn stopped_by_its_own_signal_or_by_force(docker: &Docker) {
    let box_ = listener(docker, &[]);
    box_.verb("stop", &["-t", "20"]).ok();
    assert_eq!(box_.inspect("State.ExitCode"), "4");
    assert!(box_.logs().stdout.ends_with("got TERM\n"));
    // Takes no notice of USR1, and is killed after the time given.
    let deaf = listener(docker, &["--stop-signal=USR1", "--stop-timeout=1"]);
    deaf.verb("stop", &[]).ok();
    assert_eq!(deaf.inspect("State.ExitCode"), "137");
    assert!(deaf.logs().stdout.contains("got USR1\n") && !deaf.logs().stdout.contains("TERM"));
    deaf.verb("stop", &[]).ok();
}

fn signals_by_kill(docker: &Docker) {
    let box_ = listener(docker, &[]);
    box_.verb("kill", &["-s", "HUP"]).ok();
    box_.wait_for("got HUP");
    box_.verb("kill", &["--signal=10"]).ok();
    box_.wait_for("got USR1");
    box_.verb("kill", &["-s", "NOSUCH"]).fails();
    assert_eq!(box_.status(), "running");
    box_.verb("kill", &[]).ok();
    assert_eq!(box_.wait(), 137);
    box_.verb("kill", &[]).fails_with(&["is not running"]);
}

fn signals_of_the_client_are_passed_on(docker: &Docker) {
    let client = docker.run_cmd(&["--rm"], &["sh", "-c", LISTENER]).spawn();
    client.wait_for("ready");
    client.signal(Signal::SIGHUP);
    client.wait_for("got HUP");
    client.signal(Signal::SIGTERM);
    assert_eq!(client.wait().exits(4).stdout, "ready\ngot HUP\ngot TERM\n");
}

fn paused_and_resumed(docker: &Docker) {
    let script = "i=0; while :; do i=$((i + 1)); echo $i > /dev/shm/count; sleep 0.02; done";
    let box_ = docker.start_container(&[], &["sh", "-c", script]);
    let shared = format!("/proc/{}/root/dev/shm/count", box_.pid());
    let count = || std::fs::read_to_string(&shared).unwrap_or_default();
    wait_until("counting", || count().len() > 1);
    box_.verb("pause", &[]).ok();
    assert_eq!((box_.status().as_str(), box_.inspect("State.Paused").as_str()), ("paused", "true"));
    let then = count();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(count(), then);
    if !differences::applies("pause-twice") {
        box_.verb("pause", &[]).fails_with(&["is already paused"]);
    }
    box_.verb("unpause", &[]).ok();
    wait_until("counting on", || count() != then);
    box_.verb("unpause", &[]).fails_with(&["is not paused"]);
    // What is frozen has to be thawed to die.
    box_.verb("pause", &[]).ok();
    box_.verb("rm", &["-f"]).ok();
}

fn waiting_and_attaching(docker: &Docker) {
    let box_ = listener(docker, &[]);
    let waiter = docker.client(&["wait", box_.id()]).spawn();
    let attached = docker.client(&["attach", "--no-stdin", box_.id()]).spawn();
    wait_until("attached", || {
        box_.verb("kill", &["-s", "HUP"]).ok();
        attached.stdout().contains("got HUP")
    });
    assert!(waiter.is_alive());
    box_.verb("kill", &["-s", "TERM"]).ok();
    attached.wait().exits(4);
    assert_eq!(waiter.wait().ok().stdout, "4\n");
    // With input.
    let cat = docker.create(&["-i"], &["sh", "-c", "read line; echo got $line; exit 6"]);
    let out = docker.client(&["start", "-ai", cat.id()]).stdin("this\n").run();
    assert_eq!(out.exits(6).stdout, "got this\n");
}

fn logs_in_parts(docker: &Docker) {
    let script = "echo one; echo two >&2; echo three; sleep 0.3; echo four; sleep 1000";
    let box_ = docker.start_container(&[], &["sh", "-c", script]);
    box_.wait_for("four");
    let all = box_.logs();
    assert_eq!((all.stdout.as_str(), all.stderr.as_str()), ("one\nthree\nfour\n", "two\n"));
    assert_eq!(box_.verb("logs", &["--tail=1"]).ok().stdout, "four\n");
    let stamped = box_.verb("logs", &["-t", "--tail=1"]).ok().stdout;
    assert!(stamped.starts_with("20") && stamped.ends_with("Z four\n"), "{stamped}");
    let follower = docker.client(&["logs", "-f", box_.id()]).spawn();
    follower.wait_for("four");
    assert!(follower.is_alive());
    box_.verb("kill", &[]).ok();
    follower.wait().ok();
}

fn top_shows_processes(docker: &Docker) {
    let box_ = docker.start_container(&[], &["sh", "-c", "sleep 2000 & sleep 1000"]);
    let mut last = String::new();
    wait_until("both of them", || {
        last = docker.client(&["top", box_.id(), "-o", "pid,args"]).run().ok().stdout;
        last.lines().count() == 3
    });
    assert!(last.contains("sleep 1000") && last.contains("sleep 2000"), "{last}");
    assert!(last.contains(&box_.pid().to_string()), "{last}");
}

fn renamed_listed_and_removed(docker: &Docker) {
    let name = |text: &str| format!("{text}-{}", std::process::id());
    let box_ = sleeper(docker, &["--name", &name("before"), "--label=mine=yes"]);
    box_.verb("rename", &[]).fails();
    docker.client(&["rename", box_.id(), &name("after")]).run().ok();
    let ps = |flags: &[&str]| {
        docker.client(&["ps", "--format={{.Names}}"]).args(flags).run().ok().stdout
    };
    assert_eq!(ps(&["--filter=label=mine=yes"]), name("after") + "\n");
    box_.verb("rm", &[]).fails_with(&["You cannot remove a running container"]);
    box_.verb("kill", &[]).ok();
    box_.wait_status("exited");
    assert_eq!(ps(&["--filter=label=mine=yes"]), "");
    assert_eq!(ps(&["-a", "--filter=label=mine=yes"]), name("after") + "\n");
    docker.client(&["rm", &name("after")]).run().ok();
    box_.verb("inspect", &[]).fails();
}

fn restart_policies(docker: &Docker) {
    let script = "echo turn; exit 9";
    let failing = docker.start_container(&["--restart=on-failure:2"], &["sh", "-c", script]);
    wait_until("given up", || {
        failing.status() == "exited" && failing.inspect("RestartCount") == "2"
    });
    assert_eq!(failing.logs().stdout, "turn\n".repeat(3));
    let well = docker.start_container(&["--restart=on-failure:2"], &["true"]);
    assert_eq!((well.wait(), well.inspect("RestartCount")), (0, "0".into()));
    let always = docker.start_container(&["--restart=always"], &["sleep", "1000"]);
    let pid = always.pid();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait_until("there again", || always.status() == "running" && always.pid() != pid);
    always.verb("stop", &["-t", "0"]).ok();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(always.status(), "exited", "asked for");
}

fn events_in_their_order(docker: &Docker) {
    let box_ = docker.create(&[], &["sleep", "1000"]);
    box_.verb("start", &[]).ok();
    box_.exec(&["true"]).ok();
    box_.verb("pause", &[]).ok();
    box_.verb("unpause", &[]).ok();
    box_.verb("kill", &[]).ok();
    box_.wait_status("exited");
    box_.verb("rm", &[]).ok();
    let filter = format!("--filter=container={}", box_.id());
    let all =
        docker.client(&["events", "--since=10m", "--until=0s", &filter, "--format={{.Action}}"]);
    let mut told = String::new();
    let mut all = Some(all);
    // `--until` has whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    if let Some(command) = all.take() {
        told = command.run().ok().stdout;
    }
    let told: Vec<&str> = told.lines().filter_map(|line| line.split(':').next()).collect();
    let expected = [
        "create",
        "start",
        "exec_create",
        "exec_start",
        "exec_die",
        "pause",
        "unpause",
        "kill",
        "die",
        "destroy",
    ];
    let mut rest = told.iter();
    for event in expected {
        assert!(rest.any(|told| *told == event), "{event} in {told:?}");
    }
}

fn a_failed_start_leaves_it_created(docker: &Docker) {
    let box_ = docker.create(&[], &["no-such-command"]);
    let failed = box_.verb("start", &[]);
    assert_ne!(failed.status, 0);
    assert_eq!(box_.status(), "created");
    if !differences::applies("wording") {
        assert_eq!(box_.inspect("State.ExitCode"), "127");
        assert!(box_.inspect("State.Error").contains("executable file not found"), "{failed:?}");
    }
}
