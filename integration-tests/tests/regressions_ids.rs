//! Known ways to more rights than were asked for, by the name of the hole.

use std::fs;
use std::os::unix::fs::symlink;

use integration_tests::{Bundle, Report, json, known_difference, own_namespace, require};

#[test]
fn cve_2016_3697_and_cve_2026_30892_a_number_is_that_user_and_nobody_else() {
    require!("root");
    known_difference!("exec-user-gid");
    let b = Bundle::new();
    // Whoever is called so in the image is root there.
    b.file("etc/passwd", "1:x:0:0::/:/probe\n1000:x:0:0::/:/probe\nroot:x:0:0::/:/probe\n");
    b.file("etc/group", "1:x:0:\n2000:x:0:\n");
    let c = b.start_sleeper();
    for (text, uid, gid) in
        [("1", 1, 0), ("1000", 1000, 0), ("1:1", 1, 1), ("1000:2000", 1000, 2000)]
    {
        let report = c.exec_with(&["--user", text], &["report"]).ok().json();
        assert_eq!((&report["uid"], &report["gid"]), (&json!(uid), &json!(gid)), "{text}");
    }
}

#[test]
fn cve_2016_3697_and_cve_2024_40635_what_is_no_number_or_too_large_is_refused() {
    require!("root", "teu");
    let b = Bundle::new();
    let c = b.start_sleeper();
    for text in [
        "-1",
        "1:",
        ":1",
        ":",
        "1:-1",
        "1 ",
        " 1",
        "1x",
        "0x1",
        "1:1:1",
        "root",
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "1:4294967295",
        "1:4294967296",
    ] {
        assert_ne!(c.exec_with(&["--user", text], &["report"]).status, 0, "{text:?}");
    }
    c.finish();
    for (field, value) in
        [("uid", "4294967295"), ("uid", "4294967296"), ("gid", "4294967296"), ("uid", "-1")]
    {
        let mut b = Bundle::new();
        let value: serde_json::Number = value.parse().unwrap();
        b.set(&format!("/process/user/{field}"), json!(value));
        b.run().fails();
    }
}

/// The process that enters a container has descriptors and memory that are the runtime's.
#[test]
fn cve_2016_9962_what_enters_a_container_cannot_be_looked_into() {
    require!("root", "teu");
    let b = Bundle::probe(&["sleep"]);
    let c = b.create();
    let names = c.exec(&["ls", "/proc/1/fd"]).ok().out().to_owned();
    let fds = names.split(' ').map(|n| format!("/proc/1/fd/{n}"));
    for path in fds.chain(["/proc/1/mem".into(), "/proc/1/environ".into()]) {
        assert_eq!(c.exec(&["open", &path, "r"]).out(), "EACCES", "{path}");
    }
    c.start().ok();
    integration_tests::wait_ready(c.pid());
    assert_eq!(
        c.exec(&["open", "/proc/1/environ", "r"]).ok().out(),
        "ok",
        "the user's program is its own"
    );
    c.finish();
}

/// An attribute's length of 16 bits took the rest of a longer one for further attributes: of the namespaces to
/// make, for example. The sources of bind mounts went that way with a user namespace.
#[test]
fn cve_2021_43784_more_than_64_kib_arrive_whole() {
    require!("root", "userns");
    known_difference!("many-sources");
    let mut b = Bundle::new();
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    b.namespace(json!({ "type": "user" }));
    b.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    let deep = b.scratch(&vec!["x".repeat(200); 10].join("/"));
    fs::create_dir_all(&deep).unwrap();
    for n in 0..40 {
        let source = deep.join(n.to_string());
        fs::write(&source, format!("number {n}")).unwrap();
        b.file(&format!("bound/{n}"), "");
        b.bind(&source, &format!("/bound/{n}"), &["bind"]);
    }
    let env = |n: usize| format!("LONG{n}={}", "y".repeat(20_000));
    b.set("/process/env", (0..5).map(env).collect::<Vec<_>>());
    b.args(&[
        "seq",
        "report",
        "--",
        "read",
        "/bound/0",
        "--",
        "read",
        "/bound/39",
        "--",
        "env",
        "LONG4",
    ]);
    let out = b.run().ok().out().to_owned();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[1..], ["number 0", "number 39", &"y".repeat(20_000)]);
    let report = Report(serde_json::from_str(lines[0]).unwrap());
    for kind in ["user", "pid", "net", "ipc", "uts", "mnt"] {
        let inside = report["namespaces"][kind].as_u64().unwrap();
        assert_ne!(inside, own_namespace(kind), "{kind}");
    }
}

#[test]
fn cve_2021_43784_long_lists_are_not_cut() {
    require!("root", "teu");
    let mut b = Bundle::new();
    let map = |n: u32| json!({ "containerID": n, "hostID": 100_000 + n, "size": 1 });
    b.namespace(json!({ "type": "user" }));
    for list in ["/linux/uidMappings", "/linux/gidMappings"] {
        // The kernel takes 340; these are 64 KiB and more as text.
        b.set(list, json!((0..6000).map(map).collect::<Vec<_>>()));
    }
    b.run().fails_with(&["Mappings", "uid_map", "gid_map"]);
    let mut b = Bundle::new();
    b.without_namespace("network");
    b.namespace(json!({ "type": "network", "path": format!("/{}", "x/".repeat(40_000)) }));
    b.run().fails();
}

