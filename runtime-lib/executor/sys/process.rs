//! What a process is: its names, ids, limits, namespaces and program.

use core::ffi::CStr;
use core::mem::size_of;

use super::{Fd, Result, arch, check, errno, fd, nr, plain, unit};
use crate::op::List;

pub const CLONE3: usize = 435;

pub fn prctl(option: u32, a: u64, b: u64) -> Result<()> {
    // The options that plans use (PR_SET_NAME aside, see `set_name`) take numbers.
    unit(plain(nr::PRCTL, [option as usize, a as usize, b as usize, 0, 0, 0]))
}

/// Sets the name that ps shows and by which `teu` knows its waiting executor.
pub fn set_name(name: &[u8; 16]) -> Result<()> {
    const PR_SET_NAME: usize = 15;
    unit(call!(nr::PRCTL, PR_SET_NAME, name.as_ptr()))
}

/// Restores the default action of a signal.
pub fn default_action(signal: usize) -> Result<()> {
    let action = [0usize; 4];
    unit(call!(nr::RT_SIGACTION, signal, action.as_ptr(), 0, 8))
}

/// From now on the signal ends this process, be it the init of a pid namespace, for which the default
/// action would be none.
pub fn end_by(signal: usize) -> Result<()> {
    const SA_RESTORER: usize = 0x0400_0000;
    extern "C" fn ended(signal: i32) -> ! {
        super::exit(128 + signal)
    }
    let handler = ended as extern "C" fn(i32) -> ! as usize;
    // x86-64 wants a restorer, even if the handler never returns to it.
    let action = [handler, SA_RESTORER, handler, 0];
    unit(call!(nr::RT_SIGACTION, signal, action.as_ptr(), 0, 8))
}

/// Unblocks all signals.
pub fn empty_signal_mask() -> Result<()> {
    const SIG_SETMASK: usize = 2;
    let mask = 0u64;
    unit(call!(nr::RT_SIGPROCMASK, SIG_SETMASK, &raw const mask, 0, 8))
}

pub fn umask(mask: u32) {
    plain(nr::UMASK, [mask as usize, 0, 0, 0, 0, 0]);
}

pub fn setsid() -> Result<()> {
    unit(plain(nr::SETSID, [0; 6]))
}

/// Where the calling process may run; everywhere if that is empty. No kernel is built for more than
/// 8192 processors, and bits beyond the machine's do not matter.
pub fn set_affinity(cpus: &[u8]) -> Result<()> {
    let all = [0xff; 1024];
    let cpus = if cpus.is_empty() { &all } else { cpus };
    unit(call!(nr::SCHED_SETAFFINITY, 0, cpus.len(), cpus.as_ptr()))
}

pub fn personality(persona: u32) -> Result<()> {
    unit(plain(nr::PERSONALITY, [persona as usize, 0, 0, 0, 0, 0]))
}

/// The kernel reads one bit less than it is told to (get_nodes in mm/mempolicy.c), and whole words.
pub fn set_memory_policy(mode: u32, nodes: &[u8]) -> Result<()> {
    let bits = if nodes.is_empty() { 0 } else { nodes.len() * 8 + 1 };
    let nodes = if nodes.is_empty() { core::ptr::null() } else { nodes.as_ptr() };
    unit(call!(nr::SET_MEMPOLICY, mode, nodes, bits))
}

pub fn setns(ns: Fd, flags: u32) -> Result<()> {
    unit(plain(nr::SETNS, [ns as usize, flags as usize, 0, 0, 0, 0]))
}

pub fn unshare(flags: u32) -> Result<()> {
    unit(plain(nr::UNSHARE, [flags as usize, 0, 0, 0, 0, 0]))
}

/// Forks with clone3; 0 in the child. Memory is copied, so the child may go on in this frame.
pub fn clone3(flags: u64, cgroup: Option<Fd>) -> Result<i32> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut args = [0u64; 11]; // struct clone_args: flags first, cgroup last
    args[0] = flags | if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    args[10] = cgroup.unwrap_or(0) as u64;
    fd(call!(CLONE3, args.as_ptr(), size_of::<[u64; 11]>()))
}

