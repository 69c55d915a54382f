//! Device rules in the v1 devices controller.
//!
//! Rules are not written as they stand. The listed order is played through on a model of the
//! controller, as runc does, and what comes out is written: the same state in the fewest writes,
//! and a rule that the kernel would silently not apply is refused.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode as FileMode;
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use super::layout::Mode;
use super::paths::Paths;
use crate::error::{Error, Result};
use crate::fdio;

const FIELD: &str = "linux.resources.devices";

/// A set of `r`, `w` and `m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Access(u8);

impl Access {
    const LETTERS: [(u8, char); 3] = [(1, 'r'), (2, 'w'), (4, 'm')];
    const MKNOD: Self = Self(4);
    const ALL: Self = Self(7);

    fn parse(text: &str) -> Option<Self> {
        let bit = |c| Self::LETTERS.iter().find(|(_, letter)| *letter == c).map(|(bit, _)| *bit);
        let bits = text.chars().try_fold(0, |bits, c| Some(bits | bit(c)?))?;
        (bits != 0).then_some(Self(bits))
    }

    fn letters(self) -> String {
        let set = |(bit, _): &&(u8, char)| self.0 & bit != 0;
        Self::LETTERS.iter().filter(set).map(|(_, letter)| letter).collect()
    }
}

/// Which devices: `None` is any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Devices {
    kind: char,
    major: Option<u32>,
    minor: Option<u32>,
}

impl Devices {
    /// The wider sets that the model could hold this one in.
    fn wider(self) -> impl Iterator<Item = Self> {
        let any_major = Self { major: None, ..self };
        let any_minor = Self { minor: None, ..self };
        let any = Self { major: None, minor: None, ..self };
        [any_major, any_minor, any].into_iter().filter(move |wide| *wide != self)
    }
}

/// Where a rule comes from, for errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Config(usize),
    Default,
}

/// An exception to the default of [`Model`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Exception {
    devices: Devices,
    access: Access,
    source: Source,
}

/// The devices that runc lets every container use, whatever the config says: mknod of any,
/// and null, random, full, tty, zero, urandom, the ptys, ptmx and (since docker users rely on
/// it) net/tun. They come after the config's rules.
const DEFAULTS: [(char, Option<u32>, Option<u32>, Access); 11] = [
    ('c', None, None, Access::MKNOD),
    ('b', None, None, Access::MKNOD),
    ('c', Some(1), Some(3), Access::ALL),
    ('c', Some(1), Some(8), Access::ALL),
    ('c', Some(1), Some(7), Access::ALL),
    ('c', Some(5), Some(0), Access::ALL),
    ('c', Some(1), Some(5), Access::ALL),
    ('c', Some(1), Some(9), Access::ALL),
    ('c', Some(136), None, Access::ALL),
    ('c', Some(5), Some(2), Access::ALL),
    ('c', Some(10), Some(200), Access::ALL),
];

/// What a v1 devices cgroup is: a default and exceptions to it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Model {
    allow: bool,
    exceptions: Vec<Exception>,
}

impl Model {
    /// The state after all rules. A container begins with nothing allowed.
    fn of(rules: &[LinuxDeviceCgroup]) -> Result<Self> {
        let mut model = Self::default();
        for (index, rule) in rules.iter().enumerate() {
            model.apply_rule(index, rule)?;
        }
        for (kind, major, minor, access) in DEFAULTS {
            let devices = Devices { kind, major, minor };
            let exception = Exception { devices, access, source: Source::Default };
            model.apply(true, exception)?;
        }
        Ok(model)
    }

    fn apply_rule(&mut self, index: usize, rule: &LinuxDeviceCgroup) -> Result<()> {
        let bad = |what: &str, problem: String| Error::Config {
            file: "config.json".into(),
            field: format!("{FIELD}[{index}].{what}"),
            problem,
        };
        let text = rule.access().as_deref().unwrap_or_default();
        let access = Access::parse(text)
            .ok_or_else(|| bad("access", format!("{text:?}: must be one or more of r, w and m")))?;
        let kind = match rule.typ() {
            None | Some(LinuxDeviceType::A) => {
                *self = Self { allow: rule.allow(), exceptions: Vec::new() };
                return Ok(());
            }
            Some(LinuxDeviceType::B) => 'b',
            Some(LinuxDeviceType::C) => 'c',
            Some(_) => return Err(bad("type", "must be a, b or c".into())),
        };
        let number = |what: &str, n: Option<i64>| match n {
            None | Some(-1) => Ok(None),
            Some(n) => {
                u32::try_from(n).map(Some).map_err(|_| bad(what, format!("{n}: no device number")))
            }
        };
        let (major, minor) = (number("major", rule.major())?, number("minor", rule.minor())?);
        let devices = Devices { kind, major, minor };
        self.apply(rule.allow(), Exception { devices, access, source: Source::Config(index) })
    }

