//! Known ways out, by the name of the hole.

use std::fs;
use std::os::unix::fs::MetadataExt;

use integration_tests::{Bundle, Container, Value, json, known_difference, require};

/// The entries of `probe hunt-exe` that came into the container from outside, be it the runtime's own binary or what
/// it sends in its place, and that can be written to, now or (ETXTBSY: it only runs somewhere at the moment) later.
fn exposed(b: &Bundle, found: &Value) -> Vec<Value> {
    let image = ["probe", "last"].map(|name| fs::metadata(b.rootfs().join(name)).unwrap());
    let is_foreign =
        |e: &&Value| !image.iter().any(|own| e["dev"] == own.dev() && e["ino"] == own.ino());
    let is_open = |e: &&Value| {
        (e["write"] == "ok" || e["write"] == "ETXTBSY" && e["read_only"] == false)
            && e["sealed"] != true
    };
    found.as_array().unwrap().iter().filter(is_foreign).filter(is_open).cloned().collect()
}

/// What a process in the container can get hold of while others enter it. The last of them runs `/last`.
fn hunt(b: &mut Bundle, others: impl FnOnce(&Bundle, &Container<'_>)) -> Value {
    fs::copy(b.rootfs().join("probe"), b.rootfs().join("last")).unwrap();
    b.args(&["hunt-exe", "/last"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    others(b, &c);
    c.wait_stdout("]");
    let found: Value = serde_json::from_str(c.stdout().lines().nth(1).unwrap()).unwrap();
    let last = fs::metadata(b.rootfs().join("last")).unwrap().ino();
    let control = found.as_array().unwrap().iter().any(|e| e["ino"] == last);
    assert!(control, "the hunter missed a process it must see: {found}");
    eprintln!("seen: {found}");
    found
}

/// Some end at once, some become whatever starts them (`/proc/self/exe`).
fn execs(b: &Bundle, c: &Container<'_>) {
    for _ in 0..10 {
        c.exec(&["exit", "0"]).ok();
        let _ = b.verb("exec").args([b.id(), "/proc/self/exe", "--version"]).run();
    }
    b.verb("exec").args(["--detach", b.id(), "/last", "sleep"]).run().ok();
}

/// Further containers with the same root file system and pid namespace.
fn creates(b: &Bundle, c: &Container<'_>) {
    let mut other = Bundle::probe(&["exit", "0"]);
    let pids = format!("/proc/{}/ns/pid", c.pid());
    other.namespace(json!({ "type": "pid", "path": pids }));
    other.set("/root/path", b.rootfs().to_str().unwrap());
    for program in ["/probe", "/proc/self/exe"] {
        other.set("/process/args/0", program);
        for _ in 0..5 {
            let _ = other.run_cmd(&[]).run();
        }
    }
    other.set("/process/args", json!(["/last", "sleep"]));
    let created = other.create();
    std::thread::sleep(std::time::Duration::from_millis(100));
    created.start().ok();
    c.wait_stdout("]");
}

/// May look into every process that it sees, and write to every file.
fn tracer() -> Bundle {
    let mut b = Bundle::new();
    let caps = json!(["CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"]);
    b.capabilities(&json!({ "bounding": caps, "effective": caps, "permitted": caps }));
    b
}

#[test]
fn cve_2019_5736_an_exec_exposes_nothing_of_the_runtimes_for_writing() {
    require!("container");
    for mut b in [Bundle::new(), tracer()] {
        let found = hunt(&mut b, execs);
        assert_eq!(exposed(&b, &found), [Value::Null; 0], "all seen: {found}");
    }
}

#[test]
fn cve_2019_5736_nor_does_a_create() {
    require!("root");
    for mut b in [Bundle::new(), tracer()] {
        let found = hunt(&mut b, creates);
        assert_eq!(exposed(&b, &found), [Value::Null; 0], "all seen: {found}");
    }
}

#[test]
fn cve_2024_21626_a_working_directory_through_a_descriptor_is_refused() {
    require!("container");
    for fd in 3..24 {
        let mut b = Bundle::new();
        b.set("/process/cwd", format!("/proc/self/fd/{fd}"));
        let outcome = b.run();
        assert_ne!(outcome.status, 0, "{outcome:#?}");
    }
}

#[test]
fn cve_2024_21626_exec_cannot_start_in_a_descriptor() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    for fd in 3..24 {
        let outcome = c.exec_with(&["--cwd", &format!("/proc/self/fd/{fd}")], &["report"]);
        assert_ne!(outcome.status, 0, "{outcome:#?}");
    }
}

#[test]
fn cve_2024_21626_a_link_to_a_descriptor_is_no_way_out_either() {
    require!("container");
    for fd in 3..24 {
        let mut b = Bundle::new();
        b.symlink("way-out", &format!("/proc/self/fd/{fd}"));
        b.set("/process/cwd", "/way-out");
        let outcome = b.run();
        if outcome.status == 0 {
            // Resolved inside, to something of the container's own.
            assert!(outcome.json()["cwd"].as_str().unwrap().starts_with('/'), "{outcome:#?}");
        }
    }
}

/// A descriptor that is open on purpose: closing all others does not help.
#[test]
fn cve_2024_21626_nor_is_a_directory_that_the_caller_has_passed_on() {
    require!("root");
    known_difference!("cwd-outside");
    const OPEN: &str = r#"exec 3</; exec "$@""#;
    let mut b = Bundle::new();
    b.symlink("way-out", "/proc/self/fd/3");
    for cwd in ["/proc/self/fd/3", "/proc/self/fd/3/etc", "/way-out"] {
        b.set("/process/cwd", cwd);
        b.run_cmd(&["--preserve-fds", "1"]).through_shell(OPEN).run().fails();
        b.assert_clean();
    }
    b.set("/process/cwd", "/");
    let c = b.start_sleeper();
    for cwd in ["/proc/self/fd/3", "/proc/self/fd/3/etc", "/way-out"] {
        let exec = b.verb("exec").args(["--preserve-fds", "1", "--cwd", cwd, b.id(), "/probe"]);
        exec.arg("report").through_shell(OPEN).run().fails();
    }
    c.finish();
}

#[test]
fn cve_2024_21626_no_directory_of_the_host_is_open_in_the_process() {
    require!("container");
    let r = Bundle::new().report();
    for (number, target) in r["fds"].as_object().unwrap() {
        let target = target.as_str().unwrap();
        assert!(["0", "1", "2"].contains(&number.as_str()), "{number} -> {target}");
    }
}

#[test]
fn cve_2021_30465_a_link_in_a_volume_does_not_lead_a_mount_out() {
    require!("container");
    // A shared volume holds a link to the host's root; a later mount aims below it.
    let mut b = Bundle::new();
    let volume = b.scratch("volume");
    fs::create_dir(&volume).unwrap();
    let outside = b.scratch("outside");
    fs::create_dir(&outside).unwrap();
    let target = outside.to_str().unwrap();
    std::os::unix::fs::symlink(target, volume.join("link")).unwrap();
    std::os::unix::fs::symlink("../../../../../../../..".to_owned() + target, volume.join("up"))
        .unwrap();
    b.bind(&volume, "/vol", &["bind"]);
    b.mount("/vol/link/a", "tmpfs", "tmpfs", &[]);
    b.mount("/vol/up/b", "tmpfs", "tmpfs", &[]);
    let _ = b.run();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "something was made outside the rootfs");
}

#[test]
fn a_mount_target_that_is_a_link_to_the_host_stays_inside() {
    require!("container");
    let mut b = Bundle::new();
    let outside = b.scratch("outside");
    fs::create_dir(&outside).unwrap();
    b.symlink("link", outside.to_str().unwrap());
    b.mount("/link", "tmpfs", "tmpfs", &["size=64k"]);
    let outcome = b.run();
    if outcome.status == 0 {
        let mounts = outcome.json()["mounts"].clone();
        let inside = |m: &Value| {
            m["mountpoint"] == outside.to_str().unwrap()
                && m["super_options"].to_string().contains("64k")
        };
        assert!(mounts.as_array().unwrap().iter().any(inside), "{mounts}");
    }
}

#[test]
fn cve_2019_16884_a_proc_that_is_a_volume_is_refused() {
    require!("container");
    known_difference!("proc-volume");
    let mut b = Bundle::new();
    let fake = b.scratch("fake-proc");
    fs::create_dir_all(fake.join("self/attr")).unwrap();
    fs::write(fake.join("self/attr/exec"), "").unwrap();
    b.bind(&fake, "/proc", &["bind"]);
    b.set("/process/apparmorProfile", Value::Null);
    b.run().fails_with(&["/proc"]);
}

#[test]
fn cve_2019_19921_a_proc_that_is_a_link_is_refused() {
    require!("container");
    let b = Bundle::new();
    fs::remove_dir(b.rootfs().join("proc")).unwrap();
    b.dir("elsewhere");
    b.symlink("proc", "/elsewhere");
    b.run().fails_with(&["/proc", "proc"]);
}

#[test]
fn cve_2025_31133_a_dev_null_that_is_a_link_does_not_unmask_or_bind_another_file() {
    require!("container");
    let mut b = Bundle::new();
    b.file("etc/secret", "hidden");
    // /dev is the image's own directory: it can hold anything under the name "null".
    for at in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        b.unmount(at);
    }
    b.file("dev/decoy", "decoy");
    b.symlink("dev/null", "/proc/sys/kernel/hostname");
    b.set("/linux/maskedPaths", json!(["/etc/secret"]));
    b.args(&["read", "/etc/secret"]);
    // With a stream of its own the process needs no null device, which would fail as well.
    let outcome = b.run_cmd(&[]).stdin("text").run();
    if outcome.status == 0 {
        assert_eq!(outcome.out(), "");
    }
    b.assert_clean();
}

