//! Full disks, read-only state, memory that runs out, pids that are used again: in namespaces of the worker's own.
#![allow(unsafe_code, reason = "fork")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use integration_tests::{Bundle, Outcome, json, wait_until};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid};

use super::traces::{Traces, wait_until_as_before};

const NONE: Option<&str> = None;

/// What there is.
pub const NAMES: [&str; 6] = [
    "full-state",
    "full-bundle",
    "read-only-state",
    "little-memory",
    "killed-by-oom",
    "reused-pid",
];

/// Runs one of them.
pub fn main(name: &str) -> ExitCode {
    unshare(CloneFlags::CLONE_NEWNS).expect("unshare");
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).expect("private mounts");
    let tried = match name {
        "full-state" => full_state(),
        "full-bundle" => full_bundle(),
        "read-only-state" => read_only_state(),
        "little-memory" => little_memory(),
        "killed-by-oom" => killed_by_oom(),
        "reused-pid" => return in_pid_namespace(reused_pid),
        _ => panic!("no place {name}"),
    };
    println!("places/{name}: {tried} tried");
    ExitCode::SUCCESS
}

/// A file system of a size of its own; gone with it.
struct Disk {
    path: PathBuf,
    _dir: Option<tempfile::TempDir>,
}

impl Disk {
    fn new(options: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("teu-faults-").tempdir().unwrap();
        let mut disk = Self::at(dir.path(), options);
        disk._dir = Some(dir);
        disk
    }

    fn at(at: &Path, options: &str) -> Self {
        std::fs::create_dir_all(at).unwrap();
        mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some(options)).unwrap();
        Self { path: at.to_owned(), _dir: None }
    }

    fn remount(&self, flags: MsFlags, options: Option<&str>) {
        mount(NONE, &self.path, NONE, MsFlags::MS_REMOUNT | flags, options).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(&self.path, MntFlags::MNT_DETACH);
    }
}

/// A verb with another state root.
fn verb(bundle: &Bundle, root: &Path, verb: &str, words: &[&str]) -> Outcome {
    let id = bundle.id();
    let bundle_dir = bundle.path();
    let cmd = integration_tests::Runtime::get().bare().arg("--root").arg(root).arg(verb);
    let cmd =
        if matches!(verb, "create" | "run") { cmd.arg("--bundle").arg(bundle_dir) } else { cmd };
    cmd.args(words).arg(id).run()
}

/// Success, or an error that says something, and no panic.
fn answers(outcome: &Outcome) -> bool {
    let told = !outcome.stderr.trim().is_empty() && !outcome.stderr.contains("panicked");
    assert!(outcome.status == 0 || (outcome.status < 128 && told), "{outcome:?}");
    outcome.status == 0
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

/// With every number of free pages, and of free inodes, that makes a difference.
fn full_state() -> usize {
    let mut bundle = Bundle::probe(&["exit", "0"]);
    bundle.set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        { "names": ["acct"], "action": "SCMP_ACT_ERRNO" }] }),
    );
    bundle.set("/linux/resources/pids", json!({ "limit": 50 })).write();
    let pages = (1..=8).map(|pages| format!("size={}", pages * 4096));
    let inodes = (1..=12).map(|inodes| format!("nr_inodes={inodes}"));
    let (mut good, mut bad) = (0, 0);
    for options in pages.chain(inodes) {
        let disk = Disk::new(&options);
        let root = disk.path.join("state");
        for how in ["run", "create"] {
            if answers(&verb(&bundle, &root, how, &[]))
                && (how == "run" || answers(&verb(&bundle, &root, "start", &[])))
            {
                good += 1;
            } else {
                bad += 1;
            }
            if how == "create" {
                verb(&bundle, &root, "delete", &["--force"]).ok();
            }
            assert!(
                !root.exists() || is_empty(&root),
                "{options}: left over in {}",
                root.display()
            );
            bundle.assert_clean();
        }
    }
    assert!(good > 2 && bad > 2, "{good} succeeded, {bad} failed");
    good + bad
}

/// There is no room for the places where things are mounted, nor for a log and a pid file.
fn full_bundle() -> usize {
    let mut bundle = Bundle::probe(&["exit", "0"]);
    let disk = Disk::new("size=4096");
    let small = disk.path.clone();
    std::fs::write(small.join("filler"), vec![0; 4096]).unwrap();
    bundle.write();
    let (pid, log) = (small.join("pid"), small.join("log"));
    let outcome = bundle.run_cmd(&["--pid-file", pid.to_str().unwrap()]).run();
    assert!(!answers(&outcome), "{outcome:?}");
    bundle.assert_clean();
    bundle.global_flag("--log").global_flag(log.to_str().unwrap());
    answers(&bundle.run_cmd(&[]).run());
    bundle.assert_clean();
    drop(disk);
    let mut bundle = Bundle::probe(&["exit", "0"]);
    let roots = bundle.rootfs().join("full");
    let disk = Disk::at(&roots, "size=4096,nr_inodes=1");
    bundle.mount("/full/deep/place", "tmpfs", "tmpfs", &[]);
    let source = bundle.scratch("source");
    std::fs::write(&source, "").unwrap();
    bundle.bind(&source, "/full/file", &["bind"]);
    bundle.bind(&roots, "/full", &["rbind"]);
    bundle.edit(|config| config["mounts"].as_array_mut().unwrap().rotate_right(1));
    let outcome = bundle.run_cmd(&[]).run();
    assert!(!answers(&outcome) && outcome.stderr.contains("ENOSPC"), "{outcome:?}");
    assert!(is_empty(&disk.path));
    drop(disk);
    bundle.assert_clean();
    3
}

