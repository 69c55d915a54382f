//! Architectures as seccomp tells them apart, and their system-call numbers.

use std::fmt;

use oci_spec::runtime::Arch as SpecArch;

use super::table::{CALLS, N};

/// x32 calls are x86_64 calls whose number has this bit.
pub(super) const X32_BIT: u32 = 1 << 30;

/// An architecture with a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arch {
    /// i386: `int 0x80`, also from 64-bit programs.
    X86,
    /// x86_64 proper.
    X86_64,
    /// The 32-bit ABI of x86_64.
    X32,
    /// 32-bit ARM, EABI.
    Arm,
    /// 64-bit ARM.
    Aarch64,
    /// 64-bit RISC-V.
    Riscv64,
}

/// What a profile's name for an architecture means to a kernel for a native one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Calls of this kind can occur.
    Possible(Arch),
    /// They cannot: no code is needed for them.
    Impossible,
    /// The other byte order, in which a filter could not read the arguments.
    OtherByteOrder,
}

impl Arch {
    /// The one that this program is built for.
    #[cfg(target_arch = "x86_64")]
    pub const NATIVE: Self = Self::X86_64;
    /// The one that this program is built for.
    #[cfg(target_arch = "aarch64")]
    pub const NATIVE: Self = Self::Aarch64;

    /// AUDIT_ARCH_* of linux/audit.h, as filters see it.
    pub fn audit(self) -> u32 {
        match self {
            Self::X86 => 0x4000_0003,
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::Arm => 0x4000_0028,
            Self::Aarch64 => 0xc000_00b7,
            Self::Riscv64 => 0xc000_00f3,
        }
    }

    /// Arguments have 64 bits. Of x32 libseccomp looks at 32, so do we.
    pub fn is_wide(self) -> bool {
        matches!(self, Self::X86_64 | Self::Aarch64 | Self::Riscv64)
    }

    /// The number that a program passes for a call, x32's with its bit.
    pub fn number(self, name: &str) -> Option<u32> {
        Call::named(name).and_then(|call| call.number(self))
    }

    /// The call behind such a number.
    pub fn call_name(self, number: u32) -> Option<&'static str> {
        CALLS
            .iter()
            .map(Call::of_row)
            .find(|call| call.number(self) == Some(number))
            .map(|c| c.name)
    }

    /// Kernels for `self` run programs of `other`, too.
    fn runs(self, other: Self) -> bool {
        self == other
            || match self {
                Self::X86_64 => matches!(other, Self::X86 | Self::X32),
                Self::Aarch64 => other == Self::Arm,
                _ => false,
            }
    }

    pub(super) fn meaning(self, listed: SpecArch) -> Meaning {
        let arch = match listed {
            SpecArch::ScmpArchNative => self,
            SpecArch::ScmpArchX86 => Self::X86,
            SpecArch::ScmpArchX86_64 => Self::X86_64,
            SpecArch::ScmpArchX32 => Self::X32,
            SpecArch::ScmpArchArm => Self::Arm,
            SpecArch::ScmpArchAarch64 => Self::Aarch64,
            SpecArch::ScmpArchRiscv64 => Self::Riscv64,
            SpecArch::ScmpArchMipsel
            | SpecArch::ScmpArchMipsel64
            | SpecArch::ScmpArchMipsel64n32
            | SpecArch::ScmpArchPpc64le
            | SpecArch::ScmpArchLoongarch64
            | SpecArch::ScmpArchSh => return Meaning::Impossible,
            _ => return Meaning::OtherByteOrder,
        };
        if self.runs(arch) { Meaning::Possible(arch) } else { Meaning::Impossible }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86 => "x86",
            Self::X86_64 => "x86_64",
            Self::X32 => "x32",
            Self::Arm => "arm",
            Self::Aarch64 => "aarch64",
            Self::Riscv64 => "riscv64",
        })
    }
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub name: &'static str,
    numbers: [i32; 6],
}

impl Call {
    fn of_row(row: &'static (&'static str, [i32; 6])) -> Self {
        Self { name: row.0, numbers: row.1 }
    }

    /// `None`: no architecture has a call of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::named_near(name, &mut 0)
    }

    /// The same for one of many names, which profiles mostly have in order: the rows behind the last
    /// one found are looked at first.
    pub fn named_near(name: &str, last: &mut usize) -> Option<Self> {
        const NEAR: usize = 4;
        let near = CALLS.iter().enumerate().skip(*last).take(NEAR);
        let found = near.into_iter().find(|(_, (known, _))| *known == name).map(|(at, _)| at);
        let search = || CALLS.binary_search_by(|(known, _)| (*known).cmp(name)).ok();
        *last = found.or_else(search)?;
        CALLS.get(*last).map(Self::of_row)
    }

    /// Its number on an architecture, if it is there.
    pub fn number(&self, arch: Arch) -> Option<u32> {
        let [x86, x86_64, x32, arm, aarch64, riscv64] = self.numbers;
        let number = match arch {
            Arch::X86 => x86,
            Arch::X86_64 => x86_64,
            Arch::X32 => x32,
            Arch::Arm => arm,
            Arch::Aarch64 => aarch64,
            Arch::Riscv64 => riscv64,
        };
        let bit = if arch == Arch::X32 { X32_BIT } else { 0 };
        (number != N).then(|| number.cast_unsigned() | bit)
    }
}

