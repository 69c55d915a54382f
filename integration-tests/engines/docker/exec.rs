//! `docker exec`.

use integration_tests::engine::{Docker, Started};
use integration_tests::{Terminal, known_difference, wait_until};

tests! { shared:
    statuses_and_output,
    as_another_user_elsewhere_with_variables,
    in_the_background,
    input,
    in_a_terminal,
    it_is_the_container_s_own_world,
    refused_where_nothing_runs,
    many_at_once,
    listed_by_inspect_while_it_runs,
}

fn sleeper<'a>(docker: &'a Docker, flags: &[&str]) -> Started<'a, Docker> {
    docker.start_container(flags, &["sleep", "1000"])
}

fn statuses_and_output(docker: &Docker) {
    let box_ = sleeper(docker, &[]);
    let out = box_.exec(&["sh", "-c", "echo out; echo err >&2; exit 3"]).exits(3);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("out\n", "err\n"));
    box_.exec(&["sh", "-c", "kill -9 $$"]).exits(137);
    box_.exec(&["sh", "-c", "kill $$"]).exits(143);
    known_difference!("wording");
    // Daemons before 23.0 say 126 of a missing command, too.
    let missing = box_.exec(&["no-such-command"]);
    assert!([126, 127].contains(&missing.status), "{missing:?}");
    assert!((missing.stdout + &missing.stderr).contains("executable file not found in $PATH"));
    box_.exec(&["/etc"]).exits(126);
}

fn as_another_user_elsewhere_with_variables(docker: &Docker) {
    let box_ = sleeper(docker, &["-e", "KEPT=yes", "-e", "CHANGED=no"]);
    let flags = ["-u", "alice", "-w", "/home/alice", "-e", "CHANGED=new", "-e", "ADDED=1"];
    let script =
        "id -u; id -g; id -G; pwd; echo $KEPT $CHANGED $ADDED; grep CapEff /proc/self/status";
    let out = box_.exec_with(&flags, &["sh", "-c", script]).ok().stdout;
    assert_eq!(out, "1000\n1001\n1001 20\n/home/alice\nyes new 1\nCapEff:\t0000000000000000\n");
    let numbers = box_.exec_with(&["-u", "7:8"], &["sh", "-c", "id -u; id -g"]).ok().stdout;
    assert_eq!(numbers, "7\n8\n");
    box_.exec_with(&["-u", "nobody-here"], &["true"]).fails();
    box_.exec_with(&["-w", "/no/such"], &["pwd"]).fails();
}

fn in_the_background(docker: &Docker) {
    let box_ = sleeper(docker, &[]);
    box_.exec_with(&["-d"], &["sh", "-c", "sleep 0.2; echo done > /tmp/mark; exec sleep 2000"])
        .ok();
    wait_until("the mark", || box_.exec(&["cat", "/tmp/mark"]).stdout == "done\n");
    let top = box_.verb("top", &[]).ok().stdout;
    assert!(top.contains("sleep 1000") && top.contains("sleep 2000"), "{top}");
}

fn input(docker: &Docker) {
    let box_ = sleeper(docker, &[]);
    let out = box_.exec_cmd(&["-i"], &["wc", "-l"]).stdin("a\nb\nc\n").run().ok();
    assert_eq!(out.stdout, "3\n");
    let large = "x".repeat(300_000);
    let out = box_.exec_cmd(&["-i"], &["cat"]).stdin(large.clone()).run().ok();
    assert_eq!(out.stdout.len(), large.len());
}

fn in_a_terminal(docker: &Docker) {
    let box_ = sleeper(docker, &[]);
    let mut terminal = Terminal::new();
    let shell = terminal.spawn(box_.exec_cmd(&["-it"], &["sh"]));
    terminal.wait_for("# ");
    terminal.type_until("stty size\n", "30 100");
    terminal.type_in("tty; echo $((6 * 7))\n");
    terminal.wait_for("/dev/pts/");
    terminal.wait_for("42");
    terminal.resize(40, 120);
    terminal.type_until("stty size\n", "40 120");
    terminal.type_in("sleep 2000\n");
    wait_until("asleep", || box_.verb("top", &[]).ok().stdout.contains("sleep 2000"));
    terminal.type_in("\x03");
    wait_until("awake", || !box_.verb("top", &[]).ok().stdout.contains("sleep 2000"));
    terminal.type_in("exit 5\n");
    shell.wait().exits(5);
}

fn it_is_the_container_s_own_world(docker: &Docker) {
    let flags =
        ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--pids-limit=20", "-h", "own"];
    let box_ = sleeper(docker, &flags);
    let lines = "grep -E '^(NoNewPrivs|Seccomp|CapBnd):' /proc/self/status; hostname; cat /proc/self/cgroup";
    let out = box_.exec(&["sh", "-c", lines]).ok().stdout;
    assert!(
        out.starts_with("CapBnd:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nown\n"),
        "{out}"
    );
    let first = box_.exec(&["cat", "/proc/1/cgroup"]).ok().stdout;
    assert!(out.ends_with(&first), "{out}{first}");
    // Nothing but the three streams, and what cat opens.
    assert_eq!(box_.exec(&["ls", "/proc/self/fd"]).ok().stdout, "0\n1\n2\n3\n");
}

fn refused_where_nothing_runs(docker: &Docker) {
    let created = docker.create(&[], &["true"]);
    created.exec(&["true"]).fails_with(&["is not running"]);
    let paused = sleeper(docker, &[]);
    paused.verb("pause", &[]).ok();
    paused.exec(&["true"]).fails_with(&["is paused, unpause the container before exec"]);
    paused.verb("unpause", &[]).ok();
    paused.exec(&["true"]).ok();
}

fn many_at_once(docker: &Docker) {
    let box_ = sleeper(docker, &[]);
    let all: Vec<_> = (0..20)
        .map(|n| box_.exec_cmd(&[], &["sh", "-c", &format!("echo {n}; exit {n}")]).spawn())
        .collect();
    for (n, running) in (0..20).zip(all) {
        assert_eq!(running.wait().exits(n).out(), n.to_string());
    }
    let top = box_.verb("top", &[]).ok().stdout;
    assert_eq!(top.lines().count(), 2, "{top}");
}

fn listed_by_inspect_while_it_runs(docker: &Docker) {
    let box_ = sleeper(docker, &[]);
    let running = box_.exec_cmd(&[], &["sleep", "300"]).spawn();
    wait_until("an exec id", || box_.inspect("ExecIDs").len() > 60);
    box_.exec(&["sh", "-c", "kill $(pidof sleep | tr ' ' '\\n' | grep -v '^1$')"]).ok();
    running.wait().exits(143);
    wait_until("no exec id", || box_.inspect("ExecIDs").len() < 60);
}
