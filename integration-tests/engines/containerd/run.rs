//! `ctr run`.

use integration_tests::cgroup::is_v2;
use integration_tests::engine::Containerd;
use integration_tests::{Runtime, Terminal, differences, wait_until};

tests! { shared:
    output_and_status_are_the_process_s,
    a_command_that_is_not_there,
    settings_of_the_process,
    mounts_and_a_read_only_root,
    limits,
    its_default_seccomp_profile,
    a_user_namespace,
    namespaces_of_others,
    in_a_terminal,
}

fn output_and_status_are_the_process_s(containerd: &Containerd) {
    let out = containerd.run(&[], &["sh", "-c", "echo hi; echo oops >&2; exit 7"]).exits(7);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("hi\n", "oops\n"));
    // ctr may miss the end of its input, but not what is before it.
    let read = ["sh", "-c", "read line; echo got $line"];
    let read = containerd.run_cmd(&[], &read).stdin("a line\n").run().ok();
    assert_eq!(read.stdout, "got a line\n");
    let listed = || containerd.ctr(&["containers", "ls", "-q", "labels.only==this"]).run().ok();
    let kept = containerd.start_container(&["--label=only=this"], &["sleep", "1000"]);
    assert_eq!(listed().out(), kept.id());
    containerd.run(&["--label=only=this"], &["true"]).ok();
    assert_eq!(listed().out(), kept.id(), "--rm");
}

fn a_command_that_is_not_there(containerd: &Containerd) {
    let missing = containerd.run(&[], &["no-such-command"]).exits(1);
    if !differences::applies("wording") {
        let text = "executable file not found in $PATH";
        assert!(missing.stderr.contains(text), "{missing:?}");
    }
}

fn settings_of_the_process(containerd: &Containerd) {
    let flags = ["--env=A=b", "--cwd=/tmp", "--cap-drop=CAP_CHOWN", "--cap-add=CAP_SYS_TIME"];
    let script = "echo $A; pwd; grep -E '^(CapEff|NoNewPrivs):' /proc/self/status";
    let out = containerd.run(&flags, &["sh", "-c", script]).ok().stdout;
    assert_eq!(out, "b\n/tmp\nCapEff:\t00000000aa0425fa\nNoNewPrivs:\t1\n");
    let file = containerd.sandbox().path("pid");
    let flag = format!("--pid-file={}", file.display());
    let box_ = containerd.start_container(&[&flag, "--allow-new-privs"], &["sleep", "1000"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), box_.listed().1.to_string());
    assert_eq!(box_.exec(&["grep", "NoNewPrivs", "/proc/1/status"]).ok().out(), "NoNewPrivs:\t0");
}

fn mounts_and_a_read_only_root(containerd: &Containerd) {
    let dir = containerd.sandbox().path("shared");
    std::fs::create_dir(&dir).unwrap();
    let mount = |to: &str, options: &str| {
        format!("--mount=type=bind,src={},dst={to},options={options}", dir.display())
    };
    let flags = ["--read-only", &mount("/tmp", "rbind:rw"), &mount("/home", "rbind:ro")];
    let script = "echo x > /tmp/made; cat /home/made; touch /home/x; touch /x";
    let out = containerd.run(&flags, &["sh", "-c", script]).exits(1);
    assert_eq!(out.stdout, "x\n");
    assert_eq!(out.stderr.matches("Read-only file system").count(), 2, "{out:?}");
}