#[test]
fn cve_2025_52565_a_dev_that_the_image_prepared_does_not_redirect_the_devices() {
    require!("container");
    known_difference!("dev-link");
    let mut b = Bundle::new();
    for at in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        b.unmount(at);
    }
    let outside = b.scratch("victim");
    fs::write(&outside, "host data").unwrap();
    fs::remove_dir(b.rootfs().join("dev")).unwrap();
    b.symlink("dev", b.scratch("").to_str().unwrap());
    let _ = b.run();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "host data");
    let names: Vec<String> = fs::read_dir(b.scratch(""))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.iter().any(|n| n == "null" || n == "ptmx"), "{names:?}");
}

#[test]
fn cve_2025_52881_a_sysctl_is_not_written_through_a_link_that_the_image_prepared() {
    require!("container");
    let mut b = Bundle::new();
    // A tmpfs over /proc/sys would make the write go nowhere; the value must either arrive or be refused.
    b.mount("/proc/sys/net", "tmpfs", "tmpfs", &[]);
    b.set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" }));
    known_difference!("mount-inside-proc");
    b.run().fails();
}

#[test]
fn cve_2022_29162_nothing_is_inheritable_in_the_process_or_in_exec() {
    require!("container");
    let b = Bundle::new();
    assert_eq!(b.report().caps("inheritable"), [""; 0]);
    let c = b.start_sleeper();
    assert_eq!(c.report().caps("inheritable"), [""; 0]);
    let more =
        integration_tests::Report(c.exec_with(&["--cap", "CAP_SYS_TIME"], &["report"]).ok().json());
    assert_eq!(more.caps("inheritable"), [""; 0]);
}

