//! `podman run`: what the process is, as whom and with what rights it runs.

use std::time::Duration;

use integration_tests::engine::Podman;
use integration_tests::{Terminal, differences, known_difference, require};

tests! {
    rootful:
    output_and_status_are_the_process_s,
    statuses_of_a_command_that_cannot_be_run,
    a_terminal,
    environment_directory_and_hostname,
    users_and_groups,
    capabilities_and_seccomp,
    a_filter_of_the_user_s,
    limits_of_the_process_and_sysctls,
    an_init_that_reaps,
    a_time_limit_ends_it,
    memory_runs_out,
    limits_of_the_cgroup,
    limits_changed_while_it_runs,
}

fn output_and_status_are_the_process_s(podman: &Podman) {
    let out = podman.run(&[], &["sh", "-c", "echo hi; echo oops >&2; exit 7"]).exits(7);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("hi\n", "oops\n"));
    let echo = podman.run_cmd(&["-i"], &["cat"]).stdin("through cat\n").run().ok();
    assert_eq!(echo.stdout, "through cat\n");
}

/// podman derives these statuses from the runtime's wording.
fn statuses_of_a_command_that_cannot_be_run(podman: &Podman) {
    podman.run(&["--no-such-flag"], &["true"]).exits(125);
    podman.run(&[], &["no-such-command"]).exits(127);
    podman.run(&[], &["/no/such/command"]).exits(127);
    podman.run(&[], &["/etc"]).exits(126);
    let denied = podman.run(&[], &["/etc/passwd"]).exits(126);
    assert!(
        differences::listed("wording") || denied.stderr.contains("OCI permission denied"),
        "{denied:?}"
    );
    podman.run(&["--workdir=/etc/passwd"], &["true"]).fails();
}

fn a_terminal(podman: &Podman) {
    let mut terminal = Terminal::new();
    // podman sets the size when the process runs already.
    let script = "while [ \"$(stty size)\" != '30 100' ]; do sleep 0.05; done; stty size; tty;
        read line; echo \"<$line>\"; exit 5";
    let running = terminal.spawn(podman.run_cmd(&["-it"], &["sh", "-c", script]));
    terminal.wait_for("/dev/pts/0");
    assert!(terminal.seen().contains("30 100"), "{}", terminal.seen());
    terminal.type_in("typed\n");
    terminal.wait_for("<typed>");
    running.wait().exits(5);
}

fn environment_directory_and_hostname(podman: &Podman) {
    let flags = ["-e", "A=a b", "-w", "/tmp", "-h", "box", "--tz=Etc/UTC", "--umask=0077"];
    let script =
        "echo $A,$HOME,$HOSTNAME,$container; pwd; hostname; cat /etc/hostname; echo; umask";
    let out = podman.run(&flags, &["sh", "-c", script]);
    assert_eq!(out.ok().stdout, "a b,/root,box,podman\n/tmp\nbox\nbox\n0077\n");
}

fn users_and_groups(podman: &Podman) {
    let id = |flags: &[&str]| {
        podman.run(flags, &["sh", "-c", "id -u; id -g; id -G; echo $HOME"]).ok().stdout
    };
    assert_eq!(id(&["-u", "alice"]), "1000\n1001\n1001 20\n/home/alice\n");
    assert_eq!(id(&["-u", "4711:4712"]), "4711\n4712\n4712\n/\n");
    let added = id(&["-u", "5:6", "--group-add=4711", "--group-add=dialers"]);
    let groups = added.lines().nth(2).unwrap();
    assert!(["20", "4711"].iter().all(|g| groups.split(' ').any(|have| have == *g)), "{added}");
}

/// Effective capabilities, and whether new privileges and which system calls are allowed.
fn rights(podman: &Podman, flags: &[&str]) -> String {
    let out = podman.run(flags, &["grep", "-E", "CapEff|NoNewPrivs|Seccomp:", "/proc/self/status"]);
    let out = out.ok().stdout;
    out.lines().map(|l| l.split('\t').nth(1).unwrap()).collect::<Vec<_>>().join(" ")
}

fn capabilities_and_seccomp(podman: &Podman) {
    let usual = rights(podman, &[]);
    assert!(usual.ends_with(" 0 2") && !usual.starts_with("0000000000000000"), "{usual}");
    let flags = ["--cap-drop=all", "--cap-add=chown", "--security-opt=no-new-privileges"];
    assert_eq!(rights(podman, &flags), "0000000000000001 1 2");
    let off = rights(podman, &["--security-opt=seccomp=unconfined", "--cap-drop=all"]);
    assert_eq!(off, "0000000000000000 0 0");
}