#[test]
fn cve_2022_29162_and_cve_2025_27612_an_exec_has_the_containers_capabilities_and_no_more() {
    require!("container");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let own = Report(serde_json::from_str(c.exec(&["report"]).ok().out()).unwrap());
    for set in ["bounding", "effective", "permitted"] {
        let mut caps = own.caps(set);
        caps.sort();
        assert_eq!(caps, ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"], "{set}");
    }
    for set in ["inheritable", "ambient"] {
        assert_eq!(own.caps(set), [""; 0], "{set}");
    }
}

#[test]
fn cve_2023_25809_cgroups_of_the_host_are_read_only_without_a_cgroup_namespace() {
    require!("root", "teu");
    let mut b = Bundle::new();
    b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "relatime", "ro"]);
    let map = json!([{ "containerID": 0, "hostID": 0, "size": 1000 }]);
    b.namespace(json!({ "type": "user" }));
    b.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    let report = b.run().ok().json();
    let below =
        |m: &&serde_json::Value| m["mountpoint"].as_str().unwrap().starts_with("/sys/fs/cgroup");
    let mounts: Vec<_> = report["mounts"].as_array().unwrap().iter().filter(below).collect();
    assert!(!mounts.is_empty(), "{report}");
    for mount in mounts {
        assert!(mount["options"].to_string().contains("\"ro"), "{mount}");
    }
}

#[test]
fn cve_2023_27561_cve_2023_28642_and_cve_2025_54867_a_proc_or_sys_that_is_a_link_is_refused() {
    require!("root", "teu");
    for (name, target) in
        [("proc", "/elsewhere"), ("sys", "/elsewhere"), ("proc", "elsewhere/"), ("sys", "/proc")]
    {
        let b = Bundle::new();
        fs::remove_dir(b.rootfs().join(name)).unwrap();
        b.dir("elsewhere");
        b.symlink(name, target);
        b.run().fails_with(&[name]);
    }
}

/// All that a runtime itself makes in a root filesystem by a path of the config.
#[test]
fn cve_2025_24965_nothing_of_the_runtimes_is_made_through_a_link_of_the_image() {
    require!("root", "teu");
    let mut b = Bundle::probe(&["exit", "0"]);
    let outside = b.scratch("outside");
    fs::create_dir(&outside).unwrap();
    let target = outside.to_str().unwrap();
    b.symlink("link", target);
    for name in [".krun_config.json", "dev/core", "etc/mtab"] {
        let _ = fs::remove_file(b.rootfs().join(name));
        symlink(outside.join("made"), b.rootfs().join(name)).unwrap();
    }
    b.set("/process/cwd", "/link/new");
    b.mount("/link/mount/point", "tmpfs", "tmpfs", &["tmpcopyup"]);
    b.set("/annotations", json!({ "run.oci.handler": "krun" }));
    b.run();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

/// containerd handed labels of images on as annotations.
#[test]
fn cve_2026_53488_annotations_run_nothing() {
    require!("root", "teu");
    let mut b = Bundle::probe(&["echo", "the process"]);
    let ran = b.scratch("ran");
    let command = format!("touch {}", ran.display());
    let uri = format!("binary:///usr/bin/touch?{}", ran.display());
    b.set(
        "/annotations",
        json!({
            "run.oci.handler": "/usr/bin/touch",
            "run.oci.hooks.stdout": ran,
            "run.oci.hooks.stderr": ran,
            "run.oci.delegate-cgroup": "../../..",
            "org.opencontainers.runtime.hooks": command,
            "containerd.io/restart.loguri": uri,
            "io.kubernetes.cri.untrusted": uri,
            "module.wasm.image/variant": "compat",
        }),
    );
    assert_eq!(b.run().ok().out(), "the process");
    assert!(!ran.exists());
}

/// containerd read files of an image without an end.
#[test]
fn cve_2026_47262_a_passwd_without_an_end_is_read_for_a_while_only() {
    require!("root", "teu");
    let mut b = Bundle::probe(&["env", "HOME"]);
    b.symlink("etc/passwd", "/dev/zero");
    assert_eq!(b.run().ok().out(), "/");
    fs::remove_file(b.rootfs().join("etc/passwd")).unwrap();
    nix::unistd::mkfifo(&b.rootfs().join("etc/passwd"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(b.run().ok().out(), "/");
    fs::remove_file(b.rootfs().join("etc/passwd")).unwrap();
    b.file("etc/passwd", &format!("{}\nroot:x:0:0::/found:\n", "x".repeat(1 << 20)));
    b.args(&["env", "HOME"]);
    assert_eq!(b.run().ok().out(), "/found");
}
