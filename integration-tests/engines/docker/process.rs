//! The process: what it is, as whom it runs, with what rights.

use integration_tests::engine::Docker;
use integration_tests::{differences, known_difference, require};

tests! { shared:
    output_and_status_are_the_process_s,
    statuses_of_a_command_that_cannot_be_run,
    a_program_that_the_kernel_refuses,
    a_runtime_beside_the_usual_one,
    environment_directory_and_hostname,
    users_by_name_and_by_number,
    further_groups,
    capabilities_added_and_dropped,
    a_privileged_container_has_all_devices_and_capabilities,
    no_new_privileges,
    docker_s_own_seccomp_profile,
    a_seccomp_profile_of_the_user_s,
    limits_of_the_process,
    an_init_that_reaps,
    score_for_the_out_of_memory_killer,
    sysctls,
}

fn output_and_status_are_the_process_s(docker: &Docker) {
    let out = docker.run(&["--rm"], &["sh", "-c", "echo hi; echo oops >&2; exit 7"]).exits(7);
    assert_eq!((out.stdout.as_str(), out.stderr.as_str()), ("hi\n", "oops\n"));
    // The shell is pid 1, which SIGKILL from inside does not reach.
    docker.run(&["--rm", "--init"], &["sh", "-c", "kill -9 $$"]).exits(137);
    docker.run(&["--rm", "--init"], &["sh", "-c", "kill -TERM $$"]).exits(143);
    docker.run(&["--rm", "--name=removed"], &["true"]).ok();
    let removed = docker.client(&["container", "inspect", "removed"]).run().fails();
    assert!(removed.stderr.contains("No such container"), "{removed:?}");
    let echo = docker.run_cmd(&["--rm", "-i"], &["cat"]).stdin("through cat\n").run().ok();
    assert_eq!(echo.stdout, "through cat\n");
}

/// Docker derives these statuses from the runtime's wording.
fn statuses_of_a_command_that_cannot_be_run(docker: &Docker) {
    docker.run(&["--rm", "--no-such-flag"], &["true"]).exits(125);
    if differences::applies("wording") {
        return;
    }
    let missing = docker.run(&["--rm"], &["no-such-command"]).exits(127);
    assert!(missing.stderr.contains("executable file not found in $PATH"), "{missing:?}");
    docker.run(&["--rm"], &["/no/such/command"]).exits(127);
    docker.run(&["--rm"], &["/etc"]).exits(126);
    docker.run(&["--rm"], &["/etc/passwd"]).exits(126);
    docker.run(&["--rm", "--workdir=/etc/passwd"], &["true"]).fails();
}