fn a_filter_of_the_user_s(podman: &Podman) {
    let file = podman.path("filter.json");
    let rules = r#"{"defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 71}]}"#;
    std::fs::write(&file, rules).unwrap();
    let option = format!("--security-opt=seccomp={}", file.display());
    let out = podman.run(&[&option], &["mkdir", "/tmp/x"]);
    assert!(out.status != 0 && out.stderr.contains("Protocol error"), "{out:?}");
}

fn limits_of_the_process_and_sysctls(podman: &Podman) {
    let flags = [
        "--ulimit=nofile=100:200",
        // Else podman would raise it, which needs CAP_SYS_RESOURCE.
        "--ulimit=nproc=2048:2048",
        "--ulimit=core=0:0",
        "--oom-score-adj=300",
        "--sysctl=net.ipv4.ip_forward=1",
        "--sysctl=kernel.msgmax=4242",
        "--shm-size=1m",
    ];
    let script = "ulimit -Sn; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj \
                  /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax; df -k /dev/shm | tail -n 1";
    let out = podman.run(&flags, &["sh", "-c", script]).ok().stdout;
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[..6], ["100", "200", "0", "300", "1", "4242"], "{out}");
    assert!(lines[6].split_whitespace().nth(1) == Some("1024"), "{out}");
}

fn an_init_that_reaps(podman: &Podman) {
    require!("catatonit");
    // The shell is not pid 1 then, which SIGKILL from inside does not reach.
    podman.run(&["--init"], &["sh", "-c", "kill -9 $$"]).exits(137);
    let script = "readlink /proc/1/exe; (sleep 0.1 &) ; sleep 0.4; ps -o stat | grep -c Z; true";
    let out = podman.run(&["--init"], &["sh", "-c", script]).ok();
    assert_eq!(out.stdout, "/run/podman-init\n0\n", "{out:?}");
}

fn a_time_limit_ends_it(podman: &Podman) {
    let started = std::time::Instant::now();
    podman.run(&["--timeout=1"], &["sleep", "1000"]).fails();
    // glib moves timers of whole seconds (g_timeout_add_seconds) by up to a quarter of one, also forwards.
    assert!(started.elapsed() >= Duration::from_millis(750));
}

fn memory_runs_out(podman: &Podman) {
    let eat = "cat /dev/zero | head -c 200m | tail";
    let hungry = podman.start_container(&["-m=24m"], &["sh", "-c", &format!("exec {eat}")]);
    assert_ne!(hungry.wait(), 0);
    // The process itself, not one of its children.
    let flags = ["-m=24m", "--memory-swap=24m"];
    let out = podman.run(&flags, &["awk", "BEGIN { for (s = \"x\"; ; s = s s) ; }"]);
    assert_eq!(out.status, 137, "{out:?}");
}

fn limits_changed_while_it_runs(podman: &Podman) {
    let box_ = podman.start_container(&["-m=64m", "--pids-limit=30"], &["sleep", "1000"]);
    let cgroup = box_.cgroup();
    box_.verb("update", &["--memory=96m", "--memory-swap=128m", "--cpus=0.25"]).ok();
    cgroup.is(("memory.limit_in_bytes", "100663296"), ("memory.max", "100663296"));
    cgroup.is(("cpu.cfs_quota_us", "25000"), ("cpu.max", "25000 100000"));
    cgroup.is(("pids.max", "30"), ("pids.max", "30"));
}

fn limits_of_the_cgroup(podman: &Podman) {
    let flags = ["-m=64m", "--pids-limit=30", "--cpus=0.5", "--cpu-shares=512", "--cpuset-cpus=0"];
    let small = podman.start_container(&flags, &["sleep", "1000"]);
    let cgroup = small.cgroup();
    cgroup.is(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864"));
    cgroup.is(("pids.max", "30"), ("pids.max", "30"));
    cgroup.is(("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000"));
    cgroup.is(("cpuset.cpus", "0"), ("cpuset.cpus", "0"));
    let dir = cgroup.dir("memory").display().to_string();
    assert!(dir.contains(podman.cgroup_parent().trim_start_matches('/')), "{dir}");
    let stats = small.verb("stats", &["--no-stream", "--format={{.PIDs}} {{.MemLimit}}"]).ok();
    assert_eq!(stats.out(), "1 67108864");
    known_difference!("cpu-weight");
    cgroup.is(("cpu.shares", "512"), ("cpu.weight", "59"));
}