/// Every verb finds it so.
fn read_only_state() -> usize {
    let bundle = Bundle::probe(&["sleep"]);
    bundle.write();
    let disk = Disk::new("size=1m");
    let root = disk.path.join("state");
    std::fs::create_dir(&root).unwrap();
    let read_only = || disk.remount(MsFlags::MS_RDONLY, None);
    let writable = || disk.remount(MsFlags::empty(), None);
    read_only();
    for how in ["create", "run"] {
        let outcome = verb(&bundle, &root, how, &[]);
        assert!(!answers(&outcome) && outcome.stderr.contains("EROFS"), "{outcome:?}");
        bundle.assert_clean();
    }
    let verbs: [(&str, &[&str]); 7] = [
        ("start", &[]),
        ("state", &[]),
        ("pause", &[]),
        ("resume", &[]),
        ("update", &["--pids-limit", "30"]),
        ("kill", &[]),
        ("delete", &["--force"]),
    ];
    for (disturbed, _) in verbs {
        writable();
        verb(&bundle, &root, "create", &[]).ok();
        for (name, words) in verbs {
            if name == disturbed {
                read_only();
            }
            answers(&verb(&bundle, &root, name, words));
        }
        writable();
        verb(&bundle, &root, "delete", &["--force"]).ok();
        assert!(is_empty(&root));
        bundle.assert_clean();
    }
    2 + verbs.len()
}

/// From nothing to enough.
fn little_memory() -> usize {
    let (mut good, mut bad) = (0, 0);
    for kib in
        [4, 8, 16, 32, 64, 96, 128, 160, 192, 224, 256, 384, 512, 768, 1024, 2048, 4096, 16_384]
    {
        let mut bundle = Bundle::probe(&["exit", "0"]);
        bundle.set("/linux/resources/memory", json!({ "limit": kib * 1024 }));
        let ran = bundle.run_cmd(&[]).run();
        // The program itself may be what is killed.
        if ran.status == 137 || !answers(&ran) {
            bad += 1
        } else {
            good += 1
        }
        bundle.assert_clean();
        let create = verb(&bundle, &bundle.root(), "create", &[]);
        if create.status == 0 {
            answers(&verb(&bundle, &bundle.root(), "start", &[]));
        } else {
            answers(&create);
        }
        verb(&bundle, &bundle.root(), "delete", &["--force"]).ok();
        bundle.assert_clean();
    }
    assert!(good > 2 && bad > 2, "{good} succeeded, {bad} failed");
    2 * (good + bad)
}

/// What it was killed by is its exit status; a detached one is stopped.
fn killed_by_oom() -> usize {
    let mut bundle = Bundle::probe(&["touch-memory", "200"]);
    bundle.set("/linux/resources/memory", json!({ "limit": 20 << 20, "swap": 20 << 20 }));
    bundle.run().exits(137);
    let container = bundle.create();
    container.start().ok();
    container.wait_status("stopped");
    assert_eq!(container.state()["pid"], 0);
    container.exec(&["report"]).fails();
    container.kill("KILL").fails();
    container.delete().ok();
    bundle.assert_clean();
    2
}

fn in_pid_namespace(work: fn() -> usize) -> ExitCode {
    unshare(CloneFlags::CLONE_NEWPID).expect("unshare");
    // SAFETY: there is one thread.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), NONE).expect("/proc");
            println!("places/reused-pid: {} tried", work());
            ExitCode::SUCCESS
        }
        ForkResult::Parent { child } => match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, 0)) => ExitCode::SUCCESS,
            other => panic!("{other:?}"),
        },
    }
}

/// An init is killed behind the runtime's back, and another process gets its pid: it is left alone.
fn reused_pid() -> usize {
    let states = ["created", "running", "paused"];
    for status in states {
        let bundle = Bundle::probe(&["sleep"]);
        let before = Traces::of(&bundle, "none");
        let container = bundle.create();
        if status != "created" {
            container.start().ok();
        }
        let pid = container.pid();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        wait_until("the init is gone", || waitpid(Pid::from_raw(pid), None).is_ok());
        let mut other = with_pid(pid);
        if status == "paused" {
            container.verb("pause", &[]).fails();
        }
        assert_eq!(
            (container.status().as_str(), &container.state()["pid"]),
            ("stopped", &json!(0))
        );
        for signal in ["TERM", "KILL"] {
            container.kill(signal).fails();
            bundle.verb("kill").args(["--all", bundle.id(), signal]).run();
        }
        container.start().fails();
        container.exec(&["report"]).fails();
        bundle.verb("ps").arg(bundle.id()).run();
        container.verb("delete", &["--force"]).ok();
        assert!(other.try_wait().unwrap().is_none(), "the other process was killed");
        other.kill().unwrap();
        other.wait().unwrap();
        wait_until_as_before(&bundle, "none", &before).unwrap();
    }
    states.len()
}

/// A process of just this pid. Nobody else makes any in this namespace.
fn with_pid(pid: i32) -> std::process::Child {
    assert_eq!(getpid().as_raw(), 1);
    std::thread::sleep(std::time::Duration::from_millis(30));
    std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
    let child = Command::new("sleep").arg("1000").spawn().unwrap();
    assert_eq!(child.id(), u32::try_from(pid).unwrap());
    child
}
