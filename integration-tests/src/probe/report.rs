//! `probe report`: the process as it finds itself.

use std::collections::BTreeMap;

use caps::CapSet;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{getegid, geteuid, getgid, getgroups, getpgrp, getpid, getppid, getsid, getuid};
use serde_json::{Value, json};

use crate::{dev, procfs};

/// Everything, as one JSON object.
pub fn report() -> Value {
    let old_umask = umask(Mode::from_bits_truncate(0o077));
    let uts = nix::sys::utsname::uname().ok();
    json!({
        "uid": getuid().as_raw(),
        "gid": getgid().as_raw(),
        "euid": geteuid().as_raw(),
        "egid": getegid().as_raw(),
        "groups": getgroups().map(|g| g.iter().map(|g| g.as_raw()).collect::<Vec<_>>()).ok(),
        "umask": old_umask.bits(),
        "capabilities": capabilities(),
        "no_new_privs": nix::sys::prctl::get_no_new_privs().ok(),
        "seccomp": procfs::status("Seccomp").and_then(|s| s.parse::<u32>().ok()),
        "rlimits": rlimits(),
        "cwd": std::env::current_dir().ok(),
        "env": std::env::vars_os().map(|(k, v)| format!("{}={}", k.to_string_lossy(), v.to_string_lossy()))
            .collect::<Vec<_>>(),
        "args": std::env::args_os().map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>(),
        "hostname": uts.as_ref().map(|u| u.nodename().to_string_lossy()),
        "domainname": uts.as_ref().map(|u| u.domainname().to_string_lossy()),
        "mounts": procfs::mounts(),
        "fds": procfs::fds(),
        "namespaces": procfs::namespaces(),
        "pid": getpid().as_raw(),
        "ppid": getppid().as_raw(),
        "pgrp": getpgrp().as_raw(),
        "sid": getsid(None).map(nix::unistd::Pid::as_raw).ok(),
        "comm": procfs::read("/proc/self/comm"),
        "exe": std::fs::read_link("/proc/self/exe").ok(),
        "oom_score_adj": procfs::read("/proc/self/oom_score_adj").and_then(|s| s.parse::<i32>().ok()),
        "signals_blocked": procfs::signals("SigBlk"),
        "signals_ignored": procfs::signals("SigIgn"),
        "cgroup": procfs::read("/proc/self/cgroup").map(|s| s.lines().map(String::from).collect::<Vec<_>>()),
        "uid_map": procfs::id_map("uid_map"),
        "gid_map": procfs::id_map("gid_map"),
        "setgroups": procfs::read("/proc/self/setgroups"),
        "cpus": procfs::status("Cpus_allowed_list"),
        "dumpable": nix::sys::prctl::get_dumpable().ok(),
        "timerslack": nix::sys::prctl::get_timerslack().ok(),
        "dev": dev::list("/dev"),
        "interfaces": interfaces(),
        "addresses": addresses(),
        "root": dev::list("/").map(|l| l.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>())),
    })
}

fn capabilities() -> Value {
    let names = |set| {
        caps::read(None, set).ok().map(|set| {
            let mut names: Vec<String> = set.iter().map(ToString::to_string).collect();
            names.sort();
            names
        })
    };
    json!({
        "effective": names(CapSet::Effective),
        "permitted": names(CapSet::Permitted),
        "inheritable": names(CapSet::Inheritable),
        "bounding": names(CapSet::Bounding),
        "ambient": names(CapSet::Ambient),
    })
}

fn rlimits() -> Value {
    use Resource as R;
    let all = [
        R::RLIMIT_AS,
        R::RLIMIT_CORE,
        R::RLIMIT_CPU,
        R::RLIMIT_DATA,
        R::RLIMIT_FSIZE,
        R::RLIMIT_LOCKS,
        R::RLIMIT_MEMLOCK,
        R::RLIMIT_MSGQUEUE,
        R::RLIMIT_NICE,
        R::RLIMIT_NOFILE,
        R::RLIMIT_NPROC,
        R::RLIMIT_RSS,
        R::RLIMIT_RTPRIO,
        R::RLIMIT_RTTIME,
        R::RLIMIT_SIGPENDING,
        R::RLIMIT_STACK,
    ];
    let map: BTreeMap<String, Value> = all
        .iter()
        .filter_map(|r| {
            getrlimit(*r).ok().map(|(soft, hard)| (format!("{r:?}"), json!([soft, hard])))
        })
        .collect();
    json!(map)
}

/// Interface name -> whether it is up.
fn interfaces() -> Option<BTreeMap<String, bool>> {
    let list = nix::ifaddrs::getifaddrs().ok()?;
    Some(
        list.map(|i| (i.interface_name, i.flags.contains(nix::net::if_::InterfaceFlags::IFF_UP)))
            .collect(),
    )
}

/// Interface name -> its IP addresses, sorted.
fn addresses() -> Option<BTreeMap<String, Vec<String>>> {
    let mut map = BTreeMap::<String, Vec<String>>::new();
    for interface in nix::ifaddrs::getifaddrs().ok()? {
        let Some(address) = interface.address else { continue };
        let v4 = address.as_sockaddr_in().map(|a| a.ip().to_string());
        let v6 = address.as_sockaddr_in6().map(|a| a.ip().to_string());
        map.entry(interface.interface_name).or_default().extend(v4.or(v6));
    }
    map.values_mut().for_each(|list| list.sort());
    Some(map)
}
