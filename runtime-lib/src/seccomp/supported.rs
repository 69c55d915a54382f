//! What of profiles the running kernel takes, and what can be read on this machine. For `features`.

use nix::errno::Errno;
use oci_spec::runtime::{Arch as SpecArch, LinuxSeccompFilterFlag as Flag};

use super::Arch;
use super::arch::Meaning;
use super::flags::{NEW_LISTENER, WAIT_KILLABLE_RECV, bits};

/// Whether the specification has an architecture and filters can read its arguments here.
pub(crate) fn is_taken(arch: SpecArch) -> bool {
    arch != SpecArch::ScmpArchNative && Arch::NATIVE.meaning(arch) != Meaning::OtherByteOrder
}

/// Whether the running kernel takes a flag. Flags are looked at before the program is (seccomp(2)).
#[allow(unsafe_code)]
pub(crate) fn is_supported(flag: Flag) -> bool {
    let bits = match flag {
        // Not for a process of one thread, but the kernel has it.
        Flag::SeccompFilterFlagTsync => libc::SECCOMP_FILTER_FLAG_TSYNC,
        // Taken with a new listener only.
        Flag::SeccompFilterFlagWaitKillableRecv => (WAIT_KILLABLE_RECV | NEW_LISTENER).into(),
        other => bits(other).into(),
    };
    let program: *const libc::sock_fprog = std::ptr::null();
    let set = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: there is no program at null, so nothing is read or installed: the call fails.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, set, bits, program) };
    result == -1 && Errno::last() == Errno::EFAULT
}
