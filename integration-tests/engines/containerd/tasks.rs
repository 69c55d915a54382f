//! `ctr task` and `ctr container`.

use integration_tests::engine::{Containerd, Task};
use integration_tests::{Terminal, known_difference, wait_until};

tests! { shared:
    created_started_and_deleted,
    statuses_of_an_exec,
    an_exec_in_a_terminal,
    paused_and_resumed,
    signals_to_one_and_to_all,
    processes_are_listed,
    metrics,
    running_out_of_memory_is_an_event,
    many_at_once,
}

fn sleeper<'a>(containerd: &'a Containerd, flags: &[&str]) -> Task<'a> {
    containerd.start_container(flags, &["sleep", "1000"])
}

fn created_started_and_deleted(containerd: &Containerd) {
    let box_ = containerd.start_container(&[], &["sh", "-c", "echo ran; exit 3"]);
    box_.wait_status("STOPPED");
    assert_eq!(box_.log(), "ran\n");
    assert_eq!(box_.delete(), 3);
    let list = containerd.ctr(&["task", "ls", "-q"]).run().ok().stdout;
    assert!(!list.lines().any(|id| id == box_.id()), "{list}");
    // The container is still there, and takes another task.
    let started = containerd.ctr(&["task", "start", box_.id()]).run().exits(3);
    assert_eq!(started.stdout, "ran\n");
    let running = sleeper(containerd, &[]);
    running.verb("rm", &[], &[]).fails();
    assert_eq!(running.listed().0, "RUNNING");
}

fn statuses_of_an_exec(containerd: &Containerd) {
    let box_ = sleeper(containerd, &[]);
    // ctr stops copying a moment after the end, on a busy machine before the second stream has come.
    let out = box_.exec(&["sh", "-c", "echo out; echo err >&2; sleep 1; exit 3"]).exits(3);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("out\n", "err\n"));
    box_.exec(&["sh", "-c", "kill -9 $$"]).exits(137);
    let flags = ["--user=1000:1001", "--cwd=/tmp"];
    let out = box_.exec_cmd(&flags, &["sh", "-c", "id -u; id -g; pwd"]).run().ok();
    assert_eq!(out.stdout, "1000\n1001\n/tmp\n");
    let input = box_.exec_cmd(&[], &["wc", "-l"]).stdin("a\nb\n").run().ok();
    assert_eq!(input.stdout, "2\n");
    box_.exec_cmd(&["-d"], &["sleep", "2000"]).run().ok();
    known_difference!("wording");
    let text = "executable file not found in $PATH";
    box_.exec(&["no-such-command"]).fails_with(&[text]);
}

fn an_exec_in_a_terminal(containerd: &Containerd) {
    let box_ = sleeper(containerd, &[]);
    let mut terminal = Terminal::new();
    let shell = terminal.spawn(box_.exec_cmd(&["-t"], &["sh"]));
    terminal.wait_for("# ");
    terminal.type_until("stty size\n", "30 100");
    terminal.type_in("tty; exit 6\n");
    terminal.wait_for("/dev/pts/");
    shell.wait().exits(6);
}

fn paused_and_resumed(containerd: &Containerd) {
    let script = "i=0; while :; do i=$((i + 1)); echo $i > /tmp/count; sleep 0.02; done";
    let box_ = containerd.start_container(&[], &["sh", "-c", script]);
    let file = format!("/proc/{}/root/tmp/count", box_.listed().1);
    let count = || std::fs::read_to_string(&file).unwrap_or_default();
    wait_until("counting", || count().len() > 1);
    box_.verb("pause", &[], &[]).ok();
    assert_eq!(box_.listed().0, "PAUSED");
    let then = count();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(count(), then);
    box_.verb("resume", &[], &[]).ok();
    assert_eq!(box_.listed().0, "RUNNING");
    wait_until("counting on", || count() != then);
}

fn signals_to_one_and_to_all(containerd: &Containerd) {
    // With the first process's end the kernel kills the other, perhaps before that has acted on its signal.
    let script = "trap 'echo got HUP' HUP; trap 'echo got TERM; sleep 0.5; exit 4' TERM;
        echo ready; while :; do sleep 0.1; done";
    let box_ = containerd.start_container(&[], &["sh", "-c", script]);
    box_.wait_for("ready");
    box_.verb("kill", &["-s", "SIGHUP"], &[]).ok();
    box_.wait_for("got HUP");
    let exec = box_.exec_cmd(&[], &["sleep", "2000"]).spawn();
    let sleeps = || box_.exec(&["pidof", "sleep"]).stdout.split_whitespace().count() > 1;
    wait_until("two of them", sleeps);
    box_.verb("kill", &["-s", "SIGTERM", "-a"], &[]).ok();
    exec.wait().exits(143);
    box_.wait_status("STOPPED");
    assert!(box_.log().contains("got TERM\n"), "{}", box_.log());
    box_.verb("kill", &[], &[]).fails();
    assert_eq!(box_.delete(), 4);
}

fn processes_are_listed(containerd: &Containerd) {
    let box_ = sleeper(containerd, &[]);
    box_.exec_cmd(&["-d"], &["sleep", "2000"]).run().ok();
    let list = box_.verb("ps", &[], &[]).ok().stdout;
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.contains(&box_.listed().1.to_string()), "{list}");
}

fn metrics(containerd: &Containerd) {
    let script = "dd if=/dev/zero of=/dev/shm/filled bs=1M count=8; exec sleep 1000";
    let box_ = containerd.start_container(&["--memory-limit=67108864"], &["sh", "-c", script]);
    let mut last = String::new();
    wait_until("8 MiB", || {
        last = box_.verb("metrics", &[], &[]).ok().stdout;
        let usage = last.lines().find_map(|line| line.strip_prefix("memory.usage_in_bytes"));
        usage.is_some_and(|bytes| bytes.trim().parse::<u64>().unwrap() > 8 << 20)
    });
    assert!(last.contains("pids.current"), "{last}");
}

fn running_out_of_memory_is_an_event(containerd: &Containerd) {
    let events = containerd.ctr(&["events"]).spawn();
    let flags = ["--memory-limit=16777216"];
    let box_ = containerd.start_container(&flags, &["sh", "-c", "sleep 0.3; tail /dev/zero"]);
    let id = box_.id();
    box_.wait_status("STOPPED");
    let has = |topic: &str| {
        let all = events.stdout();
        let mut lines = all.lines();
        lines.any(|line| line.contains(topic) && line.contains(&format!("{id:?}")))
    };
    for topic in ["/tasks/create", "/tasks/start", "/tasks/oom", "/tasks/exit"] {
        wait_until(topic, || has(topic));
    }
    assert_eq!(box_.delete(), 137);
    wait_until("/tasks/delete", || has("/tasks/delete"));
}

fn many_at_once(containerd: &Containerd) {
    let run = |n: u32| containerd.run_cmd(&[], &["sh", "-c", &format!("echo {n}; exit {n}")]);
    let all: Vec<_> = (0..20).map(|n| run(n).spawn()).collect();
    for (n, running) in (0..20).zip(all) {
        assert_eq!(running.wait().exits(n).out(), n.to_string());
    }
}