/// As of another architecture, or with CRLF behind its interpreter's name: the container has run, and its log says why
/// it has ended, for restart policies and people to see.
fn a_program_that_the_kernel_refuses(docker: &Docker) {
    let script = docker.sandbox().path("script");
    std::fs::write(&script, "#!/no/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let volume = format!("{}:/script:ro", script.display());
    let box_ = docker.create(&["-v", &volume], &["/script"]);
    box_.verb("start", &[]).ok();
    assert!(matches!(box_.wait(), 1 | 255));
    assert_eq!(
        (box_.inspect("State.Status"), box_.inspect("State.Error")),
        ("exited".into(), String::new())
    );
    let said = box_.logs().ok().stderr.to_lowercase();
    assert!(said.contains("/script") && said.contains("no such file or directory"), "{said}");
}

fn a_runtime_beside_the_usual_one(docker: &Docker) {
    let beside = docker.beside();
    docker.run(&["--rm"], &["true"]).ok();
    assert!(!beside.was_called("create"));
    docker.run(&["--rm", "--runtime=beside"], &["true"]).ok();
    assert!(beside.was_called("create"));
    let unknown = docker.run(&["--rm", "--runtime=no-such-one"], &["true"]).fails();
    assert!(unknown.stderr.to_lowercase().contains("runtime"), "{unknown:?}");
}

fn environment_directory_and_hostname(docker: &Docker) {
    let file = docker.sandbox().path("variables");
    std::fs::write(&file, "B=from file\n# comment\nC=c\n").unwrap();
    let file = format!("--env-file={}", file.display());
    let flags = ["--rm", "-e", "A=a b", "-e", "C=d", &file, "-w", "/made/here", "-h", "box"];
    let out =
        docker.run(&flags, &["sh", "-c", "echo $A,$B,$C,$HOME; pwd; hostname; cat /etc/hostname"]);
    assert_eq!(out.ok().stdout, "a b,from file,d,/root\n/made/here\nbox\nbox\n");
    let passed = docker.run_cmd(&["--rm", "-e", "TEU_PASSED"], &["env"]).env("TEU_PASSED", "on");
    assert!(passed.run().ok().stdout.contains("TEU_PASSED=on\n"));
}

fn users_by_name_and_by_number(docker: &Docker) {
    let id = |user: &str| {
        docker
            .run(&["--rm", "-u", user], &["sh", "-c", "id -u; id -g; id -G; echo $HOME"])
            .ok()
            .stdout
    };
    assert_eq!(id("alice"), "1000\n1001\n1001 20\n/home/alice\n");
    assert_eq!(id("1000"), "1000\n1001\n1001 20\n/home/alice\n");
    assert_eq!(id("alice:dialers"), "1000\n20\n20\n/home/alice\n");
    let home = if differences::applies("home") { "" } else { "/" };
    assert_eq!(id("4711:4712"), format!("4711\n4712\n4712\n{home}\n"));
    let unknown = docker.run(&["--rm", "-u", "nobody-here"], &["true"]);
    assert!(unknown.stderr.contains("unable to find user nobody-here"), "{unknown:?}");
    let script = "touch /home/x 2>/dev/null || echo refused; grep CapEff /proc/self/status";
    let rights = docker.run(&["--rm", "-u", "alice"], &["sh", "-c", script]).ok();
    assert_eq!(rights.stdout, "refused\nCapEff:\t0000000000000000\n");
}

fn further_groups(docker: &Docker) {
    let flags = ["--rm", "--group-add=4711", "--group-add=dialers", "-u", "1000:1001"];
    let mut groups: Vec<u32> = docker
        .run(&flags, &["id", "-G"])
        .ok()
        .out()
        .split(' ')
        .map(|g| g.parse().unwrap())
        .collect();
    groups.sort_unstable();
    assert_eq!(groups, [20, 1001, 4711]);
}

/// Effective capabilities, as a mask.
fn capabilities(docker: &Docker, flags: &[&str]) -> u64 {
    let out =
        docker.run(&[&["--rm"], flags].concat(), &["grep", "CapEff", "/proc/self/status"]).ok();
    u64::from_str_radix(out.out().trim_start_matches("CapEff:\t"), 16).unwrap()
}

fn capabilities_added_and_dropped(docker: &Docker) {
    const CHOWN: u64 = 1 << 0;
    const NET_ADMIN: u64 = 1 << 12;
    let usual = capabilities(docker, &[]);
    assert_eq!(usual, 0xa80425fb);
    assert_eq!(capabilities(docker, &["--cap-add=NET_ADMIN"]), usual | NET_ADMIN);
    assert_eq!(capabilities(docker, &["--cap-drop=CHOWN"]), usual & !CHOWN);
    assert_eq!(capabilities(docker, &["--cap-drop=ALL"]), 0);
    assert_eq!(capabilities(docker, &["--cap-drop=ALL", "--cap-add=CHOWN"]), CHOWN);
    let chown = ["chown", "1000", "/tmp"];
    docker.run(&["--rm", "--cap-drop=CHOWN"], &chown).fails();
    docker.run(&["--rm"], &chown).ok();
    let down = ["ip", "link", "set", "lo", "down"];
    let refused = docker.run(&["--rm"], &down).fails();
    assert!(refused.stderr.contains("Operation not permitted"), "{refused:?}");
    docker.run(&["--rm", "--cap-add=NET_ADMIN"], &down).ok();
}

/// Whoever runs the runtime needs what the container is to have; `daemon` has one where that is always so.
fn a_privileged_container_has_all_devices_and_capabilities(docker: &Docker) {
    require!("all-capabilities");
    super::daemon::privileged(docker);
    let out = docker.run(&["--rm", "--privileged"], &["sh", "-c", "ls /dev | wc -l"]).ok();
    assert!(out.out().parse::<u32>().unwrap() > 20, "{out:?}");
}

fn no_new_privileges(docker: &Docker) {
    let line = |flags: &[&str]| {
        docker.run(flags, &["grep", "NoNewPrivs", "/proc/self/status"]).ok().stdout
    };
    assert_eq!(line(&["--rm"]), "NoNewPrivs:\t0\n");
    assert_eq!(line(&["--rm", "--security-opt=no-new-privileges"]), "NoNewPrivs:\t1\n");
    // A set-uid program keeps its caller's id then.
    let probe = format!("{}:/probe:ro", integration_tests::probe().display());
    let script = "cp /probe /tmp/suid; chmod 4755 /tmp/suid; exec su alice -c '/tmp/suid report'";
    let effective = |flags: &[&str]| {
        let flags = [&["--rm", "-v", &probe], flags].concat();
        docker.run(&flags, &["sh", "-c", script]).ok().json()["euid"].clone()
    };
    assert_eq!(effective(&[]), 0);
    assert_eq!(effective(&["--security-opt=no-new-privileges"]), 1000);
}

/// What it forbids depends on arguments, and on capabilities.
fn docker_s_own_seccomp_profile(docker: &Docker) {
    let script =
        "grep Seccomp: /proc/self/status; unshare -U true 2>/dev/null && echo made || echo refused";
    let run = |flags: &[&str]| {
        docker.run(&[&["--rm"], flags].concat(), &["sh", "-c", script]).ok().stdout
    };
    assert_eq!(run(&[]), "Seccomp:\t2\nrefused\n");
    assert_eq!(run(&["--security-opt=seccomp=unconfined"]), "Seccomp:\t0\nmade\n");
    assert_eq!(run(&["--cap-add=SYS_ADMIN"]), "Seccomp:\t2\nmade\n");
}

fn a_seccomp_profile_of_the_user_s(docker: &Docker) {
    let file = docker.sandbox().path("profile.json");
    let profile = r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
        {"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":13},
        {"names":["sethostname"],"action":"SCMP_ACT_KILL_PROCESS"}]}"#;
    std::fs::write(&file, profile).unwrap();
    let option = format!("--security-opt=seccomp={}", file.display());
    let refused = docker.run(&["--rm", &option], &["mkdir", "/tmp/x"]).exits(1);
    assert!(refused.stderr.contains("Permission denied"), "{refused:?}");
    docker.run(&["--rm", &option, "--cap-add=SYS_ADMIN"], &["hostname", "other"]).exits(159);
    docker.run(&["--rm", &option], &["touch", "/tmp/x"]).ok();
}

