//! systemd as the manager of cgroups: a container is a transient scope.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use integration_tests::{
    Bundle, Cmd, Container, Outcome, Runtime, json, known_difference, require, wait_until,
};

const USER: u32 = 1000;

/// A bundle whose containers are scopes in `machine.slice`.
fn scope() -> Bundle {
    let mut b = Bundle::new();
    let path = format!("machine.slice:it:{}", b.id());
    b.global_flag("--systemd-cgroup").set("/linux/cgroupsPath", path);
    b.set("/linux/resources/devices", json!([{ "allow": true, "access": "rwm" }]));
    b
}

/// The same for an ordinary user, in the scopes of the user's session.
fn user_scope() -> Bundle {
    let mut b = scope();
    b.as_user(USER).namespace(json!({ "type": "user" })).remove("/linux/resources");
    b.set("/linux/uidMappings", json!([{ "containerID": 0, "hostID": USER, "size": 1 }]));
    b.set("/linux/gidMappings", json!([{ "containerID": 0, "hostID": USER, "size": 1 }]));
    // Group 5 is not mapped.
    b.unmount("/dev/pts");
    b.env("XDG_RUNTIME_DIR", "/run/user/1000");
    b.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/1000/bus");
    b
}

fn unit(b: &Bundle) -> String {
    format!("it-{}.scope", b.id())
}

fn property(unit: &str, name: &str) -> String {
    let shown = Cmd::new("systemctl").args(["show", "--property", name, "--value", unit]).run();
    shown.ok().out().to_owned()
}

/// Waits until systemd knows nothing of the unit any more.
#[track_caller]
fn assert_forgotten(unit: &str) {
    wait_until("the unit is gone", || property(unit, "LoadState") == "not-found");
}

/// The v2 cgroup of a process, or systemd's on cgroup v1.
fn cgroup_of(pid: i32) -> String {
    let list = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let of = |start: &str| {
        list.lines().find_map(|line| line.split_once(start).map(|(_, p)| p.to_owned()))
    };
    of("name=systemd:").or_else(|| of("0::")).unwrap()
}

/// The scope of a process, which crun puts one level deeper.
fn scope_of(pid: i32) -> String {
    let path = cgroup_of(pid);
    path.strip_suffix("/container").unwrap_or(&path).to_owned()
}

fn directory(c: &Container<'_>) -> PathBuf {
    Path::new("/sys/fs/cgroup").join(cgroup_of(c.pid()).trim_start_matches('/'))
}

#[test]
fn a_container_is_a_delegated_scope_in_its_slice() {
    require!("root", "systemd");
    let b = scope();
    let c = b.start_sleeper();
    assert_eq!(scope_of(c.pid()), format!("/machine.slice/{}", unit(&b)));
    for (name, value) in [
        ("ActiveState", "active"),
        ("Slice", "machine.slice"),
        ("Delegate", "yes"),
        ("Transient", "yes"),
    ] {
        assert_eq!(property(&unit(&b), name), value, "{name}");
    }
    c.finish();
    assert_forgotten(&unit(&b));
}

#[test]
fn a_container_that_ends_by_itself_leaves_no_scope() {
    require!("root", "systemd");
    let mut b = scope();
    assert_eq!(b.run_probe(&["echo", "hi"]), "hi");
    assert_forgotten(&unit(&b));
}

#[test]
fn slices_are_nested_by_their_dashes() {
    require!("root", "systemd");
    let mut b = scope();
    b.set("/linux/cgroupsPath", format!("teutest-sub.slice:it:{}", b.id()));
    let c = b.start_sleeper();
    let path = format!("/teutest.slice/teutest-sub.slice/{}", unit(&b));
    assert_eq!(scope_of(c.pid()), path);
    c.finish();
}

#[test]
fn without_a_path_the_scope_has_the_containers_name() {
    require!("root", "systemd");
    let mut b = scope();
    b.remove("/linux/cgroupsPath");
    let c = b.start_sleeper();
    let path = cgroup_of(c.pid());
    let expected = format!("-{}.scope", b.id());
    assert!(path.starts_with("/system.slice/") && path.contains(&expected), "{path}");
    c.finish();
}

