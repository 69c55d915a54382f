//! Hooks: where they run, what they read, what their failure does.

use std::fs;

use integration_tests::{
    Bundle, Value, json, known_difference, own_namespace, probe, require, wait_until,
};

/// A hook that appends what it sees to a file; `path` is where the program is for the hook.
fn hook(program: &str, file: &str) -> Value {
    json!({ "path": program, "args": ["hook-name", "save-stdin", file], "env": ["HOOK=yes"] })
}

fn host_probe() -> String {
    probe().to_str().unwrap().to_owned()
}

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn state(line: &Value) -> Value {
    serde_json::from_str(line["stdin"].as_str().unwrap()).unwrap()
}

/// Runs a whole life with one hook in the runtime's namespace, and returns what it saw.
fn saved(kind: &str) -> (Bundle, Value) {
    let mut b = Bundle::probe(&["echo", "ran"]);
    let file = b.scratch("hook");
    b.set("/annotations", json!({ "a": "b" }));
    b.push(&format!("/hooks/{kind}"), hook(&host_probe(), file.to_str().unwrap()));
    b.run().ok();
    wait_until("the hook ran", || !lines(&file).is_empty());
    let all = lines(&file);
    assert_eq!(all.len(), 1, "{kind}");
    (b, all[0].clone())
}

#[test]
fn runtime_hooks_get_the_state_and_run_in_the_runtimes_namespaces() {
    require!("container");
    for (kind, status) in [
        ("prestart", "creat"),
        ("createRuntime", "creat"),
        ("poststart", "running"),
        ("poststop", "stopped"),
    ] {
        let (b, line) = saved(kind);
        let state = state(&line);
        assert_eq!(state["id"], b.id(), "{kind}");
        assert_eq!(state["bundle"], b.path().to_str().unwrap(), "{kind}");
        assert_eq!(state["annotations"], json!({ "a": "b" }), "{kind}");
        if kind != "poststart" || !integration_tests::differences::applies("poststart-at-create") {
            assert!(state["status"].as_str().unwrap().starts_with(status), "{kind}: {state}");
        }
        assert!(state["ociVersion"].is_string(), "{kind}");
        if kind != "poststop" {
            assert!(state["pid"].as_i64().unwrap() > 1, "{kind}: {state}");
        }
        assert_eq!(line["namespaces"]["pid"], own_namespace("pid"), "{kind}");
        assert_eq!(line["namespaces"]["net"], own_namespace("net"), "{kind}");
    }
}

#[test]
fn a_hook_gets_exactly_its_arguments_and_environment() {
    require!("container");
    let (_b, line) = saved("createRuntime");
    assert_eq!(line["args"][0], "hook-name");
    assert_eq!(line["env"], json!(["HOOK=yes"]));
}

#[test]
fn runtime_hooks_work_in_the_bundle() {
    require!("container");
    let (b, line) = saved("createRuntime");
    assert_eq!(line["cwd"], b.path().to_str().unwrap());
}

#[test]
fn start_container_hooks_run_inside_before_the_process() {
    require!("container");
    let mut b = Bundle::probe(&["read", "/hook"]);
    b.push("/hooks/startContainer", hook("/probe", "/hook"));
    let line: Value = b.run().ok().json();
    assert_eq!(state(&line)["id"], b.id());
    assert_ne!(line["namespaces"]["pid"], own_namespace("pid"));
    assert_ne!(line["namespaces"]["mnt"], own_namespace("mnt"));
}

#[test]
fn create_container_hooks_run_in_the_containers_namespaces_with_the_hosts_files() {
    require!("container");
    let mut b = Bundle::probe(&["sleep"]);
    let file = b.scratch("hook");
    b.push("/hooks/createContainer", hook(&host_probe(), file.to_str().unwrap()));
    let c = b.create();
    let all = lines(&file);
    assert_eq!(all.len(), 1);
    let mnt = fs::read_link(format!("/proc/{}/ns/mnt", c.pid())).unwrap();
    assert!(mnt.to_str().unwrap().contains(&all[0]["namespaces"]["mnt"].to_string()), "{mnt:?}");
    assert_eq!(state(&all[0])["id"], b.id());
}