fn limits_of_the_process(docker: &Docker) {
    let flags = ["--rm", "--ulimit=nofile=100:200", "--ulimit=core=0", "--ulimit=nproc=50"];
    let out = docker
        .run(
            &flags,
            &["sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c; grep processes /proc/self/limits"],
        )
        .ok();
    assert!(
        out.stdout.starts_with("100\n200\n0\nMax processes             50                   50"),
        "{out:?}"
    );
}

fn an_init_that_reaps(docker: &Docker) {
    let box_ = docker.start_container(&["--init"], &["sh", "-c", "(sleep 0.1 &); exec sleep 1000"]);
    assert!(box_.exec(&["cat", "/proc/1/cmdline"]).ok().stdout.contains("init"));
    // The orphan is pid 1's, which waits for it.
    integration_tests::wait_until("the orphan is gone", || {
        !box_.exec(&["sh", "-c", "grep -l ^State:.Z /proc/[0-9]*/status"]).stdout.contains("status")
            && box_.exec(&["pidof", "sleep"]).out().split(' ').count() == 1
    });
    box_.verb("stop", &["-t", "20"]).ok();
    assert_eq!(box_.inspect("State.ExitCode"), "143");
}

fn score_for_the_out_of_memory_killer(docker: &Docker) {
    let out = docker.run(&["--rm", "--oom-score-adj=321"], &["cat", "/proc/self/oom_score_adj"]);
    assert_eq!(out.ok().stdout, "321\n");
}

fn sysctls(docker: &Docker) {
    let flags =
        ["--rm", "--sysctl=net.ipv4.ip_default_ttl=42", "--sysctl=kernel.shm_rmid_forced=1"];
    let script = "cat /proc/sys/net/ipv4/ip_default_ttl /proc/sys/kernel/shm_rmid_forced";
    assert_eq!(docker.run(&flags, &["sh", "-c", script]).ok().stdout, "42\n1\n");
    known_difference!("wording");
    docker.run(&["--rm", "--sysctl=kernel.panic=1"], &["true"]).fails();
}
