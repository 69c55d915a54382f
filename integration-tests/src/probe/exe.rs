//! Looking for a way out: descriptors and executables that belong to the runtime (CVE-2019-5736, CVE-2024-21626).
#![allow(unsafe_code, reason = "fcntl on numbers that nobody owns")]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::statvfs::{FsFlags, fstatvfs};
use serde_json::{Value, json};

/// Whether a descriptor number is in use.
pub fn is_open(fd: i32) -> bool {
    // SAFETY: F_GETFD on any number reads a flag or says EBADF; it touches no memory.
    unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
}

/// Holds every foreign `/proc/PID/exe` it can open, until a process runs `last`, then reopens them for writing, after
/// their processes are gone, as the exploit of CVE-2019-5736 does. Nothing is ever written.
pub fn hunt(last: &str) -> Value {
    println!("ready");
    let mut held: BTreeMap<(u64, u64), (File, String)> = BTreeMap::new();
    // Longer than the harness waits for the answer, also where all takes longer.
    let end = Instant::now() + Duration::from_secs(60);
    // By inode: between reading a link and opening it a process may run something else.
    let last = std::fs::metadata(last).map(|m| (m.dev(), m.ino())).unwrap_or_default();
    while !held.contains_key(&last) && Instant::now() < end {
        for (link, file) in foreign_executables() {
            if let Ok(meta) = file.metadata() {
                held.entry((meta.dev(), meta.ino())).or_insert((file, link));
            }
        }
    }
    std::thread::sleep(Duration::from_millis(300));
    Value::Array(held.iter().map(|(id, (file, link))| describe(*id, file, link)).collect())
}

fn foreign_executables() -> Vec<(String, File)> {
    let own = std::fs::metadata("/proc/self/exe").map(|m| (m.dev(), m.ino())).ok();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter(|e| e.file_name().to_string_lossy().parse::<u32>().is_ok());
    pids.filter_map(|entry| {
        let path = entry.path().join("exe");
        let link = std::fs::read_link(&path).ok()?.to_string_lossy().into_owned();
        let file = File::options().read(true).custom_flags(libc::O_PATH).open(path).ok()?;
        let id = file.metadata().map(|m| (m.dev(), m.ino())).ok();
        (id.is_some() && id != own).then_some((link, file))
    })
    .collect()
}

fn describe(id: (u64, u64), file: &File, link: &str) -> Value {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let opened = File::options().write(true).open(&path);
    // Of a descriptor of its own, opened for reading: what runs cannot be opened for writing.
    let readable = File::open(&path).ok();
    // SAFETY: F_GET_SEALS on an owned descriptor returns a number.
    let seals = readable.map(|f| unsafe { libc::fcntl(f.as_raw_fd(), libc::F_GET_SEALS) });
    json!({
        // A program that runs gives ETXTBSY before the kernel looks whether the mount is read-only.
        "read_only": fstatvfs(file).is_ok_and(|v| v.flags().contains(FsFlags::ST_RDONLY)),
        "dev": id.0,
        "ino": id.1,
        "link": link,
        "write": opened.as_ref().map_or_else(|e| format!("{:?}", Errno::from_raw(e.raw_os_error().unwrap_or(0))), |_| "ok".into()),
        "sealed": seals.map(|s| s != -1 && s & libc::F_SEAL_WRITE != 0),
    })
}
