//! The rules of a config, read once: what is allowed at first, and what was said after that.

use std::fmt;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use super::FIELD;
use crate::error::{Error, Result};

/// A set of `r`, `w` and `m`, in the bits of BPF_DEVCG_ACC_* (include/uapi/linux/bpf.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access(pub(super) u8);

impl Access {
    const LETTERS: [(u8, char); 3] = [(2, 'r'), (4, 'w'), (1, 'm')];
    pub(super) const NONE: Self = Self(0);
    pub(super) const MKNOD: Self = Self(1);
    pub(super) const ALL: Self = Self(7);

    fn parse(text: &str) -> Option<Self> {
        let bit = |c| Self::LETTERS.iter().find(|(_, letter)| *letter == c).map(|(bit, _)| *bit);
        // `a` is a type, not an access: runc passes over it, and configs have it.
        let mut letters = text.chars().filter(|&c| c != 'a');
        let bits = letters.try_fold(0, |bits, c| Some(bits | bit(c)?))?;
        (bits != 0).then_some(Self(bits))
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut set = Self::LETTERS.iter().filter(|(bit, _)| self.0 & bit != 0);
        set.try_for_each(|(_, letter)| write!(f, "{letter}"))
    }
}

/// In the numbers of BPF_DEVCG_DEV_* (include/uapi/linux/bpf.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Block = 1,
    Char = 2,
}

/// Which devices: `None` is any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Devices {
    pub(super) kind: Kind,
    pub(super) major: Option<u32>,
    pub(super) minor: Option<u32>,
}

impl Devices {
    /// Whether all of `other` are among these.
    pub(super) fn cover(self, other: Self) -> bool {
        let covers = |wide: Option<u32>, n| wide.is_none() || wide == n;
        self.kind == other.kind
            && covers(self.major, other.major)
            && covers(self.minor, other.minor)
    }

    /// Whether there can be a device that is among both.
    pub(super) fn overlap(self, other: Self) -> bool {
        let same = |a: Option<u32>, b: Option<u32>| a.is_none() || b.is_none() || a == b;
        self.kind == other.kind && same(self.major, other.major) && same(self.minor, other.minor)
    }
}

/// As the files of the v1 controller have it: `c 136:*`.
impl fmt::Display for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
        let kind = match self.kind {
            Kind::Block => 'b',
            Kind::Char => 'c',
        };
        write!(f, "{kind} {}:{}", number(self.major), number(self.minor))
    }
}

/// Where a rule comes from, for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Config(usize),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(index) => write!(f, "{FIELD}[{index}]"),
            Self::Default => write!(f, "{FIELD} (a rule that every container gets)"),
        }
    }
}

/// What is said about some devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) allow: bool,
    pub(super) devices: Devices,
    pub(super) access: Access,
    pub(super) source: Source,
}

type DefaultRule = (Kind, Option<u32>, Option<u32>, Access);

/// The devices that runc lets every container use, whatever the config says: mknod of any,
/// and null, random, full, zero, urandom, tty, ptmx, the ptys and (since docker users rely on
/// it) net/tun. They come after the config's rules.
const DEFAULTS: [DefaultRule; 11] = [
    (Kind::Char, None, None, Access::MKNOD),
    (Kind::Block, None, None, Access::MKNOD),
    (Kind::Char, Some(1), Some(3), Access::ALL),
    (Kind::Char, Some(1), Some(8), Access::ALL),
    (Kind::Char, Some(1), Some(7), Access::ALL),
    (Kind::Char, Some(1), Some(5), Access::ALL),
    (Kind::Char, Some(1), Some(9), Access::ALL),
    (Kind::Char, Some(5), Some(0), Access::ALL),
    (Kind::Char, Some(5), Some(2), Access::ALL),
    (Kind::Char, Some(136), None, Access::ALL),
    (Kind::Char, Some(10), Some(200), Access::ALL),
];