#[test]
fn hooks_of_one_kind_run_in_the_listed_order() {
    require!("container");
    let mut b = Bundle::probe(&["echo", "ran"]);
    let file = b.scratch("order");
    for name in ["one", "two", "three"] {
        let line = json!({ "path": host_probe(), "args": [name, "save-stdin", file] });
        b.push("/hooks/createRuntime", line);
    }
    b.run().ok();
    let names: Vec<Value> = lines(&file).iter().map(|l| l["args"][0].clone()).collect();
    assert_eq!(names, ["one", "two", "three"]);
}

#[test]
fn the_kinds_run_in_the_order_of_the_specification() {
    require!("container");
    known_difference!("poststart-at-create");
    let mut b = Bundle::probe(&["sleep"]);
    let file = b.scratch("order");
    for kind in ["poststop", "poststart", "createContainer", "createRuntime", "prestart"] {
        let line = json!({ "path": host_probe(), "args": [kind, "save-stdin", file] });
        b.push(&format!("/hooks/{kind}"), line);
    }
    let names = || -> Vec<Value> { lines(&file).iter().map(|l| l["args"][0].clone()).collect() };
    let c = b.create();
    assert_eq!(names(), ["prestart", "createRuntime", "createContainer"]);
    c.start().ok();
    assert_eq!(names().last().unwrap(), "poststart");
    c.kill("KILL").ok();
    c.wait_status("stopped");
    c.delete().ok();
    assert_eq!(names().last().unwrap(), "poststop");
    assert_eq!(names().len(), 5);
}

#[test]
fn a_failing_hook_before_start_undoes_create() {
    require!("container");
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let mut b = Bundle::probe(&["write", "/ran", "1"]);
        b.push(
            &format!("/hooks/{kind}"),
            json!({ "path": host_probe(), "args": ["x", "exit", "3"] }),
        );
        b.try_create().fails();
        b.verb("state").arg(b.id()).run().fails();
        b.assert_clean();
        assert!(!b.rootfs().join("ran").exists(), "{kind}");
    }
}

#[test]
fn a_failing_start_container_hook_fails_the_start() {
    require!("container");
    let mut b = Bundle::probe(&["write", "/ran", "1"]);
    b.push("/hooks/startContainer", json!({ "path": "/probe", "args": ["x", "exit", "3"] }));
    b.run().fails();
    assert!(!b.rootfs().join("ran").exists());
}

/// runtime.md, lifecycle step 9.
#[test]
fn a_failing_poststart_hook_stops_the_container() {
    require!("container");
    known_difference!("poststart-failure");
    let failing = |b: &mut Bundle| {
        let args = ["x", "exit", "3"];
        b.push("/hooks/poststart", json!({ "path": "/bin/true" }));
        b.push("/hooks/poststart", json!({ "path": host_probe(), "args": args }));
    };
    let mut b = Bundle::probe(&["sleep"]);
    failing(&mut b);
    b.run().fails_with(&["error running poststart hook #1: ", "error running hook #1"]);
    b.assert_clean();
    let mut b = Bundle::probe(&["sleep"]);
    failing(&mut b);
    known_difference!("poststart-at-create");
    let c = b.create();
    b.verb("start").arg(b.id()).run().fails_with(&["error running poststart hook #1: "]);
    c.wait_status("stopped");
    c.delete().ok();
}

#[test]
fn a_failing_poststart_hook_ends_all_processes_of_a_shared_pid_namespace() {
    require!("root");
    known_difference!("poststart-at-create");
    known_difference!("kill-shared-pid-namespace");
    let mut b = Bundle::new();
    b.without_namespace("pid").args(&["spawn-children", "3"]);
    let args = ["sh", "-c", "sleep 1; exit 3"];
    b.push(
        "/hooks/poststart",
        json!({ "path": "/bin/sh", "args": args, "env": ["PATH=/bin:/usr/bin"] }),
    );
    let c = b.create();
    b.verb("start").arg(b.id()).run().fails_with(&["error running poststart hook #0: "]);
    c.wait_status("stopped");
    wait_until("all processes gone", || b.leaks().processes.is_empty());
    c.delete().ok();
    b.assert_clean();
}

#[test]
fn a_failing_poststop_hook_only_warns() {
    require!("container");
    let mut b = Bundle::probe(&["exit", "5"]);
    b.push("/hooks/poststop", json!({ "path": host_probe(), "args": ["x", "exit", "3"] }));
    b.run().exits(5);
}

