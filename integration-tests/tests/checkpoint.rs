//! checkpoint and restore: processes go into images and come back as they were.

use std::fs;
use std::os::unix::fs::MetadataExt;

use integration_tests::checkpoint::{
    NOWHERE, checkpoint, checkpoint_cmd, count, counted, counter, images, log, pre_dump, restore,
    restore_as, restore_cmd, start,
};
use integration_tests::{Cmd, Value, json, known_difference, probe, require, wait_until};

/// The namespace's number.
fn namespace(pid: &str, kind: &str) -> u64 {
    fs::metadata(format!("/proc/{pid}/ns/{kind}")).unwrap().ino()
}

#[test]
fn a_process_goes_on_where_it_was() {
    require!("root", "criu");
    let b = counter();
    start(&b);
    let before = counted(&b);
    checkpoint(&b, &[]).ok();
    b.assert_clean();
    let stopped = count(&b);
    b.verb("state").arg(b.id()).run().fails();
    let c = restore(&b);
    let after = counted(&b);
    assert_eq!((after.0, after.2), (before.0, 1), "the same process");
    assert!(after.1 > stopped.1 && stopped.1 >= before.1, "{before:?} {stopped:?} {after:?}");
    assert_eq!(c.status(), "running");
    c.finish();
}

#[test]
fn a_restored_container_is_one_like_any_other() {
    require!("root", "criu");
    let mut b = counter();
    b.set("/linux/resources/pids/limit", 20);
    b.namespace(json!({ "type": "cgroup" }));
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    let pid_file = b.scratch("pid");
    let flags = ["--detach", "--pid-file", pid_file.to_str().unwrap()];
    restore_cmd(&b, &flags).through_shell(NOWHERE).run().ok();
    let c = b.container();
    assert_eq!(fs::read_to_string(&pid_file).unwrap(), c.pid().to_string());
    assert_eq!(c.cgroup().read("pids.max", "pids.max"), "20");
    let seen = c.report();
    assert_eq!(seen["hostname"], "teu-test");
    for kind in ["pid", "net", "ipc", "uts", "mnt"] {
        assert_eq!(seen["namespaces"][kind], namespace(&c.pid().to_string(), kind), "{kind}");
    }
    let ps = b.verb("ps").args(["--format", "json", b.id()]).run().ok();
    assert_eq!(ps.json(), json!([c.pid()]));
    c.verb("pause", &[]).ok();
    assert_eq!(c.status(), "paused");
    c.verb("resume", &[]).ok();
    c.kill("KILL").ok();
    c.wait_status("stopped");
    c.delete().ok();
    b.assert_clean();
}

#[test]
fn its_clocks_go_on_and_exec_sees_the_same() {
    require!("root", "criu", "timens");
    known_difference!("restored-clocks");
    let b = counter();
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    let c = restore(&b);
    let init = namespace(&c.pid().to_string(), "time");
    assert_ne!(init, namespace("self", "time"), "CRIU has made a time namespace");
    assert_eq!(c.report()["namespaces"]["time"], init);
}

#[test]
fn it_can_be_done_again() {
    require!("root", "criu");
    let b = counter();
    start(&b);
    let first = counted(&b);
    for _ in 0..2 {
        checkpoint(&b, &[]).ok();
        b.assert_clean();
        restore(&b);
        assert_eq!(counted(&b).0, first.0);
    }
    b.container().finish();
}

#[test]
fn loopback_is_up_as_in_a_new_container() {
    require!("root", "criu", "veth");
    known_difference!("restored-loopback");
    let b = counter();
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    let c = restore(&b);
    let addresses = Cmd::new("nsenter").args(["-t", &c.pid().to_string(), "-n", "ip", "address"]);
    let addresses = addresses.run().ok();
    assert!(addresses.stdout.contains("inet 127.0.0.1/8"), "{}", addresses.stdout);
}

#[test]
fn it_may_be_left_running() {
    require!("root", "criu");
    let b = counter();
    start(&b);
    let before = counted(&b);
    checkpoint(&b, &["--leave-running"]).ok();
    assert_eq!(b.container().status(), "running");
    assert_eq!(counted(&b).0, before.0);
    assert!(images(&b).join("inventory.img").exists());
    b.container().finish();
    restore(&b);
    assert_eq!(counted(&b).0, before.0);
}

#[test]
fn memory_can_be_written_beforehand() {
    require!("root", "criu", "dirty-memory");
    let b = counter();
    start(&b);
    let before = counted(&b);
    pre_dump(&b, "parent").ok();
    assert_eq!(counted(&b).0, before.0);
    checkpoint(&b, &["--parent-path", "../parent"]).ok();
    assert!(images(&b).join("parent").exists());
    restore(&b);
    assert_eq!(counted(&b).0, before.0);
}

#[test]
fn bind_mounts_come_back_as_they_were() {
    require!("root", "criu");
    let mut b = counter();
    let (data, file) = (b.scratch("data"), b.scratch("file"));
    fs::create_dir(&data).unwrap();
    fs::write(data.join("x"), "inside").unwrap();
    fs::write(&file, "text").unwrap();
    b.dir("real/conf");
    b.symlink("conf", "/real/conf");
    b.bind(&data, "/data", &["bind", "ro"]).bind(&file, "/file", &["bind"]);
    b.bind(&data, "/conf", &["bind"]);
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    let c = restore(&b);
    let read = |path: &str| c.exec(&["read", path]).ok().out().to_owned();
    assert_eq!(
        (read("/data/x"), read("/file"), read("/conf/x")),
        ("inside".into(), "text".into(), "inside".into())
    );
    assert_eq!(c.exec(&["write", "/data/y", ""]).out(), "EROFS");
    c.exec(&["write", "/file", "new"]).ok();
    assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    c.finish();
}

