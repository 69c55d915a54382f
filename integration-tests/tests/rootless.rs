//! The runtime as an ordinary user, without any privilege. Runs as root, who plays one, and as an ordinary user.

use integration_tests::{
    Bundle, Terminal, available, is_root, json, known_difference, ordinary_user, require,
};

#[test]
fn a_rootless_container_runs_as_root_of_its_own_namespace() {
    require!("userns");
    let r = Bundle::rootless().report();
    assert_eq!(json!([r["uid"], r["gid"]]), json!([0, 0]));
    assert_eq!(r["uid_map"], json!([[0, ordinary_user(), 1]]));
    assert_eq!(r["setgroups"], "deny");
}

#[test]
fn a_rootless_container_has_devices_and_mounts() {
    require!("userns");
    let r = Bundle::rootless().report();
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        assert_eq!(r["dev"][name]["type"], "char", "{name}");
    }
    for at in ["/proc", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"] {
        r.mount(at);
    }
}

#[test]
fn a_rootless_container_has_a_whole_life() {
    require!("userns");
    let b = Bundle::rootless();
    let c = b.start_sleeper();
    assert_eq!(c.status(), "running");
    assert_eq!(c.exec(&["exit", "9"]).status, 9);
    c.terminate();
    c.wait_status("stopped");
    c.delete().ok();
    b.assert_clean();
}

#[test]
fn a_rootless_container_keeps_hostname_and_limits() {
    require!("userns");
    let mut b = Bundle::rootless();
    b.set("/hostname", "small")
        .push("/process/rlimits", json!({ "type": "RLIMIT_NOFILE", "soft": 64, "hard": 65 }));
    let r = b.report();
    assert_eq!(r["hostname"], "small");
    assert_eq!(r.rlimit("RLIMIT_NOFILE"), (64, 65));
}

#[test]
fn missing_permissions_on_cgroups_are_tolerated_only_if_rootless() {
    require!("root", "userns", "cgroup1");
    known_difference!("rootless-flag");
    for (flag, works) in
        [("--rootless=auto", true), ("--rootless=true", true), ("--rootless=false", false)]
    {
        let mut b = Bundle::rootless();
        b.global_flag(flag).args(&["echo", "there"]);
        let run = b.run();
        if works {
            assert_eq!(run.ok().out(), "there", "{flag}");
        } else {
            run.fails_with(&["EACCES", "permission denied"]);
        }
    }
}

#[test]
fn without_a_user_namespace_an_ordinary_user_is_refused() {
    require!("userns");
    known_difference!("rootless-without-userns");
    let mut b = Bundle::rootless();
    b.without_namespace("user").remove("/linux/uidMappings").remove("/linux/gidMappings");
    b.run().fails();
}

/// As rootless podman starts it: root of a user namespace that its caller has made, in which setgroups(2) is denied,
/// with a config that asks for none.
#[test]
fn a_runtime_that_is_in_a_user_namespace_shows_the_hosts_cgroups() {
    require!("userns");
    let mut b = Bundle::rootless();
    b.without_namespace("user").remove("/linux/uidMappings").remove("/linux/gidMappings");
    let options = ["rprivate", "nosuid", "noexec", "nodev", "relatime", "ro"];
    b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &options);
    let run = b.run_cmd(&[]).wrapped(["unshare", "--user", "--map-root-user"]).run();
    let r = run.ok().json();
    assert_eq!(r["uid_map"], json!([[0, ordinary_user(), 1]]));
    assert_eq!(r["setgroups"], "deny");
    let shown = r["mounts"].as_array().unwrap().iter().any(|m| m["mountpoint"] == "/sys/fs/cgroup");
    assert!(shown, "{}", r["mounts"]);
    b.assert_clean();
}

#[test]
fn an_ordinary_user_cannot_map_other_ids() {
    require!("userns");
    let mut b = Bundle::rootless();
    b.set("/linux/uidMappings", json!([{ "containerID": 0, "hostID": 0, "size": 1 }]));
    b.run().fails();
}

#[test]
fn more_ids_are_mapped_by_newuidmap() {
    require!("userns", "uidmap");
    let mut b = Bundle::rootless();
    b.with_subids();
    for pointer in ["/linux/uidMappings", "/linux/gidMappings"] {
        b.push(pointer, json!({ "containerID": 1, "hostID": 100_000, "size": 65536 }));
    }
    b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let r = b.report();
    assert_eq!(r["uid_map"], json!([[0, ordinary_user(), 1], [1, 100_000, 65536]]));
    assert_eq!(json!([r["uid"], r["gid"]]), json!([1000, 1000]));
    known_difference!("rootless-newuidmap-groups");
    assert_eq!(r["groups"], json!([]));
    b.set("/process/user/additionalGids", json!([5]));
    assert_eq!(b.report()["groups"], json!([5]));
}

#[test]
fn an_additional_group_is_refused_where_setgroups_is_denied() {
    require!("userns");
    known_difference!("rootless-groups");
    let mut b = Bundle::rootless();
    b.set("/process/user/additionalGids", json!([0]));
    b.run().fails();
}

/// runc's words, which its suite has.
#[test]
fn a_container_whose_processes_could_not_all_be_found_is_told_of() {
    require!("container");
    known_difference!("no-way-to-kill");
    let mut b = Bundle::rootless();
    b.without_namespace("pid").unmount("/proc");
    b.bind(std::path::Path::new("/proc"), "/proc", &["rbind", "nosuid", "nodev", "noexec"]);
    let strongly = "Such configuration is strongly discouraged";
    let outcome = b.run().ok();
    // A user whom root plays has no session. In one, the cgroup tells of the processes.
    let has_cgroup = !is_root() && available("delegation");
    assert_eq!(outcome.stderr.contains(strongly), !has_cgroup, "{outcome:?}");
    let outcome = Bundle::rootless().run().ok();
    assert!(!outcome.stderr.contains(strongly), "{outcome:?}");
}

/// The shell that a person would sit at: `spec --rootless` asks for a terminal.
fn on_a_terminal(b: &Bundle, flags: &[&str]) {
    let mut terminal = Terminal::new();
    let running = terminal.spawn(b.run_cmd(flags));
    terminal.wait_for("\"isatty\":[true,true,true]");
    running.wait().ok();
    b.assert_clean();
}

#[test]
fn an_ordinary_user_gets_a_terminal() {
    require!("userns");
    let mut b = Bundle::rootless();
    b.set("/process/terminal", true).args(&["terminal"]);
    on_a_terminal(&b, &[]);
}

#[test]
fn an_ordinary_user_with_more_ids_gets_a_terminal() {
    require!("userns", "uidmap");
    let mut b = Bundle::rootless();
    b.with_subids();
    for pointer in ["/linux/uidMappings", "/linux/gidMappings"] {
        b.push(pointer, json!({ "containerID": 1, "hostID": 100_000, "size": 65536 }));
    }
    b.set("/process/user", json!({ "uid": 7, "gid": 7 }));
    b.set("/process/terminal", true).args(&["terminal"]);
    on_a_terminal(&b, &[]);
}
