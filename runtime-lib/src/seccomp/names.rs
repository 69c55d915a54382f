//! What a profile may say, by name, and what of it the running kernel takes. For `teu features`.

use nix::errno::Errno;

/// Values of `action` and `defaultAction`.
pub const ACTIONS: [&str; 9] = [
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_NOTIFY",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
];

/// Values of `op`.
pub const OPERATORS: [&str; 7] = [
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
];

/// Values of `architectures` that are taken on a little-endian machine.
pub const ARCHITECTURES: [&str; 12] = [
    "SCMP_ARCH_AARCH64",
    "SCMP_ARCH_ARM",
    "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64",
    "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC64LE",
    "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_SH",
    "SCMP_ARCH_X32",
    "SCMP_ARCH_X86",
    "SCMP_ARCH_X86_64",
];

/// Values of `flags`.
pub const FLAGS: [&str; 4] = [
    "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_TSYNC",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
];

/// Bits of [`FLAGS`].
const BITS: [libc::c_ulong; 4] = [
    libc::SECCOMP_FILTER_FLAG_LOG,
    libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    libc::SECCOMP_FILTER_FLAG_TSYNC,
    // The kernel takes it with a new listener only.
    libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV | libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
];

/// Those of [`FLAGS`] that the running kernel takes.
pub fn supported_flags() -> Vec<&'static str> {
    let all = FLAGS.iter().zip(BITS);
    all.filter(|(_, bits)| is_supported(*bits)).map(|(name, _)| *name).collect()
}

/// Flags are looked at before the program is (seccomp(2)).
#[allow(unsafe_code)]
fn is_supported(flags: libc::c_ulong) -> bool {
    let program: *const libc::sock_fprog = std::ptr::null();
    let set = libc::SECCOMP_SET_MODE_FILTER;
    // SAFETY: there is no program at null, so nothing is read or installed: the call fails.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, set, flags, program) };
    result == -1 && Errno::last() == Errno::EFAULT
}