    fn apply(&mut self, allow: bool, exception: Exception) -> Result<()> {
        if allow == self.allow { self.shrink(exception) } else { self.grow(exception) }
    }

    fn grow(&mut self, new: Exception) -> Result<()> {
        match self.exceptions.iter_mut().find(|old| old.devices == new.devices) {
            Some(old) => {
                old.access.0 |= new.access.0;
                old.source = new.source;
            }
            None => self.exceptions.push(new),
        }
        Ok(())
    }

    /// Takes accesses out of the exceptions. The kernel does so only for the very same devices,
    /// and says nothing if a wider exception still covers them.
    fn shrink(&mut self, less: Exception) -> Result<()> {
        let wide = |old: &&Exception| {
            old.access.0 & less.access.0 != 0 && less.devices.wider().any(|w| w == old.devices)
        };
        if let Some(old) = self.exceptions.iter().find(wide) {
            let problem = format!(
                "the devices cgroup cannot make an exception ({}) from an earlier, wider rule ({})",
                line(less.devices, less.access),
                line(old.devices, old.access),
            );
            return Err(Error::unsupported(name(less.source), problem));
        }
        for old in self.exceptions.iter_mut().filter(|old| old.devices == less.devices) {
            old.access.0 &= !less.access.0;
        }
        self.exceptions.retain(|old| old.access.0 != 0);
        Ok(())
    }
}

fn name(source: Source) -> String {
    match source {
        Source::Config(index) => format!("{FIELD}[{index}]"),
        Source::Default => format!("{FIELD} (a rule that every container gets)"),
    }
}

fn line(devices: Devices, access: Access) -> String {
    let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
    let Devices { kind, major, minor } = devices;
    format!("{kind} {}:{} {}", number(major), number(minor), access.letters())
}

/// Applies the config's rules and the defaults. `unprivileged`: the runtime is in a user
/// namespace, whose root may not touch device cgroups; nothing is done then, as in runc.
pub(crate) fn apply(paths: &Paths, rules: &[LinuxDeviceCgroup], unprivileged: bool) -> Result<()> {
    if unprivileged {
        return Ok(());
    }
    let model = Model::of(rules)?;
    match (paths.mode, paths.v1_dir("devices")) {
        (Mode::V1, Some(dir)) => write(&model, dir),
        (Mode::V1, None) if paths.best_effort => Ok(()),
        (Mode::V1, None) => Err(Error::unsupported(FIELD, "the devices cgroup is not mounted")),
        (Mode::V2, _) if model.allows_all() => Ok(()),
        // No rules at all means that none but the default devices are allowed, as in runc.
        (Mode::V2, _) => Err(Error::unsupported(
            FIELD,
            "devices cannot be denied yet on cgroup v2; a config that allows all of them \
             ({\"allow\": true, \"access\": \"rwm\"}) works",
        )),
    }
}

impl Model {
    fn allows_all(&self) -> bool {
        self.allow && self.exceptions.is_empty()
    }
}

fn write(model: &Model, dir: &Path) -> Result<()> {
    let (base, rest) = match model.allow {
        true => ("devices.allow", "devices.deny"),
        false => ("devices.deny", "devices.allow"),
    };
    let base = dir.join(base);
    fdio::write(&base, b"a").map_err(|e| refused(FIELD.to_owned(), "a", &base, e))?;
    if model.exceptions.is_empty() {
        return Ok(());
    }
    let rest: PathBuf = dir.join(rest);
    let file = open(&rest, OFlag::O_WRONLY | OFlag::O_CLOEXEC, FileMode::empty())
        .map_err(|e| Error::system("open", rest.display(), e))?;
    for exception in &model.exceptions {
        let text = line(exception.devices, exception.access);
        fdio::write_once(std::os::fd::AsFd::as_fd(&file), text.as_bytes())
            .map_err(|e| refused(name(exception.source), &text, &rest, e))?;
    }
    Ok(())
}

fn refused(rule: String, text: &str, file: &Path, errno: Errno) -> Error {
    let e = Error::system("write", format!("{rule}: {text:?} to {}", file.display()), errno);
    match errno {
        Errno::EPERM => e.with_hint("a parent cgroup does not allow it"),
        Errno::EINVAL => e.with_hint("the cgroup has cgroups below it"),
        _ => e,
    }
}

#[cfg(test)]
#[path = "devices_tests.rs"]
mod tests;