#[test]
fn mount_points_that_are_gone_are_made_again() {
    require!("root", "criu");
    let mut b = counter();
    let (outer, inner) = (b.scratch("outer"), b.scratch("inner"));
    fs::create_dir(&outer).unwrap();
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("x"), "nested").unwrap();
    b.bind(&outer, "/data", &["bind"]).bind(&inner, "/data/for/nested", &["bind"]);
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    fs::remove_dir_all(outer.join("for")).unwrap();
    fs::remove_dir(b.rootfs().join("data")).unwrap();
    let c = restore(&b);
    assert_eq!(c.exec(&["read", "/data/for/nested/x"]).ok().out(), "nested");
}

#[test]
fn what_is_hidden_stays_hidden() {
    require!("root", "criu");
    let mut b = counter();
    b.set(
        "/linux/maskedPaths",
        json!(["/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"]),
    );
    b.set("/linux/readonlyPaths", json!(["/proc/sys"]));
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    let c = restore(&b);
    assert_eq!(c.exec(&["read", "/proc/timer_list"]).ok().out(), "");
    assert_eq!(c.exec(&["ls", "/sys/firmware"]).ok().out(), "");
    assert_eq!(c.exec(&["write", "/proc/sys/kernel/domainname", "x"]).out(), "EROFS");
}

#[test]
fn a_joined_network_namespace_is_joined_again() {
    require!("root", "criu");
    let mut b = counter();
    let owner = Cmd::new("unshare").args(["--net", "sleep", "600"]).spawn();
    let path = format!("/proc/{}/ns/net", owner.pid());
    let of = |path: &str| fs::read_link(path).unwrap();
    wait_until("a namespace of its own", || of(&path) != of("/proc/self/ns/net"));
    b.namespace(json!({ "type": "network", "path": path }));
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    let c = restore(&b);
    assert_eq!(of(&format!("/proc/{}/ns/net", c.pid())), of(&path));
}

#[test]
fn the_hooks_of_a_new_container_run_at_a_restore() {
    require!("root", "criu");
    let mut b = counter();
    let file = b.scratch("hook");
    let program = probe();
    for kind in ["prestart", "createRuntime"] {
        let hook = json!({ "path": program, "args": [kind, "save-stdin", file] });
        b.push(&format!("/hooks/{kind}"), hook);
    }
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    fs::remove_file(&file).unwrap();
    let c = restore(&b);
    let text = fs::read_to_string(&file).unwrap();
    let kinds: Vec<String> = text
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let state: Value = serde_json::from_str(line["stdin"].as_str().unwrap()).unwrap();
            assert_eq!(state["pid"], c.pid());
            line["args"][0].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(kinds, ["prestart", "createRuntime"]);
}

#[test]
fn a_config_of_criu_s_is_named_by_an_annotation() {
    require!("root", "criu");
    let mut b = counter();
    let config = b.scratch("criu.conf");
    fs::write(&config, "log-file=other.log\n").unwrap();
    b.set("/annotations", json!({ "org.criu.config": config }));
    start(&b);
    counted(&b);
    checkpoint(&b, &[]).ok();
    let log = b.scratch("work/other.log");
    assert!(log.exists() && !b.scratch("work/dump.log").exists());
    fs::remove_file(&log).unwrap();
    restore(&b);
    assert!(log.exists() && !b.scratch("work/restore.log").exists());
}

#[test]
fn memory_can_be_fetched_while_it_runs() {
    require!("root", "criu", "lazy-pages");
    let b = counter();
    start(&b);
    let before = counted(&b);
    let status = b.scratch("status");
    nix::unistd::mkfifo(&status, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = format!("127.0.0.1:{port}");
    let flags = ["--lazy-pages", "--status-fd", "3", "--page-server", &server];
    let serving = checkpoint_cmd(&b, &flags).env("STATUS", &status);
    let serving = serving.through_shell("exec 3>\"$STATUS\"; exec \"$@\"").spawn();
    assert_eq!(fs::read(&status).unwrap(), [0], "a byte, and closed after it");
    let pages = Cmd::new("criu").args(["lazy-pages", "--page-server", "--address", "127.0.0.1"]);
    let pages = pages
        .args(["--port", &port.to_string(), "-D"])
        .arg(images(&b))
        .arg("-W")
        .arg(b.scratch("work"));
    let pages = pages.spawn();
    wait_until("pages can be asked for", || b.scratch("work/lazy-pages.socket").exists());
    let other = format!("{}-other", b.id());
    let restored =
        restore_as(&b, &["--detach", "--lazy-pages"], &other).through_shell(NOWHERE).run();
    assert_eq!(restored.status, 0, "{}", log(&b, "restore.log"));
    assert_eq!(serving.wait().status, 0);
    assert_eq!(pages.wait().status, 0);
    assert_eq!(counted(&b).0, before.0);
    b.verb("state").arg(b.id()).run().fails();
    b.verb("delete").args(["--force", &other]).run().ok();
}