/// Of i386's multiplexed calls: `socketcall` or `ipc`, and the number that is its first argument
/// (linux/net.h, linux/ipc.h).
#[rustfmt::skip]
pub(super) fn multiplexed(name: &str) -> Option<(&'static str, u32)> {
    let (call, number) = match name {
        "socket" => ("socketcall", 1), "bind" => ("socketcall", 2), "connect" => ("socketcall", 3),
        "listen" => ("socketcall", 4), "accept" => ("socketcall", 5),
        "getsockname" => ("socketcall", 6), "getpeername" => ("socketcall", 7),
        "socketpair" => ("socketcall", 8), "send" => ("socketcall", 9), "recv" => ("socketcall", 10),
        "sendto" => ("socketcall", 11), "recvfrom" => ("socketcall", 12),
        "shutdown" => ("socketcall", 13), "setsockopt" => ("socketcall", 14),
        "getsockopt" => ("socketcall", 15), "sendmsg" => ("socketcall", 16),
        "recvmsg" => ("socketcall", 17), "accept4" => ("socketcall", 18),
        "recvmmsg" => ("socketcall", 19), "sendmmsg" => ("socketcall", 20),
        "semop" => ("ipc", 1), "semget" => ("ipc", 2), "semctl" => ("ipc", 3),
        "semtimedop" => ("ipc", 4), "msgsnd" => ("ipc", 11), "msgrcv" => ("ipc", 12),
        "msgget" => ("ipc", 13), "msgctl" => ("ipc", 14), "shmat" => ("ipc", 21),
        "shmdt" => ("ipc", 22), "shmget" => ("ipc", 23), "shmctl" => ("ipc", 24),
        _ => return None,
    };
    Some((call, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_numbers_are_known_ones() {
        assert!(CALLS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (arch, name, number) in [
            (Arch::X86_64, "read", 0),
            (Arch::X86_64, "clone3", 435),
            (Arch::X86, "read", 3),
            (Arch::X86, "socketcall", 102),
            (Arch::X32, "execve", X32_BIT | 520),
            (Arch::X32, "read", X32_BIT),
            (Arch::Arm, "set_tls", 0xf_0005),
            (Arch::Aarch64, "openat2", 437),
            (Arch::Riscv64, "riscv_flush_icache", 259),
        ] {
            assert_eq!(arch.number(name), Some(number), "{arch} {name}");
            assert_eq!(arch.call_name(number), Some(name));
        }
        assert_eq!(Arch::X86_64.number("_llseek"), None);
        assert_eq!(Arch::X86_64.number("no_such_call"), None);
    }

    #[test]
    fn the_table_agrees_with_libc() {
        let name = |call: &str| Arch::NATIVE.number(call).map(i64::from);
        assert_eq!(name("execveat"), Some(libc::SYS_execveat));
        assert_eq!(name("io_uring_setup"), Some(libc::SYS_io_uring_setup));
        assert_eq!(name("mount_setattr"), Some(libc::SYS_mount_setattr));
    }

    #[test]
    fn what_a_listed_architecture_means_depends_on_the_native_one() {
        let x86_64 = |listed| Arch::X86_64.meaning(listed);
        assert_eq!(x86_64(SpecArch::ScmpArchX32), Meaning::Possible(Arch::X32));
        assert_eq!(x86_64(SpecArch::ScmpArchNative), Meaning::Possible(Arch::X86_64));
        assert_eq!(x86_64(SpecArch::ScmpArchArm), Meaning::Impossible);
        assert_eq!(x86_64(SpecArch::ScmpArchPpc64le), Meaning::Impossible);
        assert_eq!(x86_64(SpecArch::ScmpArchS390x), Meaning::OtherByteOrder);
        let arm = Arch::Aarch64.meaning(SpecArch::ScmpArchArm);
        assert_eq!(arm, Meaning::Possible(Arch::Arm));
    }

    #[test]
    fn multiplexed_calls_have_their_numbers() {
        assert_eq!(multiplexed("socket"), Some(("socketcall", 1)));
        assert_eq!(multiplexed("sendmmsg"), Some(("socketcall", 20)));
        assert_eq!(multiplexed("shmctl"), Some(("ipc", 24)));
        assert_eq!(multiplexed("read"), None);
    }
}
