//! Flags of seccomp(2).

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompFilterFlag as Flag};

use super::{Problem, field};

const LOG: u32 = 1 << 1;
const SPEC_ALLOW: u32 = 1 << 2;
pub(crate) const NEW_LISTENER: u32 = 1 << 3;
const WAIT_KILLABLE_RECV: u32 = 1 << 5;

/// The flags that a profile may have.
pub const KNOWN_FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/// Those of [`KNOWN_FLAGS`] that the running kernel takes. All but the last are older than what teu
/// needs of a kernel; that one came with Linux 5.19.
pub fn supported_flags(wait_killable_recv: bool) -> Vec<&'static str> {
    let all = KNOWN_FLAGS.into_iter();
    all.filter(|flag| wait_killable_recv || !flag.ends_with("WAIT_KILLABLE_RECV")).collect()
}

/// A profile without `flags` gets SPEC_ALLOW, as with runc: without it the kernel turns speculative
/// store bypass off for the container (before Linux 5.16), which costs speed. An empty list is none.
pub(super) fn flags(profile: &LinuxSeccomp, notifies: bool) -> Result<u32, Problem> {
    let listener = if notifies { NEW_LISTENER } else { 0 };
    let Some(list) = profile.flags() else { return Ok(SPEC_ALLOW | listener) };
    let mut flags = listener;
    for (index, flag) in list.iter().enumerate() {
        flags |= match flag {
            // Other threads: a container's process starts with none.
            Flag::SeccompFilterFlagTsync => 0,
            Flag::SeccompFilterFlagLog => LOG,
            Flag::SeccompFilterFlagSpecAllow => SPEC_ALLOW,
            Flag::SeccompFilterFlagWaitKillableRecv if !notifies => {
                let problem = "needs an entry with SCMP_ACT_NOTIFY";
                return Err(Problem::new(field(&format!("flags[{index}]")), problem));
            }
            Flag::SeccompFilterFlagWaitKillableRecv => WAIT_KILLABLE_RECV,
        };
    }
    Ok(flags)
}
