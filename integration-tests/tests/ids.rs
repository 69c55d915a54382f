//! User, groups, umask, working directory, environment, arguments, names.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use integration_tests::{Bundle, json, known_difference, require};

#[test]
fn the_process_runs_as_the_configured_user_group_and_groups() {
    require!("root");
    let mut b = Bundle::new();
    b.set("/process/user", json!({ "uid": 1000, "gid": 1001, "additionalGids": [5, 6] }));
    let r = b.report();
    assert_eq!(json!([r["uid"], r["euid"], r["gid"], r["egid"]]), json!([1000, 1000, 1001, 1001]));
    assert_eq!(r["groups"], json!([5, 6]));
}

#[test]
fn the_callers_groups_are_kept_if_an_annotation_says_so() {
    require!("root", "userns");
    known_difference!("keep-groups");
    let mut b = Bundle::new();
    b.set("/process/user/additionalGids", json!([5, 6]));
    b.set("/annotations", json!({ "run.oci.keep_original_groups": "1" }));
    let groups = |b: &Bundle, verb: &str, args: &[&str]| {
        let cmd = b.verb(verb).args(args).wrapped(["setpriv", "--groups", "3001,3002"]);
        cmd.run().ok().json()["groups"].clone()
    };
    b.write();
    let bundle = b.path();
    let run = ["--bundle", bundle.to_str().unwrap(), b.id()];
    assert_eq!(groups(&b, "run", &run), json!([3001, 3002]));
    let _running = b.start_sleeper();
    assert_eq!(groups(&b, "exec", &[b.id(), "/probe", "report"]), json!([3001, 3002]));
}

#[test]
fn kept_groups_that_are_not_mapped_show_as_the_overflow_group() {
    require!("root", "userns");
    known_difference!("keep-groups");
    let mut b = Bundle::new();
    b.namespace(json!({ "type": "user" }));
    for map in ["/linux/uidMappings", "/linux/gidMappings"] {
        b.set(map, json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]));
    }
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(b.rootfs(), mode).unwrap();
    b.set("/annotations", json!({ "run.oci.keep_original_groups": "1" }));
    let run = b.run_cmd(&[]).wrapped(["setpriv", "--groups", "3001"]);
    assert_eq!(run.run().ok().json()["groups"], json!([65534]));
    b.set("/annotations", json!({ "run.oci.keep_original_groups": "0" }));
    assert_eq!(b.report()["groups"], json!([]));
}

#[test]
fn without_additional_groups_there_are_none() {
    require!("root");
    assert_eq!(Bundle::new().report()["groups"], json!([]));
}

#[test]
fn the_umask_is_022_unless_configured() {
    require!("container");
    assert_eq!(Bundle::new().report()["umask"], 0o022);
    let mut b = Bundle::new();
    b.set("/process/user/umask", 0o027);
    assert_eq!(b.report()["umask"], 0o027);
}

#[test]
fn the_environment_is_exactly_the_configured_one_and_a_home() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/process/env", json!(["PATH=/bin", "A=1", "B=with = and space", "EMPTY="]));
    let env = b.report()["env"].clone();
    assert_eq!(env, json!(["PATH=/bin", "A=1", "B=with = and space", "EMPTY=", "HOME=/"]));
}

#[test]
fn an_empty_home_is_none_whatever_was_before_it() {
    require!("container");
    known_difference!("empty-home");
    let mut b = Bundle::new();
    b.file("etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    b.set("/process/env", json!(["HOME=/override", "A=1", "HOME="]));
    assert_eq!(b.report().env("HOME"), Some("/root"));
}

#[test]
fn home_comes_from_the_containers_passwd() {
    require!("root");
    let mut b = Bundle::new();
    b.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n");
    b.set("/process/user/uid", 1000);
    assert_eq!(b.report().env("HOME"), Some("/home/me"));
    b.set("/process/env", json!(["PATH=/bin", "HOME=/elsewhere"]));
    assert_eq!(b.report().env("HOME"), Some("/elsewhere"));
}

#[test]
fn the_arguments_arrive_unchanged() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/process/args", json!(["/probe", "report", "a b", "", "é", "--x=y"]));
    // The probe takes "report" alone: let it fail on the rest, and echo instead.
    b.set("/process/args", json!(["/probe", "echo", "a b", "", "é", "--x=y"]));
    assert_eq!(b.run().ok().stdout, "a b  é --x=y\n");
}

#[test]
fn the_working_directory_is_the_configured_one() {
    require!("container");
    let mut b = Bundle::new();
    b.dir("some/where");
    b.set("/process/cwd", "/some/where");
    assert_eq!(b.report()["cwd"], "/some/where");
}

#[test]
fn a_missing_working_directory_is_made() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/process/cwd", "/not/yet/there");
    assert_eq!(b.report()["cwd"], "/not/yet/there");
}

