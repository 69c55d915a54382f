//! gc: what crashed runs, reboots and engines that are gone have left, and nothing else.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use integration_tests::{Bundle, Outcome, Value, json, require, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const MONTH: Duration = Duration::from_secs(31 * 24 * 60 * 60);

fn gc(b: &Bundle, flags: &[&str]) -> Outcome {
    b.verb("gc").args(flags).run()
}

/// Everything that could be garbage by any flag: names and reasons.
fn found(b: &Bundle) -> Vec<(String, String)> {
    let list = gc(b, &["--stopped", "--older-than", "0", "--format", "json"]).ok().json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(|g| (text(&g["name"]), text(&g["reason"]))).collect()
}

fn delete_all(b: &Bundle) -> String {
    gc(b, &["--stopped", "--older-than", "0", "--delete", "--quiet"]).ok().out().to_owned()
}

fn make_old(path: &Path, by: Duration) {
    let time = SystemTime::now() - by;
    let times = FileTimes::new().set_modified(time).set_accessed(time);
    File::open(path).unwrap().set_times(times).unwrap();
}

fn edit_record(b: &Bundle, id: &str, change: impl FnOnce(&mut Value)) {
    let file = b.root().join(id).join("state.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut record);
    fs::write(file, record.to_string()).unwrap();
}

fn stopped(b: &Bundle) {
    let c = b.start_sleeper();
    c.kill("KILL").ok();
    c.wait_status("stopped");
}

/// SIGKILL comes before the call is done.
fn killed_create(b: &Bundle, at: &str) {
    let inject = format!("inject={at}:signal=SIGKILL");
    let create = b.verb("create").arg("--bundle").arg(b.path()).arg(b.id());
    let trace = ["strace", "-o", "/dev/null", "-e", &inject];
    assert_ne!(create.wrapped(trace).run().status, 0, "{at}");
}

#[test]
fn what_killed_creates_have_left_is_found_and_deleted() {
    require!("root", "teu", "strace");
    let points = [
        ("flock:when=1", "beginning"),
        ("renameat:when=1", "beginning"),
        ("renameat:when=2", "beginning"),
        ("clone3:when=1", "container"),
        ("renameat:when=3", "container"),
    ];
    for (at, kind) in points {
        let b = Bundle::probe(&["sleep"]);
        b.write();
        killed_create(&b, at);
        make_old(&b.root().join(b.id()), Duration::from_secs(90));
        let list = || gc(&b, &["--older-than", "1m", "--format", "json"]).ok().json();
        // The executor ends with its runtime, a moment later.
        wait_until(&format!("{at}: found"), || !list().as_array().unwrap().is_empty());
        let seen = list();
        assert_eq!((&seen[0]["kind"], &seen[0]["name"]), (&json!(kind), &json!(b.id())), "{at}");
        assert_eq!(seen[0]["reason"], "its create was killed", "{at}");
        assert!(seen[0]["age"].as_u64().unwrap() >= 90, "{at}");
        assert_eq!(list()[0]["path"], seen[0]["path"], "{at}: listing changes nothing");
        assert_eq!(gc(&b, &["--older-than", "1h"]).ok().out().lines().count(), 1, "{at}");
        gc(&b, &["--older-than", "1m", "--delete"]).ok();
        b.assert_clean();
        b.create().finish();
    }
}

#[test]
fn what_has_just_begun_is_left_alone() {
    require!("root", "teu", "strace");
    let b = Bundle::probe(&["sleep"]);
    b.write();
    killed_create(&b, "flock:when=1");
    assert_eq!(found(&b), []);
    assert_eq!(delete_all(&b), "");
    assert!(b.root().join(b.id()).exists());
}

#[test]
fn living_containers_are_never_touched() {
    require!("root", "teu");
    let [created, running, paused] = [(); 3].map(|()| Bundle::probe(&["sleep"]));
    created.create();
    running.start_sleeper();
    paused.start_sleeper().verb("pause", &[]).ok();
    for (b, status) in [(&created, "created"), (&running, "running"), (&paused, "paused")] {
        make_old(&b.root().join(b.id()), MONTH);
        fs::rename(b.path(), b.scratch("gone")).unwrap();
        assert_eq!(found(b), [], "{status}");
        assert_eq!(delete_all(b), "", "{status}");
        assert_eq!(b.container().status(), status);
        b.container().finish();
    }
}

#[test]
fn processes_that_outlive_their_init_keep_a_container() {
    require!("root", "teu");
    let mut b = Bundle::new();
    b.without_namespace("pid");
    let c = b.start_sleeper();
    let exec = b.verb("exec").args([b.id(), "/probe", "trap"]).spawn();
    exec.wait_for("ready");
    // The verb would kill all.
    kill(Pid::from_raw(c.pid()), Signal::SIGKILL).unwrap();
    c.wait_status("stopped");
    assert_eq!(found(&b), []);
    assert!(exec.is_alive());
    drop(exec);
    b.verb("kill").args(["--all", b.id(), "KILL"]).run();
    wait_until("found", || found(&b).len() == 1);
    delete_all(&b);
    b.assert_clean();
}

/// An engine that is at work may be about to delete it.
#[test]
fn a_stopped_container_is_garbage_once_its_bundle_is_gone() {
    require!("root", "teu");
    let b = Bundle::new();
    stopped(&b);
    let names = |flags: &[&str]| gc(&b, &[flags, &["--quiet"]].concat()).ok().out().to_owned();
    let dir = b.root().join(b.id());
    assert_eq!(names(&["--older-than", "0"]), "");
    assert_eq!(names(&["--stopped"]), "");
    assert_eq!(names(&["--stopped", "--older-than", "0"]), dir.to_str().unwrap());
    fs::rename(b.path(), b.scratch("elsewhere")).unwrap();
    assert_eq!(names(&[]), "");
    make_old(&dir, Duration::from_secs(2 * 60 * 60));
    let table = gc(&b, &[]).ok().out().to_owned();
    let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..3], ["container", b.id(), "2h"]);
    assert!(table.contains("its bundle is gone"), "{table}");
    assert_eq!(names(&["--delete"]), dir.to_str().unwrap());
    b.assert_clean();
    fs::rename(b.scratch("elsewhere"), b.path()).unwrap();
}

