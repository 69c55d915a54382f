//! Which container, and which verb is disturbed: what comes before it, and what it has achieved if it succeeds.

use std::fs;

use integration_tests::{Bundle, Value, json};

const CONFIGS: [&str; 4] = ["docker", "userns", "rootless", "rich"];

const VERBS: [&str; 10] =
    ["create", "start", "run", "exec", "kill", "pause", "resume", "update", "state", "delete"];

/// Each configuration and verb. An ordinary user has no cgroup on v1, and so nothing to freeze or to limit.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = CONFIGS.into_iter().flat_map(|config| VERBS.map(|verb| (config, verb)));
    all.filter(|(config, verb)| match *config {
        "rootless" => !matches!(*verb, "pause" | "resume" | "update"),
        "rich" => matches!(*verb, "create" | "start" | "run" | "exec" | "delete"),
        _ => true,
    })
}

/// A bundle of one of the configurations, whose process is `probe report`.
pub fn bundle(config: &str, parent: &str) -> Bundle {
    let mut bundle = if config == "rootless" { Bundle::rootless() } else { Bundle::new() };
    match config {
        "docker" => docker(&mut bundle),
        "userns" => {
            let maps = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
            bundle.namespace(json!({ "type": "user" })).namespace(json!({ "type": "cgroup" }));
            bundle.set("/linux/uidMappings", maps.clone()).set("/linux/gidMappings", maps);
            bundle.set("/process/user", json!({ "uid": 7, "gid": 8, "additionalGids": [9] }));
            bundle.file("data", "");
            let source = bundle.file("tmp/source", "text");
            bundle.bind(&source, "/data", &["bind", "ro"]);
        }
        "rich" => rich(&mut bundle),
        _ => {}
    }
    bundle.set("/linux/maskedPaths", json!(["/proc/kcore", "/proc/keys", "/sys/firmware"]));
    bundle.set("/linux/readonlyPaths", json!(["/proc/sys", "/proc/irq"]));
    bundle.set("/linux/seccomp", profile());
    bundle.set("/process/noNewPrivileges", true);
    bundle.set(
        "/process/rlimits",
        json!([{ "type": "RLIMIT_NOFILE", "soft": 100, "hard": 200 }, { "type": "RLIMIT_CORE", "soft": 0, "hard": 0 }]),
    );
    if config != "rootless" {
        bundle.set("/linux/cgroupsPath", format!("/{parent}/{}", bundle.id()));
        bundle.set("/linux/resources/pids", json!({ "limit": 50 }));
        bundle.set("/linux/resources/memory", json!({ "limit": 100 << 20 }));
    }
    bundle.args(&["report"]);
    bundle.write();
    bundle
}

/// What docker writes, of libteu's own tests.
fn docker(bundle: &mut Bundle) {
    let text = include_str!("../../../runtime-lib/tests/configs/docker.json");
    let config: Value = serde_json::from_str(text).unwrap();
    bundle.edit(|own| *own = config);
    bundle.set("/root", json!({ "path": "rootfs", "readonly": true }));
    bundle.edit(|config| {
        let files = config["mounts"].as_array_mut().unwrap().iter_mut();
        files
            .filter(|mount| mount["type"] == "bind")
            .for_each(|mount| mount["source"] = json!("/etc/hostname"));
    });
    let hook = integration_tests::probe();
    bundle.set(
        "/hooks",
        json!({ "prestart": [{ "path": hook, "args": ["probe", "exit", "0"], "timeout": 10 }] }),
    );
}