#[test]
fn paths_of_another_form_are_refused() {
    require!("root", "systemd");
    let mut b = scope();
    for path in ["/a/b", "a:b"] {
        b.set("/linux/cgroupsPath", path);
        let words =
            "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups";
        b.try_create().fails_with(&[words, &words.replace('"', "\\\"")]);
        b.assert_clean();
    }
    b.set("/linux/cgroupsPath", "a--b.slice:it:x");
    b.try_create().fails_with(&["invalid slice name: a--b.slice"]);
    b.assert_clean();
}

#[test]
fn annotations_are_properties() {
    require!("root", "systemd");
    known_difference!("annotation-seconds");
    let mut b = scope();
    b.set(
        "/annotations",
        json!({
            "org.systemd.property.TasksMax": "uint64 33",
            "org.systemd.property.TimeoutStopSec": "7",
            "org.systemd.property.CollectMode": "'inactive-or-failed'",
        }),
    );
    let c = b.start_sleeper();
    assert_eq!(property(&unit(&b), "TasksMax"), "33");
    assert_eq!(property(&unit(&b), "TimeoutStopUSec"), "7s");
    assert_eq!(property(&unit(&b), "CollectMode"), "inactive-or-failed");
    c.finish();
}

#[test]
fn limits_are_known_to_systemd_and_to_the_kernel() {
    require!("root", "systemd", "cgroup2");
    known_difference!("systemd-uninformed");
    let mut b = scope();
    b.set("/linux/resources/memory", json!({ "limit": 67_108_864, "reservation": 1_048_576 }));
    b.set("/linux/resources/pids", json!({ "limit": 50 }));
    b.set("/linux/resources/cpu", json!({ "shares": 512, "quota": 12_345, "period": 100_000 }));
    let c = b.start_sleeper();
    let unit = unit(&b);
    let file = |name: &str| fs::read_to_string(directory(&c).join(name)).unwrap().trim().to_owned();
    for (name, value) in [
        ("MemoryMax", "67108864"),
        ("MemoryLow", "1048576"),
        ("TasksMax", "50"),
        ("CPUQuotaPerSecUSec", "130ms"),
    ] {
        assert_eq!(property(&unit, name), value, "{name}");
    }
    assert_eq!((file("memory.max"), file("pids.max")), ("67108864".into(), "50".into()));
    known_difference!("rounded-quota");
    assert_eq!(file("cpu.max"), "13000 100000");
    // What systemd does not know, it takes back when it is reloaded.
    Cmd::new("systemctl").arg("daemon-reload").run().ok();
    assert_eq!((file("memory.max"), file("pids.max")), ("67108864".into(), "50".into()));
    assert_eq!(file("cpu.max"), "13000 100000");

    let update = ["--memory", "33554432", "--pids-limit", "20", "--cpu-quota", "20000", b.id()];
    b.verb("update").args(update).run().ok();
    for (name, value) in
        [("MemoryMax", "33554432"), ("TasksMax", "20"), ("CPUQuotaPerSecUSec", "200ms")]
    {
        assert_eq!(property(&unit, name), value, "{name}");
    }
    assert_eq!((file("memory.max"), file("pids.max")), ("33554432".into(), "20".into()));
    assert_eq!(file("cpu.max"), "20000 100000");
    c.finish();
}