fn limits(containerd: &Containerd) {
    let flags = ["--memory-limit=67108864", "--cpus=0.5", "--cpu-shares=512"];
    let box_ = containerd.start_container(&flags, &["sleep", "1000"]);
    let cgroup = box_.cgroup();
    cgroup.is(("memory.limit_in_bytes", "67108864"), ("memory.max", "67108864"));
    cgroup.is(("cpu.cfs_quota_us", "50000"), ("cpu.max", "50000 100000"));
    if !is_v2() {
        cgroup.is(("cpu.shares", "512"), ("", ""));
    }
    let path = std::fs::read_to_string(format!("/proc/{}/cgroup", box_.listed().1)).unwrap();
    let (sandbox, id) = (containerd.sandbox(), box_.id());
    assert!(path.contains(&format!("/{}/{id}\n", sandbox.mark())), "{path}");
    // Where the end of the suite looks for what is left there is something now.
    let state = sandbox.run_dir().join("containerd/runc").join(sandbox.mark()).join(id);
    assert!(state.exists());
    // Other runtimes are on PATH as well: this one has kept the config.
    assert!(!Runtime::get().is_teu() || state.join("config.json").exists());
    assert!(sandbox.run_dir().join("containerd/s").read_dir().unwrap().next().is_some());
    assert!(sandbox.mounts().iter().any(|mount| mount.contains(&format!("/{id}/rootfs"))));
    assert!(sandbox.cgroups().iter().any(|dir| dir.ends_with(id)));
}

fn its_default_seccomp_profile(containerd: &Containerd) {
    let script = "grep Seccomp: /proc/self/status; unshare -U true 2>/dev/null && echo made";
    let run = |flags: &[&str]| containerd.run(flags, &["sh", "-c", script]).stdout;
    assert_eq!(run(&[]), "Seccomp:\t0\nmade\n");
    assert_eq!(run(&["--seccomp"]), "Seccomp:\t2\n");
}

fn a_user_namespace(containerd: &Containerd) {
    let flags = ["--uidmap=0:300000:65536", "--gidmap=0:300000:65536"];
    let box_ = containerd.start_container(&flags, &["sleep", "1000"]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", box_.listed().1)).unwrap();
    assert!(status.contains("Uid:\t300000\t300000\t300000\t300000"), "{status}");
    let script = "id -u; stat -c %u /etc/passwd; touch /tmp/made && stat -c %u /tmp/made";
    assert_eq!(box_.exec(&["sh", "-c", script]).ok().stdout, "0\n0\n0\n");
}

fn namespaces_of_others(containerd: &Containerd) {
    let first = containerd.start_container(&[], &["sleep", "1000"]);
    let pid = first.listed().1;
    let join = |kind: &str, name: &str| format!("--with-ns={kind}:/proc/{pid}/ns/{name}");
    let flags = [join("network", "net"), join("ipc", "ipc"), join("pid", "pid")];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let second = containerd.start_container(&flags, &["sleep", "2000"]);
    let link = |pid: i32, name: &str| std::fs::read_link(format!("/proc/{pid}/ns/{name}")).unwrap();
    for name in ["net", "ipc", "pid"] {
        assert_eq!(link(second.listed().1, name), link(pid, name), "{name}");
    }
    assert_ne!(link(second.listed().1, "uts"), link(pid, "uts"));
    // It is not the namespace's first process: the shim has all of it killed.
    let orphan = second.exec_cmd(&["-d"], &["sleep", "3000"]).run();
    assert_eq!(orphan.status, 0, "{orphan:?}");
    let cgroup = second.cgroup();
    second.verb("kill", &["-s", "SIGKILL"], &[]).ok();
    second.wait_status("STOPPED");
    drop(second);
    wait_until("all are gone", || !cgroup.dir("pids").exists());
    assert_eq!(first.listed().0, "RUNNING");
    let own = containerd.run(&["--net-host"], &["readlink", "/proc/self/ns/net"]).ok();
    let host = containerd.sandbox().cmd("readlink").arg("/proc/self/ns/net").run().ok();
    assert_eq!(own.stdout, host.stdout);
}

fn in_a_terminal(containerd: &Containerd) {
    let mut terminal = Terminal::new();
    let shell = terminal.spawn(containerd.run_cmd(&["-t"], &["sh"]));
    terminal.wait_for("# ");
    terminal.type_until("stty size\n", "30 100");
    terminal.type_in("tty; echo $((6 * 7))\n");
    for text in ["/dev/pts/0", "42"] {
        terminal.wait_for(text);
    }
    terminal.resize(40, 120);
    terminal.type_until("stty size\n", "40 120");
    terminal.type_in("exit 5\n");
    shell.wait().exits(5);
}
