//! `probe scheduling`: how the kernel treats this process.
#![allow(unsafe_code, reason = "calls that libc has no functions for")]

use nix::errno::Errno;
use serde_json::{Value, json};

use crate::procfs;

/// struct sched_attr, version 0.
#[repr(C)]
#[derive(Default)]
struct Attr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    times: [u64; 3],
}

/// Everything, as one JSON object.
pub fn report() -> Value {
    let mut attr = Attr::default();
    let size = size_of::<Attr>();
    // SAFETY: the kernel writes at most `size` bytes to a structure of that size.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, size, 0) };
    let known = Errno::result(got).is_ok();
    // SAFETY: plain numbers.
    let io = unsafe { libc::syscall(libc::SYS_ioprio_get, 1, 0) };
    json!({
        "policy": known.then_some(attr.policy),
        "flags": attr.flags,
        "nice": attr.nice,
        "priority": attr.priority,
        "times": attr.times,
        "io": [io >> 13, io & 7],
        "cpus": procfs::status("Cpus_allowed_list"),
        "memory": memory_policy(),
        "machine": nix::sys::utsname::uname().ok().map(|u| u.machine().to_string_lossy().into_owned()),
    })
}

/// Mode with flags, and the first 64 nodes.
fn memory_policy() -> Value {
    let (mut mode, mut nodes) = (0i32, [0u64; 16]);
    let bits = 64 * nodes.len();
    // SAFETY: the kernel writes a number to the one, and as many bits as it is told to the other.
    let got = unsafe {
        libc::syscall(libc::SYS_get_mempolicy, &raw mut mode, nodes.as_mut_ptr(), bits, 0, 0)
    };
    Errno::result(got).map_or(Value::Null, |_| json!([mode, nodes[0]]))
}
