//! Flags of seccomp(2).

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompFilterFlag as Flag};

use super::{Problem, field};

const LOG: u32 = 1 << 1;
const SPEC_ALLOW: u32 = 1 << 2;
pub(crate) const NEW_LISTENER: u32 = 1 << 3;
pub(super) const WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// A profile without `flags` gets SPEC_ALLOW, as with runc: without it the kernel turns speculative
/// store bypass off for the container (before Linux 5.16), which costs speed. An empty list is none.
pub(super) fn flags(profile: &LinuxSeccomp, notifies: bool) -> Result<u32, Problem> {
    let listener = if notifies { NEW_LISTENER } else { 0 };
    let has_path =
        profile.listener_path().as_ref().is_some_and(|path| !path.as_os_str().is_empty());
    let has_metadata = profile.listener_metadata().as_ref().is_some_and(|data| !data.is_empty());
    if notifies && !has_path {
        let problem = "must be set, since an entry has SCMP_ACT_NOTIFY";
        return Err(Problem::new(field("listenerPath"), problem));
    }
    if has_metadata && !has_path {
        let problem = "must not be set without listenerPath";
        return Err(Problem::new(field("listenerMetadata"), problem));
    }
    let Some(list) = profile.flags() else { return Ok(SPEC_ALLOW | listener) };
    let mut flags = listener;
    for (index, flag) in list.iter().enumerate() {
        if *flag == Flag::SeccompFilterFlagWaitKillableRecv && !notifies {
            let problem = "needs an entry with SCMP_ACT_NOTIFY";
            return Err(Problem::new(field(&format!("flags[{index}]")), problem));
        }
        flags |= bits(*flag);
    }
    Ok(flags)
}

/// What the kernel is told of a flag.
pub(super) fn bits(flag: Flag) -> u32 {
    match flag {
        // Other threads: a container's process starts with none.
        Flag::SeccompFilterFlagTsync => 0,
        Flag::SeccompFilterFlagLog => LOG,
        Flag::SeccompFilterFlagSpecAllow => SPEC_ALLOW,
        Flag::SeccompFilterFlagWaitKillableRecv => WAIT_KILLABLE_RECV,
    }
}
