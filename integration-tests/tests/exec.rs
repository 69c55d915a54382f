//! `exec`: a further process in a running container.

use integration_tests::{
    Bundle, Report, cgroup, is_root, json, known_difference, require, wait_until,
};

#[test]
fn exec_runs_in_the_containers_namespaces() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/hostname", "inside");
    let c = b.start_sleeper();
    let r = c.report();
    assert_eq!(r["hostname"], "inside");
    let pid = c.pid();
    for kind in ["mnt", "pid", "net", "ipc", "uts", "user", "cgroup"] {
        let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert!(
            link.to_str().unwrap().contains(&format!("[{}]", r.namespace(kind))),
            "{kind}: {link:?}"
        );
    }
    assert_ne!(r["pid"], 1);
}

#[test]
fn exec_runs_in_the_containers_cgroups() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let init = std::fs::read_to_string(format!("/proc/{}/cgroup", c.pid())).unwrap();
    let lines: Vec<String> = init.lines().map(String::from).collect();
    assert_eq!(c.report()["cgroup"], json!(lines));
}

#[test]
fn exec_passes_the_exit_status_on() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.exec(&["exit", "0"]).ok();
    c.exec(&["exit", "7"]).exits(7);
    c.exec(&["kill-self", "SIGKILL"]).exits(137);
    c.exec(&["kill-self", "SIGUSR1"]).exits(138);
}

#[test]
fn exec_passes_standard_input_and_output() {
    require!("container");
    let b = Bundle::new();
    let _c = b.start_sleeper();
    let cat = b.verb("exec").args([b.id(), "/probe", "cat"]).stdin("through");
    assert_eq!(cat.run().ok().out(), "through");
}

#[test]
fn exec_of_a_missing_executable_exits_255_and_the_container_goes_on() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let outcome = b.verb("exec").args([b.id(), "/no/such/file"]).run();
    outcome.clone().fails_with(&["no such file or directory"]);
    assert!([255, 1].contains(&outcome.status), "{outcome:?}");
    assert_eq!(c.status(), "running");
}

#[test]
fn exec_that_fails_in_the_runtime_exits_255() {
    require!("container");
    known_difference!("exec-255");
    let b = Bundle::new();
    let _c = b.start_sleeper();
    b.verb("exec").args([b.id(), "/no/such/file"]).run().exits(255);
    b.verb("exec").args(["nobody", "/probe"]).run().exits(255);
}

#[test]
fn exec_needs_a_running_container() {
    require!("container");
    let b = Bundle::probe(&["exit", "0"]);
    b.verb("exec").args(["nobody", "/probe"]).run().fails_with(&["does not exist"]);
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    c.exec(&["echo", "no"]).fails_with(&["cannot exec in a stopped container", "not running"]);
}

#[test]
fn exec_in_a_created_container_works() {
    require!("container");
    if !is_root() {
        known_difference!("rootless-exec-created");
    }
    let b = Bundle::probe(&["sleep"]);
    let c = b.create();
    assert_eq!(c.exec(&["echo", "early"]).ok().out(), "early");
    assert_eq!(c.status(), "created");
}

#[test]
fn exec_flags_change_user_directory_and_environment() {
    require!("root");
    known_difference!("exec-env");
    let b = Bundle::new();
    b.dir("some/where");
    let c = b.start_sleeper();
    let flags = ["--user", "1000:1001", "--cwd", "/some/where", "--env", "A=1", "--env", "B=2"];
    let r = Report(c.exec_with(&flags, &["report"]).ok().json());
    assert_eq!(json!([r["uid"], r["gid"], r["cwd"]]), json!([1000, 1001, "/some/where"]));
    assert_eq!((r.env("A"), r.env("B")), (Some("1"), Some("2")));
    assert_eq!(r.env("PATH"), Some("/:/bin"), "the configuration's environment stays");
}

#[test]
fn exec_takes_additional_groups() {
    require!("root");
    known_difference!("exec-additional-gids");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let flags = ["--user", "1000:1000", "--additional-gids", "100", "--additional-gids", "65534"];
    assert_eq!(c.exec_with(&flags, &["report"]).ok().json()["groups"], json!([100, 65534]));
}

#[test]
fn exec_adds_capabilities_for_itself_only() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let more = Report(c.exec_with(&["--cap", "CAP_SYS_TIME"], &["report"]).ok().json());
    assert!(more.caps("effective").contains(&"CAP_SYS_TIME"), "{}", more["capabilities"]);
    assert_eq!(
        c.report().caps("effective"),
        ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
    );
}

/// Ambient ones too, as far as the config made them inheritable (runc's capabilities.bats).
#[test]
fn exec_adds_inheritable_capabilities_to_the_ambient_ones() {
    require!("root");
    known_difference!("exec-ambient");
    let mut b = Bundle::new();
    let both = ["CAP_KILL", "CAP_SYSLOG"];
    b.capabilities(&json!({ "bounding": both, "inheritable": ["CAP_SYSLOG"] }));
    let c = b.start_sleeper();
    let flags = ["--cap", "CAP_SYSLOG", "--cap", "CAP_CHOWN"];
    let r = Report(c.exec_with(&flags, &["report"]).ok().json());
    assert_eq!(
        (r.caps("ambient"), r.caps("inheritable")),
        (vec!["CAP_SYSLOG"], vec!["CAP_SYSLOG"])
    );
}

#[test]
fn exec_reads_its_process_from_a_pipe() {
    require!("container");
    let b = Bundle::new();
    let _c = b.start_sleeper();
    let process =
        json!({ "args": ["/probe", "echo", "piped"], "cwd": "/", "user": {} }).to_string();
    let exec = b.verb("exec").args(["--process", "/dev/stdin", b.id()]);
    assert_eq!(exec.stdin(process).run().ok().out(), "piped");
}

