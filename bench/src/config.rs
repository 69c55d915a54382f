//! The two configurations that are timed.

use std::path::Path;

use serde_json::{Value, json};

/// The fourteen capabilities that Docker leaves a container.
pub const CAPABILITIES: [(&str, u32); 14] = [
    ("CAP_CHOWN", 0),
    ("CAP_DAC_OVERRIDE", 1),
    ("CAP_FSETID", 4),
    ("CAP_FOWNER", 3),
    ("CAP_MKNOD", 27),
    ("CAP_NET_RAW", 13),
    ("CAP_SETGID", 6),
    ("CAP_SETUID", 7),
    ("CAP_SETFCAP", 31),
    ("CAP_SETPCAP", 8),
    ("CAP_NET_BIND_SERVICE", 10),
    ("CAP_SYS_CHROOT", 18),
    ("CAP_KILL", 5),
    ("CAP_AUDIT_WRITE", 29),
];

/// Supplementary groups of root in Docker's usual small image.
pub const GROUPS: [u32; 11] = [0, 1, 2, 3, 4, 6, 10, 11, 20, 26, 27];

/// Docker's list.
pub const MASKED: [&str; 10] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];

/// Docker's list.
pub const READONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What Docker sets in a network namespace that is the container's own.
pub const SYSCTLS: [(&str, &str); 2] =
    [("net.ipv4.ip_unprivileged_port_start", "0"), ("net.ipv4.ping_group_range", "0 2147483647")];

/// Files that Docker binds into every container.
pub const ETC: [&str; 3] = ["resolv.conf", "hostname", "hosts"];

/// Which configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Config {
    /// Five namespaces, /proc and an empty /dev.
    Minimal,
    /// What Docker 20.10 makes of `run --network none --security-opt seccomp=unconfined`.
    Docker,
}

impl Config {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Minimal, Self::Docker];

    /// The name in tables and paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Docker => "docker",
        }
    }

    /// config.json for a container that runs `program`. `own_cgroupns`: as Docker does on v2.
    pub fn json(self, bundle: &Path, program: &str, cgroup: &str, own_cgroupns: bool) -> Value {
        let mut config = minimal(program, cgroup);
        if self == Self::Docker {
            docker(&mut config, bundle, own_cgroupns);
        }
        config
    }
}

fn minimal(program: &str, cgroup: &str) -> Value {
    let caps: Vec<_> = CAPABILITIES.iter().map(|(name, _)| *name).collect();
    let kinds = ["mount", "network", "uts", "pid", "ipc"];
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": { "uid": 0, "gid": 0 },
            "args": [program],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "cwd": "/",
            "capabilities": { "bounding": caps, "effective": caps, "permitted": caps },
        },
        "root": { "path": "rootfs" },
        "hostname": "bench",
        "mounts": [mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]), dev()],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": kinds.map(|kind| json!({ "type": kind })),
        },
    })
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": kind, "source": source, "options": options })
}

fn dev() -> Value {
    mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"])
}

fn docker(config: &mut Value, bundle: &Path, own_cgroupns: bool) {
    config["mounts"] = docker_mounts(bundle);
    config["process"]["user"]["additionalGids"] = json!(GROUPS);
    config["process"]["oomScoreAdj"] = json!(0);
    let linux = &mut config["linux"];
    linux["maskedPaths"] = json!(MASKED);
    linux["readonlyPaths"] = json!(READONLY);
    linux["sysctl"] = SYSCTLS.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    linux["resources"] = resources();
    if own_cgroupns && let Some(list) = linux["namespaces"].as_array_mut() {
        list.push(json!({ "type": "cgroup" }));
    }
}

fn docker_mounts(bundle: &Path) -> Value {
    let pts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"];
    let shm = ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"];
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        dev(),
        mount("/dev/pts", "devpts", "devpts", &pts),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/dev/shm", "tmpfs", "shm", &shm),
    ];
    mounts.extend(ETC.map(|name| {
        let source = bundle.join(name);
        let source = source.to_string_lossy();
        mount(&format!("/etc/{name}"), "bind", &source, &["rbind", "rprivate"])
    }));
    Value::Array(mounts)
}

fn resources() -> Value {
    let device = |allow: bool, major: u32, minor: u32| json!({ "allow": allow, "type": "c", "major": major, "minor": minor, "access": "rwm" });
    json!({
        "devices": [
            { "allow": false, "access": "rwm" },
            device(true, 1, 5),
            device(true, 1, 3),
            device(true, 1, 9),
            device(true, 1, 8),
            device(true, 5, 0),
            device(true, 5, 1),
            device(false, 10, 229),
        ],
        "memory": {},
        "cpu": { "shares": 0 },
        "pids": { "limit": 0 },
        "blockIO": { "weight": 0 },
    })
}