/// Joins (or makes) the keyring of that name, with the permissions a session keyring has by default
/// and SEARCH for its user.
pub fn join_session_keyring(name: &CStr) -> Result<()> {
    const JOIN_SESSION_KEYRING: usize = 1;
    const SETPERM: usize = 5;
    const POSSESSOR_ALL_USER_VIEW_READ_SEARCH_LINK: usize = 0x3f1b_0000;
    let ring = check(call!(nr::KEYCTL, JOIN_SESSION_KEYRING, name.as_ptr()))?;
    unit(plain(nr::KEYCTL, [SETPERM, ring, POSSESSOR_ALL_USER_VIEW_READ_SEARCH_LINK, 0, 0, 0]))
}

pub fn sethostname(name: &[u8]) -> Result<()> {
    unit(call!(nr::SETHOSTNAME, name.as_ptr(), name.len()))
}

pub fn setdomainname(name: &[u8]) -> Result<()> {
    unit(call!(nr::SETDOMAINNAME, name.as_ptr(), name.len()))
}

/// setgroups with gids given as 8-byte words, which are narrowed in place.
pub fn setgroups(plan: &mut [u8], groups: List) -> Result<()> {
    let (at, len) = (groups.at as usize, groups.len as usize);
    let words = plan.get_mut(at..at + len * 8).ok_or(errno::EINVAL)?;
    for i in 0..len {
        if let Some(low) = words.get(i * 8..i * 8 + 4) {
            let gid: [u8; 4] = low.try_into().map_err(|_| errno::EINVAL)?;
            words.get_mut(i * 4..i * 4 + 4).ok_or(errno::EINVAL)?.copy_from_slice(&gid);
        }
    }
    unit(call!(nr::SETGROUPS, len, words.as_ptr()))
}

pub fn setresgid(gid: u32) -> Result<()> {
    let gid = gid as usize;
    unit(plain(nr::SETRESGID, [gid, gid, gid, 0, 0, 0]))
}

pub fn setresuid(uid: u32) -> Result<()> {
    let uid = uid as usize;
    unit(plain(nr::SETRESUID, [uid, uid, uid, 0, 0, 0]))
}

/// Installs a filter, an array of struct sock_filter; the listener, if the flags ask for one.
pub fn seccomp(flags: u32, filter: &[u8]) -> Result<Fd> {
    const SET_MODE_FILTER: usize = 1;
    const SOCK_FILTER: usize = 8;
    let count = u16::try_from(filter.len() / SOCK_FILTER).map_err(|_| errno::EINVAL)?;
    // struct sock_fprog: the count, six bytes of padding, the array.
    let program = [usize::from(count), filter.as_ptr() as usize];
    fd(call!(nr::SECCOMP, SET_MODE_FILTER, flags, program.as_ptr()))
}

pub fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let (low, high) = (|set: u64| set as u32, |set: u64| (set >> 32) as u32);
    let data = [
        low(effective),
        low(permitted),
        low(inheritable),
        high(effective),
        high(permitted),
        high(inheritable),
    ];
    unit(call!(nr::CAPSET, header.as_ptr(), data.as_ptr()))
}

/// Turns a list of string offsets into an array of pointers, in place, the spare word into the null
/// pointer. Done once for each list, just before it is used.
fn pointers(plan: &mut [u8], list: List) -> Result<usize> {
    let base = plan.as_ptr() as usize;
    let limit = plan.len();
    let start = list.at as usize;
    let end = start + list.len as usize * 8;
    for word in plan.get_mut(start..end).ok_or(errno::EINVAL)?.chunks_exact_mut(8) {
        let offset = usize::from_ne_bytes(word.try_into().map_err(|_| errno::EINVAL)?);
        if offset >= limit {
            return Err(errno::EINVAL);
        }
        word.copy_from_slice(&(base + offset).to_ne_bytes());
    }
    plan.get_mut(end..end + 8).ok_or(errno::EINVAL)?.fill(0);
    Ok(base + start)
}

/// execve; comes back only with an error.
pub fn execve(plan: &mut [u8], path: usize, argv: List, envp: List) -> i32 {
    let run = |plan: &mut [u8]| -> Result<()> {
        let argv = pointers(plan, argv)?;
        let envp = pointers(plan, envp)?;
        let path = CStr::from_bytes_until_nul(plan.get(path..).ok_or(errno::EINVAL)?);
        let path = path.map_err(|_| errno::EINVAL)?;
        unit(call!(nr::EXECVE, path.as_ptr(), argv, envp))
    };
    run(plan).err().unwrap_or(errno::EINVAL)
}