#[test]
fn a_working_directory_that_only_the_user_may_enter_is_reached() {
    require!("root");
    let mut b = Bundle::new();
    let dir = b.dir("private");
    chown(&dir, Some(1000), Some(1000)).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    b.set("/process/user", json!({ "uid": 1000, "gid": 1000 })).set("/process/cwd", "/private");
    b.capabilities(&json!({}));
    assert_eq!(b.report()["cwd"], "/private");
}

#[test]
fn the_hostname_is_set_and_the_hosts_is_kept() {
    require!("container");
    let before = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let mut b = Bundle::new();
    b.set("/hostname", "a-box");
    assert_eq!(b.report()["hostname"], "a-box");
    assert_eq!(fs::read_to_string("/proc/sys/kernel/hostname").unwrap(), before);
}

#[test]
fn the_domainname_is_set() {
    require!("container");
    known_difference!("domainname");
    let mut b = Bundle::new();
    b.set("/domainname", "example.org").set("/ociVersion", "1.1.0");
    assert_eq!(b.report()["domainname"], "example.org");
}

#[test]
fn the_process_is_pid_1_and_leads_a_session() {
    require!("container");
    let r = Bundle::new().report();
    assert_eq!(json!([r["pid"], r["ppid"]]), json!([1, 0]));
    assert_eq!(json!([r["sid"], r["pgrp"]]), json!([1, 1]));
}

#[test]
fn no_signal_is_blocked_or_ignored() {
    require!("container");
    let r = Bundle::new().report();
    assert_eq!(r["signals_blocked"], json!([]));
    // Rust's start-up ignores SIGPIPE in the probe; cargo hands its children an ignored 32.
    let ignored = r["signals_ignored"].as_array().unwrap().iter();
    let ignored: Vec<_> = ignored.filter(|s| *s != "SIGPIPE" && *s != "32").collect();
    assert!(ignored.is_empty(), "{ignored:?}");
}

#[test]
fn only_the_three_standard_descriptors_are_open() {
    require!("container");
    assert_eq!(Bundle::new().report().fds(), [0, 1, 2]);
}

#[test]
fn preserved_descriptors_are_passed_and_no_others() {
    require!("container");
    let b = Bundle::new();
    // A shell opens 3, 4 and 5; two of them are to be kept.
    let cmd = "exec 3</dev/null 4</dev/null 5</dev/null; exec \"$@\"";
    b.write();
    let run = b.verb("run").args(["--preserve-fds", "2", "--bundle"]).arg(b.path()).arg(b.id());
    let r = run.through_shell(cmd).run().ok().json();
    let fds: Vec<&String> = r["fds"].as_object().unwrap().keys().collect();
    assert_eq!(fds, ["0", "1", "2", "3", "4"]);
}

#[test]
fn listen_fds_are_passed_with_the_pid_of_the_process() {
    require!("container");
    known_difference!("listen-fds");
    let mut b = Bundle::new();
    b.write();
    b.args(&["report"]);
    let run = b.run_cmd(&[]).env("LISTEN_FDS", "2");
    let cmd = "exec 3</dev/null 4</dev/null; export LISTEN_PID=$$; exec \"$@\"";
    let r = integration_tests::Report(run.through_shell(cmd).run().ok().json());
    assert_eq!(r.fds(), [0, 1, 2, 3, 4]);
    assert_eq!(r.env("LISTEN_FDS"), Some("2"));
    assert_eq!(r.env("LISTEN_PID"), Some("1"));
}

#[test]
fn nothing_of_the_runtimes_environment_reaches_the_process() {
    require!("container");
    let b = Bundle::new();
    let r = b.run_cmd(&[]).env("RUNTIME_SECRET", "x").run().ok();
    assert!(
        !r.stdout.contains("RUNTIME_SECRET") && !r.stdout.contains("_LIBCONTAINER"),
        "{}",
        r.stdout
    );
}

#[test]
fn the_oom_score_is_set() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/process/oomScoreAdj", 321);
    assert_eq!(b.report()["oom_score_adj"], 321);
}

#[test]
fn no_new_privileges_is_as_configured() {
    require!("container");
    let mut b = Bundle::new();
    for wanted in [true, false] {
        b.set("/process/noNewPrivileges", wanted);
        assert_eq!(b.report()["no_new_privs"], wanted);
    }
}

#[test]
fn standard_input_is_passed() {
    require!("container");
    let b = Bundle::probe(&["cat"]);
    assert_eq!(b.run_cmd(&[]).stdin("some text").run().ok().stdout.trim(), "some text");
}

#[test]
fn argv0_may_differ_from_the_file_when_found_on_path() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/process/args", json!(["probe", "echo", "found"]));
    assert_eq!(b.run().ok().out(), "found");
}