#[test]
fn poststop_hooks_run_as_after_any_delete() {
    require!("root", "teu");
    let mut b = Bundle::new();
    let (hook, probe) = (b.scratch("poststop"), integration_tests::probe());
    let args = json!(["probe", "save-stdin", hook]);
    b.push("/hooks/poststop", json!({ "path": probe, "args": args }));
    stopped(&b);
    delete_all(&b);
    b.assert_clean();
    assert!(fs::read_to_string(hook).unwrap().contains(b.id()));
}

/// Pid and start time count from the boot: both may be another process's now, and the cgroup another container's.
#[test]
fn after_a_boot_only_the_state_is_left() {
    require!("root", "teu");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let old = b.root().join("of-old");
    fs::create_dir(&old).unwrap();
    for name in ["state.json", "config.json"] {
        fs::copy(b.root().join(b.id()).join(name), old.join(name)).unwrap();
    }
    edit_record(&b, "of-old", |record| {
        record["id"] = json!("of-old");
        record["origin"]["boot"] = json!("00000000-0000-0000-0000-000000000000");
    });
    let known = |id: &str, verb: &str| b.verb(verb).arg(id).run();
    assert_eq!(known("of-old", "state").ok().json()["status"], "stopped");
    known("of-old", "kill").fails_with(&["container not running"]);
    let all = found(&b);
    assert_eq!(all, [("of-old".to_owned(), "the host has booted since".to_owned())]);
    assert_eq!(gc(&b, &["--delete", "--quiet"]).ok().out(), old.to_str().unwrap());
    assert!(!old.exists());
    assert_eq!(c.status(), "running");
    assert_eq!(c.exec(&["echo", "alive"]).ok().out(), "alive");
    c.finish();
}

#[test]
fn cgroups_that_another_container_uses_stay() {
    require!("root", "teu", "cgroupfs");
    let mut b = Bundle::new();
    let path = format!("/{}", b.id());
    b.set("/linux/cgroupsPath", path.as_str());
    stopped(&b);
    let mut inner = Bundle::probe(&["sleep"]);
    inner.set("/linux/cgroupsPath", format!("{path}/inner"));
    inner.write();
    let root = b.root();
    let verb = |verb: &str| inner.verb(verb).arg("--root").arg(&root);
    verb("create").arg("--bundle").arg(inner.path()).arg("inner").run().ok();
    assert_eq!(found(&b), []);
    verb("delete").args(["--force", "inner"]).run().ok();
    assert_eq!(found(&b).len(), 1);
    delete_all(&b);
    b.assert_clean();
}

