//! Conditions on arguments, and which of two conditional rules is asked first.

use std::cmp::Reverse;
use std::fmt;

use oci_spec::runtime::{LinuxSeccompArg, LinuxSeccompOperator};

/// seccomp_data has six.
pub(super) const ARGUMENTS: usize = 6;

/// A comparison of one argument with a constant, unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    /// 0 to 5.
    pub argument: u8,
    pub test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    /// `argument & mask == value`; the value has no bit outside of the mask.
    Masked {
        mask: u64,
        value: u64,
    },
    Equal(u64),
    NotEqual(u64),
    Less(u64),
    LessEqual(u64),
    GreaterEqual(u64),
    Greater(u64),
}

impl Condition {
    /// An entry's condition as an architecture sees it; `None` if it holds for every value. Where
    /// arguments have 32 bits, of the constants only the lower half counts (as libseccomp has it: -1
    /// is written with 64 bits in profiles). A value's bits outside of the mask do not count either.
    pub fn new(arg: &LinuxSeccompArg, wide: bool) -> Option<Self> {
        use LinuxSeccompOperator as Op;
        let word = if wide { u64::MAX } else { u64::from(u32::MAX) };
        let value = arg.value() & word;
        let test = match arg.op() {
            Op::ScmpCmpMaskedEq if value == 0 => return None,
            Op::ScmpCmpMaskedEq => {
                Test::Masked { mask: value, value: arg.value_two().unwrap_or(0) & value }
            }
            Op::ScmpCmpEq => Test::Equal(value),
            Op::ScmpCmpNe => Test::NotEqual(value),
            Op::ScmpCmpLt => Test::Less(value),
            Op::ScmpCmpLe => Test::LessEqual(value),
            Op::ScmpCmpGe => Test::GreaterEqual(value),
            Op::ScmpCmpGt => Test::Greater(value),
        };
        Some(Self { argument: u8::try_from(arg.index()).ok()?, test })
    }

    pub fn equal(argument: u8, value: u32) -> Self {
        Self { argument, test: Test::Equal(u64::from(value)) }
    }

    /// Place among the conditions that rules of one call begin with, as in libseccomp's tree: later
    /// arguments first, then equalities, upper bounds (the smallest first) and lower bounds (the
    /// largest first). The rest makes it a total order.
    pub fn rank(&self) -> impl Ord + use<> {
        let (class, place, kind, mask) = match self.test {
            Test::Masked { mask, value } => (0, !value, 2, mask),
            Test::Equal(value) => (0, !value, 0, 0),
            Test::NotEqual(value) => (0, !value, 1, 0),
            Test::Less(value) => (1, value, 0, 0),
            Test::LessEqual(value) => (1, value, 1, 0),
            Test::GreaterEqual(value) => (2, !value, 1, 0),
            Test::Greater(value) => (2, !value, 0, 0),
        };
        (Reverse(self.argument), class, place, kind, mask)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let argument = self.argument;
        match self.test {
            Test::Masked { mask, value } => write!(f, "arg{argument} & {mask:#x} == {value:#x}"),
            Test::Equal(value) => write!(f, "arg{argument} == {value:#x}"),
            Test::NotEqual(value) => write!(f, "arg{argument} != {value:#x}"),
            Test::Less(value) => write!(f, "arg{argument} < {value:#x}"),
            Test::LessEqual(value) => write!(f, "arg{argument} <= {value:#x}"),
            Test::GreaterEqual(value) => write!(f, "arg{argument} >= {value:#x}"),
            Test::Greater(value) => write!(f, "arg{argument} > {value:#x}"),
        }
    }
}