#[test]
fn cve_2024_45310_no_file_is_made_on_the_host_through_a_link() {
    require!("container");
    let mut b = Bundle::new();
    let outside = b.scratch("made-on-host");
    b.symlink("etc/target", outside.to_str().unwrap());
    let source = b.scratch("source");
    fs::write(&source, "x").unwrap();
    b.bind(&source, "/etc/target", &["bind"]);
    let _ = b.run();
    assert!(!outside.exists());
}

#[test]
fn the_runtimes_memory_and_root_are_closed_to_the_container() {
    require!("container");
    // A process in the container that may ptrace must not reach the host through /proc/PID/root of an exec.
    let mut b = Bundle::new();
    let caps = json!(["CAP_SYS_PTRACE", "CAP_KILL"]);
    b.capabilities(&json!({ "bounding": caps, "effective": caps, "permitted": caps }));
    b.args(&["seq", "ls", "/proc/1/root", "--", "ls", "/proc/self/cwd"]);
    assert_eq!(
        b.run().ok().out(),
        "dev etc probe proc run sys tmp\ndev etc probe proc run sys tmp"
    );
}

#[test]
fn a_mount_over_the_root_is_no_surprise() {
    require!("container");
    let mut b = Bundle::new();
    b.mount("/", "tmpfs", "tmpfs", &[]);
    let outcome = b.run();
    assert!(outcome.status != 0 || outcome.stdout.contains("\"pid\":1"), "{outcome:#?}");
}

#[test]
fn a_mount_target_with_dots_stays_inside() {
    require!("container");
    let mut b = Bundle::new();
    b.mount("/../../../../../../dots", "tmpfs", "tmpfs", &["size=64k"]);
    let outcome = b.run();
    assert!(!std::path::Path::new("/dots").exists());
    if outcome.status == 0 {
        assert!(b.rootfs().join("dots").is_dir());
    }
}
