//! `linux.seccomp` to a filter program: pure functions, no C library.
//!
//! ```text
//! LinuxSeccomp ──rules──> a decision for each call ──ranges──> outcomes by number ──emit──> program
//! ```
//!
//! What a profile means is what runc makes of it with libseccomp (`docs/seccomp.md` says it in words);
//! how the program looks is our own: a binary search over ranges of numbers.

mod action;
mod arch;
mod condition;
mod emit;
mod explain;
mod flags;
mod key;
mod ranges;
mod rules;
mod supported;
mod table;

use std::fmt;
use std::path::Path;

use oci_spec::runtime::LinuxSeccomp;

pub use action::Action;
pub use arch::Arch;
pub use explain::{Explanation, explain};
pub(crate) use supported::{is_supported, is_taken};

use crate::error::{Error, Result};
use crate::spec::config_error;
pub use crate::spec::load_profile;
use rules::Profile;

/// One instruction of classic BPF, as the kernel's `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Instructions to pass over if a comparison holds.
    pub jt: u8,
    /// The same if it does not.
    pub jf: u8,
    /// Constant, offset or return value.
    pub k: u32,
}

/// A compiled profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    instructions: Vec<Instruction>,
    flags: u32,
}

impl Filter {
    /// Compiles a profile for the architecture that this program is built for.
    ///
    /// # Errors
    /// [`Error::Config`] naming the entry that is wrong, or the profile if it needs more than the
    /// kernel's 4096 instructions.
    pub fn compile(profile: &LinuxSeccomp) -> Result<Self> {
        Self::compile_for(profile, Arch::NATIVE)
    }

    /// Compiles a profile for a kernel of another architecture.
    ///
    /// # Errors
    /// As [`Filter::compile`].
    pub fn compile_for(profile: &LinuxSeccomp, native: Arch) -> Result<Self> {
        let compile = || {
            let understood = Profile::read(profile, native)?;
            let flags = flags::flags(profile, understood.notifies)?;
            let ranges = understood.ranges();
            let wide = |number| native.is_wide() && !(native == Arch::X86_64 && is_x32(number));
            let wide = |audit, number| audit == native.audit() && wide(number);
            let instructions = emit::emit(&ranges, understood.default, wide)?;
            Ok(Self { instructions, flags })
        };
        compile().map_err(Problem::into_error)
    }

    /// Under which [`Filter::compile`]'s result may be kept for the next one with the same profile.
    pub(crate) fn key(profile: &LinuxSeccomp) -> Option<Vec<u8>> {
        key::key(profile, Arch::NATIVE)
    }

    /// The program.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }

    /// `SECCOMP_FILTER_FLAG_*` for seccomp(2).
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// Some entry asks for a decision by SCMP_ACT_NOTIFY.
    pub fn has_listener(&self) -> bool {
        self.flags & flags::NEW_LISTENER != 0
    }

    /// A program that [`Filter::to_bytes`] gave.
    pub(crate) fn from_bytes(bytes: &[u8], flags: u32) -> Self {
        let instruction = |bytes: &[u8]| match *bytes {
            [c0, c1, jt, jf, k0, k1, k2, k3] => Some(Instruction {
                code: u16::from_ne_bytes([c0, c1]),
                jt,
                jf,
                k: u32::from_ne_bytes([k0, k1, k2, k3]),
            }),
            _ => None,
        };
        Self { instructions: bytes.chunks_exact(8).filter_map(instruction).collect(), flags }
    }

    /// The program as the kernel takes it: an array of `struct sock_filter`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 * self.instructions.len());
        for Instruction { code, jt, jf, k } in &self.instructions {
            bytes.extend_from_slice(&code.to_ne_bytes());
            bytes.extend_from_slice(&[*jt, *jf]);
            bytes.extend_from_slice(&k.to_ne_bytes());
        }
        bytes
    }
}

fn is_x32(number: u32) -> bool {
    number >= arch::X32_BIT
}

/// What is wrong with a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Problem {
    field: String,
    text: String,
}

impl Problem {
    fn new(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self { field: field.into(), text: text.into() }
    }

    fn into_error(self) -> Error {
        config_error(Path::new("config.json"), &self.field, &self.text)
    }
}

fn field(name: &str) -> String {
    format!("linux.seccomp.{name}")
}

impl fmt::Display for Instruction {
    /// One line in the style of the kernel's bpf_asm.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, jt, jf, k } = self;
        match code {
            0x20 => write!(f, "ld [{k}]"),
            0x54 => write!(f, "and #{k:#x}"),
            0x05 => write!(f, "ja +{k}"),
            0x15 => write!(f, "jeq #{k:#x}, +{jt}, +{jf}"),
            0x25 => write!(f, "jgt #{k:#x}, +{jt}, +{jf}"),
            0x35 => write!(f, "jge #{k:#x}, +{jt}, +{jf}"),
            0x06 => write!(f, "ret #{k:#010x}"),
            _ => write!(f, "{code:#x} {jt} {jf} {k:#x}"),
        }
    }
}