/// Hooks of all kinds, and what else takes steps of its own.
fn rich(bundle: &mut Bundle) {
    let host = json!([{ "path": integration_tests::probe(), "args": ["probe", "exit", "0"] }]);
    for kind in ["prestart", "createRuntime", "createContainer", "poststart", "poststop"] {
        bundle.set(&format!("/hooks/{kind}"), host.clone());
    }
    let inside = json!([{ "path": "/probe", "args": ["probe", "exit", "0"] }]);
    bundle.set("/hooks/startContainer", inside);
    bundle.namespace(json!({ "type": "time" })).namespace(json!({ "type": "cgroup" }));
    bundle.set("/linux/timeOffsets", json!({ "boottime": { "secs": 100, "nanosecs": 1 } }));
    bundle
        .set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1" }));
    bundle.set("/linux/rootfsPropagation", "slave");
    bundle.set("/linux/personality", json!({ "domain": "LINUX" }));
    let device = json!({ "path": "/dev/fuse2", "type": "c", "major": 10, "minor": 229, "fileMode": 432, "uid": 3, "gid": 4 });
    bundle.set("/linux/devices", json!([device]));
    bundle.set("/domainname", "example");
    bundle
        .set("/process/user", json!({ "uid": 0, "gid": 5, "umask": 23, "additionalGids": [6, 7] }));
    bundle.set("/process/oomScoreAdj", 321);
    bundle.set("/process/cwd", "/work/deep");
    bundle.set("/process/scheduler", json!({ "policy": "SCHED_BATCH", "nice": 3 }));
    bundle.set("/process/ioPriority", json!({ "class": "IOPRIO_CLASS_BE", "priority": 5 }));
    bundle
        .set("/linux/resources/cpu", json!({ "shares": 300, "quota": 90_000, "period": 100_000 }));
    bundle.file("copied/file", "text");
    bundle.mount("/copied", "tmpfs", "tmpfs", &["tmpcopyup", "nosuid", "size=1m"]);
    let source = bundle.scratch("volume");
    fs::create_dir_all(source.join("below")).unwrap();
    bundle.bind(&source, "/volume/deep", &["rbind", "rro", "rslave", "nosuid"]);
    bundle.symlink("link", "volume");
    bundle.bind(&source, "/link/second", &["bind", "noexec"]);
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid"]);
}

fn profile() -> Value {
    json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{ "names": ["acct", "reboot"], "action": "SCMP_ACT_ERRNO" }]
    })
}

/// The arguments of a verb, after the global ones.
pub fn words(bundle: &Bundle, verb: &str) -> Vec<String> {
    let id = bundle.id();
    let bundle = bundle.path().to_string_lossy().into_owned();
    let words: &[&str] = match verb {
        "create" | "run" => &["--bundle", &bundle, id],
        "exec" => &[id, "/probe", "report"],
        "kill" => &[id, "KILL"],
        "update" => &["--pids-limit", "40", id],
        "delete" => &["--force", id],
        _ => &[id],
    };
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Whether the container's own process has to sleep, rather than say what it sees.
pub fn sleeps(verb: &str) -> bool {
    !matches!(verb, "create" | "start" | "run")
}

/// What was said, without what differs from run to run: numbers of namespaces, mounts and devices.
pub fn normal(report: &str) -> Option<Value> {
    let mut report: Value = serde_json::from_str(report.lines().next()?).ok()?;
    for (kind, inode) in report["namespaces"].as_object_mut()? {
        let own = fs::metadata(format!("/proc/self/ns/{kind}")).ok()?;
        *inode = json!(inode.as_u64() == Some(std::os::unix::fs::MetadataExt::ino(&own)));
    }
    for mount in report["mounts"].as_array_mut()? {
        for key in ["id", "parent", "device"] {
            mount[key].take();
        }
        if let Some(fields) = mount["propagation"].as_array_mut() {
            fields.iter_mut().for_each(|field| {
                let word = field.as_str().unwrap_or_default();
                *field = json!(word.split(':').next());
            });
        }
    }
    for target in report["fds"].as_object_mut()?.values_mut() {
        let text = target.as_str().unwrap_or_default();
        *target = json!(text.split('[').next());
    }
    for node in report["dev"].as_object_mut()?.values_mut() {
        node["dev"].take();
        node["ino"].take();
    }
    drop_companions(&mut report);
    report["pid"].take();
    Some(report)
}

/// Cgroup hierarchies that limit nothing, which a container may be without as with runc, if its runtime is denied them.
fn drop_companions(report: &mut Value) {
    let v1 = std::path::Path::new("/sys/fs/cgroup/memory").exists();
    let keep = |text: &str| !v1 || !(text.contains(":name=") || text.starts_with("0::"));
    if let Some(lines) = report["cgroup"].as_array_mut() {
        lines.retain(|line| keep(line.as_str().unwrap_or_default()));
    }
    let places = ["/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified"];
    if let Some(mounts) = report["mounts"].as_array_mut() {
        mounts.retain(|mount| !v1 || !places.iter().any(|place| mount["mountpoint"] == *place));
    }
}