/// As with runc, whose suite counts on it ("startContainer hook should inherit process environment").
#[test]
fn a_start_container_hook_without_environment_has_the_processs() {
    require!("container");
    let mut b = Bundle::probe(&["exit", "0"]);
    b.set("/process/env", json!(["PATH=/", "ONE=two"]));
    let args = json!(["x", "save-stdin", "/saved"]);
    b.push("/hooks/startContainer", json!({ "path": "/probe", "args": args }));
    b.run().exits(0);
    let saved = lines(&b.rootfs().join("saved"));
    assert_eq!(saved[0]["env"], json!(["PATH=/", "ONE=two", "HOME=/"]));
}

/// With runc as well; mounts of libraries and devices are written with relative paths.
#[test]
fn a_create_container_hook_starts_in_the_rootfs() {
    require!("container");
    known_difference!("hook-directory");
    let mut b = Bundle::probe(&["read", "/made-by-hook"]);
    let args = ["sh", "-c", "printf here >made-by-hook"];
    b.push("/hooks/createContainer", json!({ "path": "/bin/sh", "args": args }));
    assert_eq!(b.run().ok().out(), "here");
}

#[test]
fn a_poststop_hook_that_fails_keeps_no_other_from_running() {
    require!("container");
    known_difference!("poststop-failure");
    let mut b = Bundle::probe(&["exit", "0"]);
    let file = b.scratch("hook");
    b.push("/hooks/poststop", json!({ "path": host_probe(), "args": ["x", "exit", "3"] }));
    b.push("/hooks/poststop", hook(&host_probe(), file.to_str().unwrap()));
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    c.delete().ok();
    assert_eq!(lines(&file).len(), 1);
    b.assert_clean();
}

#[test]
fn poststart_hooks_find_the_containers_own_program() {
    require!("container");
    known_difference!("poststart-at-create");
    let mut b = Bundle::new();
    let file = b.scratch("name");
    let script = format!(
        "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); cat /proc/$pid/comm > {}",
        file.display()
    );
    b.push(
        "/hooks/poststart",
        json!({ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"] }),
    );
    for _ in 0..5 {
        let c = b.start_sleeper();
        assert_eq!(fs::read_to_string(&file).unwrap().trim(), "probe");
        c.finish();
    }
}

#[test]
fn what_a_failing_hook_wrote_to_stderr_is_in_the_error() {
    require!("container");
    known_difference!("hook-stderr");
    let mut b = Bundle::new();
    let script = json!(["sh", "-c", "echo the reason >&2; exit 1"]);
    b.push("/hooks/createRuntime", json!({ "path": "/bin/sh", "args": script }));
    b.try_create().fails_with(&["the reason"]);
}

#[test]
fn a_hook_that_takes_too_long_is_ended() {
    require!("container");
    let mut b = Bundle::new();
    b.push(
        "/hooks/createRuntime",
        json!({ "path": host_probe(), "args": ["x", "sleep"], "timeout": 1 }),
    );
    b.try_create().fails_with(&["timed out", "timeout", "hook"]);
    b.assert_clean();
}

#[test]
fn a_missing_hook_program_fails_create() {
    require!("container");
    let mut b = Bundle::new();
    b.push("/hooks/createRuntime", json!({ "path": "/no/such/hook" }));
    b.try_create().fails_with(&["/no/such/hook", "hook"]);
    b.assert_clean();
}

#[test]
fn a_relative_hook_path_is_refused() {
    require!("container");
    known_difference!("relative-hook");
    let mut b = Bundle::new();
    b.push("/hooks/createRuntime", json!({ "path": "bin/true" }));
    b.try_create().fails_with(&["absolute"]);
}

#[test]
fn a_hook_that_does_not_read_its_input_is_no_problem() {
    require!("container");
    known_difference!("hook-stdin");
    let mut b = Bundle::probe(&["echo", "ran"]);
    b.set("/annotations", json!({ "big": "x".repeat(100_000) }));
    b.push("/hooks/createRuntime", json!({ "path": "/bin/true" }));
    assert_eq!(b.run().ok().out(), "ran");
}

#[test]
fn poststop_runs_after_the_container_is_gone() {
    require!("container");
    known_difference!("poststop-after-delete");
    let mut b = Bundle::probe(&["exit", "0"]);
    let file = b.scratch("left");
    let script = format!("cat >/dev/null; ls {} > {}", b.root().display(), file.display());
    b.push(
        "/hooks/poststop",
        json!({ "path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin"] }),
    );
    b.run().ok();
    assert_eq!(fs::read_to_string(file).unwrap().trim(), "");
}
