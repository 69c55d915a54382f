//! What is done to a container while it runs, and after.

use integration_tests::engine::{Podman, Started};
use integration_tests::{Terminal, cgroup, wait_until};

tests! {
    rootful:
    further_processes,
    further_processes_that_cannot_be_run,
    further_processes_in_the_background_and_on_a_terminal,
    stopping_killing_and_starting_again,
    pausing,
    processes_and_figures,
    health,
    restarts_on_failure,
    output_is_kept,
    a_container_becomes_an_image,
    twenty_at_once,
}

/// Ends at once when it is told to, and says of SIGUSR1.
const SERVICE: &str = "trap 'exit 5' TERM; trap 'echo told' USR1; echo up; \
                       while :; do sleep 0.05; done";

fn further_processes(podman: &Podman) {
    let running = podman.start_container(&["-e", "OF=container"], &["sh", "-c", SERVICE]);
    let script = "echo $OF,$A; pwd; id -u; id -g; exit 3";
    let flags = ["-e", "A=b", "-w", "/tmp", "-u", "12:34"];
    let out = running.exec_with(&flags, &["sh", "-c", script]).exits(3);
    assert_eq!(out.stdout, "container,b\n/tmp\n12\n34\n");
    assert_eq!(running.exec_with(&["-u", "alice"], &["id", "-G"]).ok().stdout, "1001 20\n");
    let echo = running.exec_cmd(&["-i"], &["cat"]).stdin("through exec\n").run().ok();
    assert_eq!(echo.stdout, "through exec\n");
    let capabilities = |flags: &[&str]| {
        let out = running.exec_with(flags, &["grep", "CapEff", "/proc/self/status"]).ok().stdout;
        u64::from_str_radix(out.trim_end().trim_start_matches("CapEff:\t"), 16).unwrap()
    };
    let (usual, all) = (capabilities(&[]), capabilities(&["--privileged"]));
    assert!(usual & !all == 0 && all.count_ones() > 30, "{usual:x} {all:x}");
    let killed = running.exec(&["sh", "-c", "kill -KILL $$"]);
    killed.exits(137);
    let passed = running
        .exec_cmd(&["--preserve-fds=1"], &["sh", "-c", "cat <&3"])
        .through_shell("exec 3</etc/passwd; exec \"$@\"")
        .run()
        .ok();
    assert!(passed.stdout.contains("root:"), "{passed:?}");
}

fn further_processes_that_cannot_be_run(podman: &Podman) {
    let running = podman.start_container(&[], &["sh", "-c", SERVICE]);
    running.exec(&["no-such-command"]).exits(127);
    running.exec_with(&["-w", "/no/such"], &["true"]).exits(127);
    running.exec(&["/etc"]).exits(126);
    running.exec(&["/etc/passwd"]).exits(126);
    running.verb("stop", &[]).ok();
    let stopped = running.exec(&["true"]).exits(255);
    assert!(stopped.stderr.contains("container state improper"), "{stopped:?}");
}

fn further_processes_in_the_background_and_on_a_terminal(podman: &Podman) {
    let running = podman.start_container(&[], &["sh", "-c", SERVICE]);
    let session =
        running.exec_with(&["-d"], &["sh", "-c", "echo x >/tmp/made; exec sleep 1000"]).ok();
    assert_eq!(session.out().len(), 64, "{session:?}");
    wait_until("the process in the background", || {
        running.exec(&["cat", "/tmp/made"]).stdout == "x\n"
    });
    let mut terminal = Terminal::new();
    let exec = terminal.spawn(running.exec_cmd(&["-it"], &["sh", "-c", "tty; read x; exit $x"]));
    terminal.wait_for("/dev/pts/");
    terminal.type_in("7\n");
    exec.wait().exits(7);
}

fn stopping_killing_and_starting_again(podman: &Podman) {
    let state = |c: &Started<'_, Podman>| (c.status(), c.inspect("State.ExitCode"));
    let running = podman.start_container(&[], &["sh", "-c", SERVICE]);
    running.verb("stop", &[]).ok();
    assert_eq!(state(&running), ("exited".into(), "5".into()));
    running.verb("start", &[]).ok();
    running.wait_for("up\nup\n");
    running.verb("kill", &["--signal=USR1"]).ok();
    running.wait_for("told");
    running.verb("restart", &[]).ok();
    assert_eq!(running.status(), "running");
    running.verb("kill", &[]).ok();
    wait_until("killed", || state(&running) == ("exited".into(), "137".into()));
    assert_eq!(running.wait(), 137);
    // Pid 1 without handlers takes no notice of SIGTERM.
    let deaf = podman.start_container(&["--stop-timeout=0"], &["sleep", "1000"]);
    deaf.verb("stop", &[]).ok();
    assert_eq!(state(&deaf), ("exited".into(), "137".into()));
    let other = podman.start_container(
        &["--stop-signal=INT"],
        &["sh", "-c", "trap 'exit 6' INT; while :; do sleep 0.05; done"],
    );
    other.verb("stop", &[]).ok();
    assert_eq!(state(&other), ("exited".into(), "6".into()));
    let created = podman.create(&[], &["sh", "-c", "exit 9"]);
    assert_eq!(created.status(), "created");
    created.verb("init", &[]).ok();
    assert_eq!(created.status(), "initialized");
    created.verb("start", &["-a"]).exits(9);
}