#[test]
fn device_rules_outlast_a_reload() {
    require!("root", "systemd");
    known_difference!("systemd-uninformed");
    let mut b = scope();
    b.set("/linux/resources/devices", json!([{ "allow": false, "access": "rwm" }]));
    b.push("/linux/devices", json!({ "path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11 }));
    let c = b.start_sleeper();
    assert_eq!(property(&unit(&b), "DevicePolicy"), "strict");
    Cmd::new("systemctl").arg("daemon-reload").run().ok();
    assert_eq!(c.exec(&["read", "/dev/kmsg"]).fails().out(), "EPERM");
    c.exec(&["write", "/dev/null", "x"]).ok();
    c.finish();
}

#[test]
fn wrong_annotations_are_refused() {
    require!("root", "systemd");
    for (name, value) in
        [("X", "true"), ("TasksMax", "what"), ("TimeoutStopSec", "'7'"), ("NoSuchThing", "true")]
    {
        let mut b = scope();
        let key = format!("org.systemd.property.{name}");
        b.set("/annotations", json!({ key: value }));
        b.try_create().fails();
        b.assert_clean();
        assert_forgotten(&unit(&b));
    }
}

#[test]
fn a_scope_that_runs_is_not_taken_over() {
    require!("root", "systemd");
    known_difference!("occupied-cgroup");
    let first = scope();
    let c = first.start_sleeper();
    let mut second = scope();
    second.set("/linux/cgroupsPath", format!("machine.slice:it:{}", first.id()));
    second.try_create().fails();
    assert_eq!(c.status(), "running");
    second.verb("delete").args(["--force", second.id()]).run();
    assert_eq!(c.status(), "running");
    c.finish();
}

#[test]
fn a_failed_scope_does_not_stand_in_the_way() {
    require!("root", "systemd");
    known_difference!("failed-scope");
    let b = scope();
    let name = format!("--unit={}", unit(&b));
    let words =
        ["--scope", "--slice=machine.slice", &name, "--property=RuntimeMaxSec=1", "sleep", "20"];
    Cmd::new("systemd-run").args(words).run();
    assert_eq!(property(&unit(&b), "ActiveState"), "failed");
    b.start_sleeper().finish();
    assert_forgotten(&unit(&b));
}

#[test]
fn a_scope_that_fails_can_be_looked_at_until_delete() {
    require!("root", "systemd");
    known_difference!("collected-scope");
    let mut b = scope();
    b.set("/annotations", json!({ "org.systemd.property.RuntimeMaxSec": "uint64 1" }));
    let c = b.start_sleeper();
    wait_until("systemd has ended it", || c.status() == "stopped");
    wait_until("it has failed", || property(&unit(&b), "ActiveState") == "failed");
    assert_eq!(property(&unit(&b), "Result"), "timeout");
    b.verb("delete").arg(b.id()).run().ok();
    assert_forgotten(&unit(&b));
}

#[test]
fn an_exec_joins_the_scope() {
    require!("root", "systemd");
    let b = scope();
    let c = b.start_sleeper();
    // Without a cgroup namespace it sees the host's path.
    let seen = c.exec(&["read", "/proc/self/cgroup"]).ok();
    assert!(seen.stdout.contains(&format!("/machine.slice/{}", unit(&b))), "{seen:?}");
    c.finish();
}

#[test]
fn a_create_that_fails_late_leaves_no_scope() {
    require!("root", "systemd");
    let mut b = scope();
    b.set("/hooks/createRuntime", json!([{ "path": "/bin/false" }]));
    b.try_create().fails();
    b.assert_clean();
    assert_forgotten(&unit(&b));
}

#[test]
fn a_killed_create_leaves_nothing_after_delete() {
    require!("root", "systemd");
    let mut b = scope();
    let ran = b.scratch("ran");
    let script = format!("touch {} && sleep 60", ran.display());
    b.set("/hooks/createRuntime", json!([{ "path": "/bin/sh", "args": ["sh", "-c", script] }]));
    b.write();
    let create = b.verb("create").arg("--bundle").arg(b.path()).arg(b.id()).spawn();
    wait_until("the hook runs", || ran.exists());
    create.signal(nix::sys::signal::Signal::SIGKILL);
    drop(create);
    known_difference!("killed-create");
    b.verb("delete").args(["--force", b.id()]).run().ok();
    assert_forgotten(&unit(&b));
    assert!(b.leaks().cgroups.is_empty(), "{:?}", b.leaks());
}

#[test]
fn the_plan_shows_when_the_scope_is_started() {
    require!("root", "systemd", "teu");
    let b = scope();
    b.write();
    let plan = b.verb("plan").arg("--bundle").arg(b.path()).arg(b.id()).run().ok();
    let line = format!("start_unit {} slice=machine.slice", unit(&b));
    assert!(plan.stdout.contains(&line), "{}", plan.stdout);
    assert_forgotten(&unit(&b));
}

#[test]
fn without_systemd_it_is_refused() {
    require!("root", "no-systemd");
    let mut b = Bundle::new();
    b.global_flag("--systemd-cgroup");
    b.try_create()
        .fails_with(&["systemd not running on this host, cannot use systemd cgroups manager"]);
    b.assert_clean();
}

// ---- an ordinary user --------------------------------------------------------------------------------------------

#[test]
fn a_users_container_is_a_scope_of_the_users_session() {
    require!("root", "systemd", "systemd-session", "cgroup2");
    known_difference!("user-scope");
    let mut b = user_scope();
    b.set("/linux/cgroupsPath", format!(":it:{}", b.id()));
    // The runtime is outside of the session, where it may move nothing into the scope by itself.
    let c = b.start_sleeper();
    let session = "/user.slice/user-1000.slice/user@1000.service";
    assert_eq!(cgroup_of(c.pid()), format!("{session}/user.slice/{}", unit(&b)));
    let seen: Outcome = c.exec(&["read", "/proc/self/cgroup"]).ok();
    assert!(seen.stdout.contains(&unit(&b)), "{seen:?}");
    c.finish();
}

/// As an `exec`, it has to be moved there by systemd.
#[test]
fn a_hook_inside_a_users_container_is_in_its_scope() {
    require!("root", "systemd", "systemd-session", "cgroup2");
    known_difference!("user-scope");
    let mut b = user_scope();
    b.set("/linux/cgroupsPath", format!(":it:{}", b.id()));
    let hook = json!({ "path": "/probe", "args": ["probe", "save-stdin", "/tmp/seen"] });
    b.push("/hooks/startContainer", hook).args(&["read", "/tmp/seen"]);
    let run = b.run().ok();
    assert!(run.stdout.contains(&unit(&b)), "{run:?}");
}

#[test]
fn without_a_session_the_user_is_told() {
    require!("root", "systemd", "teu", "cgroup2");
    let mut b = user_scope();
    for name in ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"] {
        b.env(name, "");
    }
    b.try_create().fails_with(&["neither XDG_RUNTIME_DIR nor DBUS_SESSION_BUS_ADDRESS is set"]);
    b.assert_clean();
    b.env("XDG_RUNTIME_DIR", "/nonexistent");
    b.try_create().fails_with(&["/nonexistent"]);
    b.assert_clean();
}

// ---- who owns a cgroup, whoever made it --------------------------------------------------------------------------

/// Both drivers, unless every command is told to use systemd's.
fn drivers() -> Vec<Bundle> {
    if Runtime::systemd() {
        return vec![scope()];
    }
    let mut plain = Bundle::new();
    let path = format!("/{}", plain.id());
    plain.set("/linux/cgroupsPath", path);
    plain.set("/linux/resources/devices", json!([{ "allow": true, "access": "rwm" }]));
    if integration_tests::available("systemd") { vec![plain, scope()] } else { vec![plain] }
}

fn with_cgroup_mount(b: &mut Bundle, mode: &str) {
    b.namespace(json!({ "type": "cgroup" }));
    b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", mode]);
}

#[test]
fn a_cgroup_belongs_to_whom_it_is_delegated() {
    require!("root", "cgroup2", "userns");
    known_difference!("cgroup-owner");
    for (mode, owner) in [("rw", 100_000), ("ro", 0)] {
        for mut b in drivers() {
            with_cgroup_mount(&mut b, mode);
            b.namespace(json!({ "type": "user" }));
            let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
            b.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
            let c = b.start_sleeper();
            let uid = |name: &str| fs::metadata(directory(&c).join(name)).unwrap().uid();
            for name in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
                assert_eq!(uid(name), owner, "{mode} {name:?}");
            }
            assert_eq!((uid("cgroup.freeze"), uid("pids.max")), (0, 0));
            c.finish();
        }
    }
}

#[test]
fn an_exec_follows_an_init_that_manages_cgroups() {
    require!("root", "cgroup2");
    for mut b in drivers() {
        with_cgroup_mount(&mut b, "rw");
        b.args(&[
            "seq",
            "mkdir",
            "/sys/fs/cgroup/init",
            "--",
            "write",
            "/sys/fs/cgroup/init/cgroup.procs",
            "0",
            "--",
            "write",
            "/sys/fs/cgroup/cgroup.subtree_control",
            "+pids +memory",
            "--",
            "echo",
            "moved",
            "--",
            "sleep",
        ]);
        let c = b.create();
        c.start().ok();
        c.wait_stdout("moved");
        assert!(cgroup_of(c.pid()).ends_with("/init"));
        let seen = c.exec(&["read", "/proc/self/cgroup"]).ok();
        assert_eq!(seen.out(), "0::/init");
        c.finish();
    }
}
