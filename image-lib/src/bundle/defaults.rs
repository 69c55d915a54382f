//! What docker gives a container that nothing else was asked for (dockerd 20.10 with the changes of its
//! later versions that take something away: io_uring, AF_VSOCK, the powercap counters).

use serde_json::{Value, json};

/// Bounding set, and what root has.
pub const CAPABILITIES: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

/// Files and directories of which nothing is to be seen.
pub const MASKED: [&str; 11] = [
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
    // CVE-2020-8694: what other processes do can be read from the power they take.
    "/sys/devices/virtual/powercap",
];

/// Files and directories that cannot be changed.
pub const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Where programs are looked for if the image does not say.
pub const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const SECCOMP: &str = include_str!("seccomp.json");

/// The profile, for this host's architecture and those that it runs, too.
pub fn seccomp() -> serde_json::Result<Value> {
    let mut profile: Value = serde_json::from_str(SECCOMP)?;
    profile["architectures"] = match std::env::consts::ARCH {
        "x86_64" => json!(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]),
        "aarch64" => json!(["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]),
        _ => Value::Null,
    };
    Ok(profile)
}

/// Device rules: nothing but what every container has.
pub fn devices() -> Value {
    let allow = |major: i64, minor: i64| json!({ "allow": true, "type": "c", "major": major, "minor": minor, "access": "rwm" });
    let mut rules = vec![json!({ "allow": false, "access": "rwm" })];
    rules
        .extend([(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)].map(|(a, b)| allow(a, b)));
    // Terminals below /dev/pts.
    rules.push(json!({ "allow": true, "type": "c", "major": 136, "access": "rwm" }));
    rules.extend(["c", "b"].map(|kind| json!({ "allow": true, "type": kind, "access": "m" })));
    json!(rules)
}

/// Mounts. An ordinary user's container that has the host's network cannot have a sysfs of its own,
/// which shows network devices, and no cgroups; nor need its groups have a number 5.
pub fn mounts(rootless: bool, own_network: bool) -> Vec<Value> {
    let mount = |target: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": source, "options": options });
    let mut pts = vec!["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
    if !rootless {
        pts.push("gid=5");
    }
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount("/dev/pts", "devpts", "devpts", &pts),
    ];
    if own_network || !rootless {
        mounts.push(mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]));
    } else {
        let options = ["rbind", "nosuid", "noexec", "nodev", "ro"];
        mounts.push(mount("/sys", "bind", "/sys", &options));
    }
    if !rootless {
        let options = ["ro", "nosuid", "noexec", "nodev"];
        mounts.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &options));
    }
    let options = ["nosuid", "noexec", "nodev"];
    mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &options));
    let options = ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"];
    mounts.push(mount("/dev/shm", "tmpfs", "shm", &options));
    mounts
}