fn pausing(podman: &Podman) {
    let running = podman.start_container(&[], &["sh", "-c", SERVICE]);
    let pid = running.pid();
    running.verb("pause", &[]).ok();
    assert!(cgroup::is_frozen(pid));
    assert_eq!(running.status(), "paused");
    running.exec(&["true"]).fails();
    running.verb("unpause", &[]).ok();
    assert!(!cgroup::is_frozen(pid));
    running.exec(&["true"]).ok();
    running.verb("pause", &[]).ok();
    running.verb("rm", &["-ft0"]).ok();
}

fn processes_and_figures(podman: &Podman) {
    let running = podman.start_container(&[], &["sleep", "1000"]);
    let top = running.verb("top", &[]).ok();
    assert!(top.stdout.contains("sleep 1000"), "{top:?}");
    let host = podman.client(&["top", running.id(), "hpid"]).run().ok();
    assert!(host.stdout.contains(&running.pid().to_string()), "{host:?}");
    // The ps of the image, by exec.
    let inside = podman.client(&["top", running.id(), "-o", "pid,args"]).run().ok();
    assert!(inside.stdout.contains("sleep 1000"), "{inside:?}");
    let stats = running.verb("stats", &["--no-stream", "--format={{.PIDs}}"]).ok();
    assert_eq!(stats.out(), "1");
}

fn health(podman: &Podman) {
    let flags =
        ["--health-cmd=test -e /tmp/well", "--health-interval=disable", "--health-retries=1"];
    let running = podman.start_container(&flags, &["sh", "-c", SERVICE]);
    let check = || podman.client(&["healthcheck", "run", running.id()]).run();
    check().exits(1);
    assert_eq!(running.inspect("State.Health.Status"), "unhealthy");
    running.exec(&["touch", "/tmp/well"]).ok();
    check().ok();
    assert_eq!(running.inspect("State.Health.Status"), "healthy");
}

/// podman's monitor starts it again, by way of `delete` and `create`.
fn restarts_on_failure(podman: &Podman) {
    let flags = ["--restart=on-failure:2"];
    let failing = podman.start_container(&flags, &["sh", "-c", "echo run; exit 3"]);
    wait_until("the third run", || failing.logs().stdout == "run\nrun\nrun\n");
    wait_until("its end", || failing.status() == "exited");
    assert_eq!(failing.inspect("RestartCount"), "2");
}

fn output_is_kept(podman: &Podman) {
    let done = podman.start_container(&[], &["sh", "-c", "echo out; echo err >&2; printf unended"]);
    done.wait();
    let logs = done.logs();
    assert_eq!((logs.stdout.as_str(), logs.stderr.as_str()), ("out\nunended", "err\n"));
    let events = podman.client(&[
        "events",
        "--stream=false",
        "--filter",
        &format!("container={}", done.id()),
        "--format={{.Status}}",
    ]);
    let events = events.run().ok().stdout;
    let order: Vec<_> = events.lines().filter(|l| ["init", "start", "died"].contains(l)).collect();
    assert_eq!(order, ["init", "start", "died"], "{events}");
}

fn a_container_becomes_an_image(podman: &Podman) {
    let running = podman.start_container(&[], &["sh", "-c", SERVICE]);
    running.exec(&["sh", "-c", "echo kept >/file"]).ok();
    let copied = podman.path("copied");
    podman.client(&["cp", &format!("{}:/file", running.id()), copied.to_str().unwrap()]).run().ok();
    assert_eq!(std::fs::read_to_string(copied).unwrap(), "kept\n");
    let diff = running.verb("diff", &[]).ok();
    assert!(diff.stdout.contains("A /file"), "{diff:?}");
    // Pauses it meanwhile.
    podman.client(&["commit", "-q", "--pause", running.id(), "committed"]).run().ok();
    assert_eq!(running.status(), "running");
    let flags = ["run", "--rm", "--network=none", "--cgroup-parent", &podman.cgroup_parent()];
    let out = podman.client(&flags).args(["committed", "cat", "/file"]).run().ok();
    assert_eq!(out.stdout, "kept\n");
}

/// At once and by force, whatever they are doing.
fn twenty_at_once(podman: &Podman) {
    let mut starts: Vec<_> =
        (0..20).map(|n| podman.run_cmd(&[], &["sh", "-c", &format!("exit {n}")]).spawn()).collect();
    for (n, start) in starts.drain(..).enumerate() {
        let out = start.wait();
        assert_eq!(out.status, i32::try_from(n).unwrap(), "{out:?}");
    }
}