/// What holds for a container. For each device and each kind of access the last rule that speaks of
/// it decides; an access of several kinds needs all of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// Where no rule speaks.
    pub(super) allow: bool,
    pub(super) list: Vec<Rule>,
}

impl Rules {
    /// A container begins with nothing allowed. A rule for all devices, of which type alone is
    /// looked at (as the v1 controller does, in whose terms the specification speaks), leaves
    /// nothing of what was before it.
    pub(super) fn parse(config: &[LinuxDeviceCgroup]) -> Result<Self> {
        let mut rules = Self::default();
        for (index, entry) in config.iter().enumerate() {
            match parse_one(index, entry)? {
                Some(rule) => rules.list.push(rule),
                None => rules = Self { allow: entry.allow(), list: Vec::new() },
            }
        }
        DEFAULTS.into_iter().for_each(|default| rules.add_default(default));
        Ok(rules)
    }

    /// Where all is allowed at first, mknod needs no rule: it would undo the denials of single
    /// devices. As in runc it takes back the very same denial only, without which no container
    /// could make its own devices.
    fn add_default(&mut self, (kind, major, minor, access): DefaultRule) {
        let devices = Devices { kind, major, minor };
        if !self.allow || major.is_some() {
            self.list.push(Rule { allow: true, devices, access, source: Source::Default });
            return;
        }
        for rule in self.list.iter_mut().filter(|rule| rule.devices == devices) {
            rule.access = rule.access.without(access);
        }
        self.list.retain(|rule| rule.access != Access::NONE);
    }
}

/// `None`: for all devices.
fn parse_one(index: usize, entry: &LinuxDeviceCgroup) -> Result<Option<Rule>> {
    let bad = |what: &str, problem: String| Error::Config {
        file: "config.json".into(),
        field: format!("{FIELD}[{index}].{what}"),
        problem,
    };
    let text = entry.access().as_deref().unwrap_or_default();
    let access = Access::parse(text)
        .ok_or_else(|| bad("access", format!("{text:?}: must be one or more of r, w and m")))?;
    let kind = match entry.typ() {
        None | Some(LinuxDeviceType::A) => return Ok(None),
        Some(LinuxDeviceType::B) => Kind::Block,
        Some(LinuxDeviceType::C) => Kind::Char,
        Some(_) => return Err(bad("type", "must be a, b or c".into())),
    };
    let number = |what: &str, n: Option<i64>| match n {
        None | Some(-1) => Ok(None),
        Some(n) => {
            u32::try_from(n).map(Some).map_err(|_| bad(what, format!("{n}: no device number")))
        }
    };
    let (major, minor) = (number("major", entry.major())?, number("minor", entry.minor())?);
    let devices = Devices { kind, major, minor };
    Ok(Some(Rule { allow: entry.allow(), devices, access, source: Source::Config(index) }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;
    use super::*;

    #[test]
    fn malformed_rules_name_their_field() {
        for (rule, field) in [
            ((true, Some('c'), None, None, ""), "[0].access"),
            ((true, Some('c'), None, None, "rx"), "[0].access"),
            ((true, Some('u'), None, None, "r"), "[0].type"),
            ((true, Some('p'), None, None, "r"), "[0].type"),
            ((true, Some('c'), Some(-2), None, "r"), "[0].major"),
            ((true, Some('c'), None, Some(1 << 32), "r"), "[0].minor"),
        ] {
            let text = Rules::parse(&config(&[rule])).unwrap_err().to_string();
            let expected = format!("config.json: linux.resources.devices{field}: ");
            assert!(text.starts_with(&expected), "{text}");
        }
    }

    #[test]
    fn minus_one_is_any_number() {
        let any = Rules::parse(&config(&[(true, Some('c'), Some(-1), Some(-1), "r")])).unwrap();
        assert_eq!(any.list[0].devices.to_string(), "c *:*");
    }
}
