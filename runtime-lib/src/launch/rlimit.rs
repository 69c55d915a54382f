//! Limits of a process, set from outside.

use nix::errno::Errno;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::errno;

/// `u64::MAX` is no limit, as in the kernel's structure.
pub(super) fn set(pid: i32, resource: u32, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = |value: u64| (value != u64::MAX).then_some(value);
    let known = RESOURCES.get(resource as usize).copied().ok_or(Errno::EINVAL)?;
    let new = Rlimit { current: limit(soft), maximum: limit(hard) };
    prlimit(Pid::from_raw(pid), known, new).map(drop).map_err(errno)
}

/// By their numbers in include/uapi/asm-generic/resource.h.
const RESOURCES: [Resource; 16] = [
    Resource::Cpu,
    Resource::Fsize,
    Resource::Data,
    Resource::Stack,
    Resource::Core,
    Resource::Rss,
    Resource::Nproc,
    Resource::Nofile,
    Resource::Memlock,
    Resource::As,
    Resource::Locks,
    Resource::Sigpending,
    Resource::Msgqueue,
    Resource::Nice,
    Resource::Rtprio,
    Resource::Rttime,
];