#[test]
fn what_is_not_provably_its_own_is_left() {
    require!("root", "teu");
    let b = Bundle::new();
    stopped(&b);
    let (root, own) = (b.root(), b.root().join(b.id()));
    let copy = |name: &str| {
        let dir = root.join(name);
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o1700)).unwrap();
        for file in ["state.json", "config.json"] {
            fs::copy(own.join(file), dir.join(file)).unwrap();
        }
        edit_record(&b, name, |record| record["id"] = json!(name));
        dir
    };
    fs::write(copy("holds-more").join("precious"), "").unwrap();
    edit_record(&b, "holds-more", |_| {});
    chown(copy("another-users"), Some(65534), None).unwrap();
    fs::set_permissions(copy("writable"), fs::Permissions::from_mode(0o770)).unwrap();
    copy("another-id");
    edit_record(&b, "another-id", |record| record["id"] = json!("x"));
    copy("newer");
    edit_record(&b, "newer", |record| record["version"] = json!(1000));
    copy("elsewhere");
    edit_record(&b, "elsewhere", |record| record["origin"]["pid_namespace"] = json!(1));
    fs::write(copy("damaged").join("state.json"), "{").unwrap();
    symlink(own.file_name().unwrap(), root.join("link")).unwrap();
    fs::write(root.join("file"), "").unwrap();
    fs::create_dir(root.join("unmarked")).unwrap();
    fs::write(copy("begun").join("precious"), "").unwrap();
    fs::remove_file(root.join("begun/state.json")).unwrap();
    let names: Vec<String> = found(&b).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [b.id()]);
    for entry in fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            make_old(&path, MONTH);
        }
    }
    let outcome = gc(&b, &["--stopped", "--older-than", "0", "--delete", "--quiet"]).ok();
    assert_eq!(outcome.out(), own.to_str().unwrap());
    let told = ["holds-more", "another-users", "writable", "newer", "damaged"];
    for name in told {
        assert!(outcome.stderr.contains(&format!("gc leaves {name} alone: ")), "{name}");
    }
    let left = fs::read_dir(&root).unwrap().count();
    assert_eq!(
        left,
        told.len() + ["another-id", "elsewhere", "link", "file", "unmarked", "begun"].len()
    );
    assert!(root.join("holds-more/state.json").exists() && root.join("begun/precious").exists());
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn filters_that_no_start_will_use_are_found() {
    require!("root", "teu");
    let mut b = Bundle::probe(&["exit", "0"]);
    b.set("/linux/seccomp", json!({ "defaultAction": "SCMP_ACT_ALLOW" }));
    b.run().ok();
    let cache = b.scratch("state.filters");
    let good = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let number: u32 = good.file_name().unwrap().to_str().unwrap().parse().unwrap();
    let name = |add: u32| format!("{:02}", (number + add) % 16);
    let other = [name(1), format!("{}.tmp", name(2)), "16".into(), "notes".into()];
    for name in &other {
        fs::write(cache.join(name), "not a filter").unwrap();
    }
    assert_eq!(found(&b), [], "all new");
    other.iter().for_each(|name| make_old(&cache.join(name), Duration::from_secs(120)));
    make_old(&good, Duration::from_secs(120));
    let mut names: Vec<_> = found(&b).into_iter().map(|(name, _)| name).collect();
    names.sort();
    let mut wanted = other[..2].to_vec();
    wanted.sort();
    assert_eq!(names, wanted);
    make_old(&good, MONTH);
    assert_eq!(found(&b).len(), 3);
    assert_eq!(found(&b).len(), 3, "to look at it is not to use it");
    delete_all(&b);
    let mut left: Vec<_> = fs::read_dir(&cache)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["16", "notes"]);
    b.run().ok();
}

/// By the widest criteria, all the time: no create or start notices, and nothing is left.
#[test]
fn it_does_not_disturb_those_at_work() {
    require!("root", "teu");
    let b = Bundle::probe(&["sleep"]);
    b.write();
    let (done, path) = (AtomicBool::new(false), b.path());
    let verb = |verb: &str, id: &str| b.verb(verb).arg(id).run();
    thread::scope(|scope| {
        let lives = (0..3).map(|n| {
            let (verb, path, b) = (&verb, &path, &b);
            scope.spawn(move || {
                for _ in 0..8 {
                    let id = format!("{}-{n}", b.id());
                    b.verb("create").arg("--bundle").arg(path).arg(&id).run().ok();
                    verb("start", &id).ok();
                    assert_eq!(verb("state", &id).ok().json()["status"], "running");
                    b.verb("kill").args([&id, "KILL"]).run().ok();
                    let gone = || {
                        let state = verb("state", &id);
                        state.status != 0 || state.json()["status"] == "stopped"
                    };
                    wait_until("stopped", gone);
                    // By then it may have been collected.
                    b.verb("delete").args(["--force", &id]).run().ok();
                }
            })
        });
        let lives: Vec<_> = lives.collect();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                delete_all(&b);
            }
        });
        let results: Vec<_> = lives.into_iter().map(|life| life.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(|result| result.is_ok()));
    });
    b.assert_clean();
}

#[test]
fn an_ordinary_users_is_his_own() {
    require!("container", "teu");
    let b = Bundle::rootless();
    stopped(&b);
    assert_eq!(found(&b).len(), 1);
    delete_all(&b);
    b.assert_clean();
}