#[test]
fn exec_gains_no_privileges_if_told_so() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/process/noNewPrivileges", json!(false));
    let c = b.start_sleeper();
    assert_eq!(c.exec_with(&["--no-new-privs"], &["report"]).ok().json()["no_new_privs"], true);
    assert_eq!(c.report()["no_new_privs"], false);
}

#[test]
fn exec_takes_a_process_file() {
    require!("root");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let outcome = c.exec_process(&["report"], |p| {
        p["user"] = json!({ "uid": 7, "gid": 8, "additionalGids": [9], "umask": 0o077 });
        p["env"] = json!(["ONLY=this"]);
        p["capabilities"] = json!({ "bounding": ["CAP_KILL"] });
        p["rlimits"] = json!([{ "type": "RLIMIT_CORE", "soft": 64, "hard": 65 }]);
        p["oomScoreAdj"] = json!(77);
        p["noNewPrivileges"] = json!(true);
        p["cwd"] = json!("/tmp");
    });
    let r = Report(outcome.ok().json());
    assert_eq!(json!([r["uid"], r["gid"], r["groups"], r["cwd"]]), json!([7, 8, [9], "/tmp"]));
    assert_eq!(r.env("ONLY"), Some("this"));
    assert_eq!(r.env("PATH"), None);
    assert_eq!(r.caps("bounding"), ["CAP_KILL"]);
    assert_eq!(r.rlimit("RLIMIT_CORE"), (64, 65));
    assert_eq!(r["no_new_privs"], true);
}

#[test]
fn exec_applies_umask_and_oom_score_of_the_process_file() {
    require!("container");
    known_difference!("exec-umask-oom");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let outcome = c.exec_process(&["report"], |p| {
        p["user"]["umask"] = json!(0o077);
        p["oomScoreAdj"] = json!(77);
    });
    let r = outcome.ok().json();
    assert_eq!(json!([r["umask"], r["oom_score_adj"]]), json!([0o077, 77]));
}

#[test]
fn exec_has_only_the_three_standard_descriptors() {
    require!("container");
    let b = Bundle::new();
    assert_eq!(b.start_sleeper().report().fds(), [0, 1, 2]);
}

#[test]
fn exec_starts_with_no_signal_blocked() {
    require!("container");
    let b = Bundle::new();
    assert_eq!(b.start_sleeper().report()["signals_blocked"], json!([]));
}

#[test]
fn exec_detached_returns_at_once_and_writes_the_pid() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let file = b.scratch("exec.pid");
    c.exec_with(&["--detach", "--pid-file", file.to_str().unwrap()], &["sleep"]).ok();
    let pid: i32 = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    let line = || std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    wait_until("the process runs", || line() == b"/probe\0sleep\0");
    c.finish();
}

#[test]
fn the_rest_of_the_line_belongs_to_the_command() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    assert_eq!(c.exec(&["echo", "--detach", "-h", "--", "x"]).ok().out(), "--detach -h -- x");
}

#[test]
fn a_name_is_looked_up_in_the_containers_path() {
    require!("container");
    let b = Bundle::new();
    let _c = b.start_sleeper();
    assert_eq!(b.verb("exec").args([b.id(), "probe", "echo", "found"]).run().ok().out(), "found");
}

#[test]
fn an_orphan_of_exec_does_not_hold_exec_up() {
    require!("container");
    known_difference!("exec-orphan");
    let b = Bundle::new();
    let c = b.start_sleeper();
    c.exec(&["orphan", "sleep"]).exits(137);
    c.finish();
}

#[test]
fn exec_takes_the_soft_limit_of_open_files() {
    require!("container");
    known_difference!("exec-nofile");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let limits = json!([{ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 65 }]);
    let outcome = c.exec_process(&["report"], |p| p["rlimits"] = limits);
    assert_eq!(Report(outcome.ok().json()).rlimit("RLIMIT_NOFILE"), (64, 65));
}

#[test]
fn exec_starts_in_a_cgroup_below_the_containers() {
    require!("container", "root");
    let b = Bundle::new();
    let c = b.start_sleeper();
    for dir in b.leaks().cgroups {
        std::fs::create_dir(dir.join("sub")).unwrap();
        // A new cpuset of v1 is empty.
        for name in ["cpuset.cpus", "cpuset.mems"].iter().filter(|_| !cgroup::is_v2()) {
            if let Ok(value) = std::fs::read_to_string(dir.join(name)) {
                std::fs::write(dir.join("sub").join(name), value).unwrap();
            }
        }
    }
    let seen = c.exec_with(&["--cgroup", "sub"], &["read", "/proc/self/cgroup"]).ok();
    let own = std::fs::read_to_string(format!("/proc/{}/cgroup", c.pid())).unwrap();
    let moved = |line: &str| seen.out().lines().any(|other| other == format!("{line}/sub"));
    let lines: Vec<&str> = own.lines().filter(|line| line.contains(b.id())).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| moved(line)), "{own}\n{}", seen.out());
    c.finish();
}

#[test]
fn exec_refuses_a_cgroup_that_is_not_below_the_containers() {
    require!("container");
    known_difference!("exec-sub-cgroup");
    let b = Bundle::new();
    let c = b.start_sleeper();
    for (path, words) in [
        ("../x", "bad sub cgroup path"),
        ("missing", "no such"),
        ("nosuch:sub", "unknown controller"),
    ] {
        let outcome = c.exec_with(&["--cgroup", path], &["echo", "ran"]);
        assert_eq!(outcome.stdout, "");
        outcome.exits(255).fails_with(&[words, "not a sub cgroup path", "unknown controller"]);
    }
    c.finish();
}
