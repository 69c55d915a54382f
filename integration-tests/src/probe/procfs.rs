//! What only `/proc` can tell; `None` when it is not mounted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A small file, without its last newline.
pub fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|s| s.trim_end().to_owned())
}

/// One field of `/proc/self/status`.
pub fn status(field: &str) -> Option<String> {
    let text = read("/proc/self/status")?;
    text.lines().find_map(|l| l.strip_prefix(field)?.strip_prefix(':').map(|v| v.trim().to_owned()))
}

/// A signal mask of `/proc/self/status` as a list of names.
pub fn signals(field: &str) -> Option<Vec<String>> {
    let mask = u64::from_str_radix(&status(field)?, 16).ok()?;
    let set = (1..=64).filter(|n| mask >> (n - 1) & 1 == 1);
    Some(set.map(signal_name).collect())
}

/// `SIGTERM` and the like; a number for real-time signals.
pub fn signal_name(number: i32) -> String {
    nix::sys::signal::Signal::try_from(number)
        .map_or_else(|_| number.to_string(), |s| s.to_string())
}

/// `uid_map` or `gid_map` as triples.
pub fn id_map(name: &str) -> Option<Vec<Vec<u32>>> {
    let text = read(&format!("/proc/self/{name}"))?;
    Some(
        text.lines()
            .map(|l| l.split_whitespace().filter_map(|n| n.parse().ok()).collect())
            .collect(),
    )
}

/// Namespace kind -> inode number.
pub fn namespaces() -> Option<BTreeMap<String, u64>> {
    let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
    let inode = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
        link.to_str()?.strip_suffix(']')?.rsplit('[').next()?.parse::<u64>().ok()
    };
    let map: BTreeMap<String, u64> =
        kinds.iter().filter_map(|k| Some(((*k).to_owned(), inode(k)?))).collect();
    (!map.is_empty()).then_some(map)
}

/// The open descriptors: number -> link target (`null` without `/proc`), but the one used to look.
pub fn fds() -> Value {
    let mut map = BTreeMap::new();
    if let Ok(dir) = std::fs::read_dir("/proc/self/fd") {
        let own = std::fs::canonicalize("/proc/self/fd").ok();
        for entry in dir.flatten() {
            let target = std::fs::read_link(entry.path()).ok();
            if target.is_some() && target == own {
                continue;
            }
            map.insert(entry.file_name().to_string_lossy().into_owned(), json!(target));
        }
    } else {
        let open = (0..1024).filter(|fd| crate::exe::is_open(*fd));
        map.extend(open.map(|fd| (fd.to_string(), Value::Null)));
    }
    json!(map)
}

/// The clocks that a time namespace shifts, in seconds.
pub fn clocks() -> Value {
    use nix::time::{ClockId, clock_gettime};
    let seconds = |clock| clock_gettime(clock).ok().map(|time| time.tv_sec());
    let uptime = read("/proc/uptime");
    let uptime = uptime.as_deref().and_then(|text| text.split('.').next()?.parse::<i64>().ok());
    json!({
        "monotonic": seconds(ClockId::CLOCK_MONOTONIC),
        "boottime": seconds(ClockId::CLOCK_BOOTTIME),
        "uptime": uptime,
    })
}

/// `/proc/self/mountinfo`, parsed.
pub fn mounts() -> Option<Vec<Value>> {
    Some(read("/proc/self/mountinfo")?.lines().filter_map(mount).collect())
}

fn mount(line: &str) -> Option<Value> {
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.split(' ').collect();
    let list = |s: &str| s.split(',').map(String::from).collect::<Vec<_>>();
    Some(json!({
        "id": left.first()?.parse::<u64>().ok()?,
        "parent": left.get(1)?.parse::<u64>().ok()?,
        "device": left.get(2)?,
        "root": unescape(left.get(3)?),
        "mountpoint": unescape(left.get(4)?),
        "options": list(left.get(5)?),
        "propagation": left.get(6..).unwrap_or_default(),
        "fstype": right.first()?,
        "source": unescape(right.get(1)?),
        "super_options": list(right.get(2)?),
    }))
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}
