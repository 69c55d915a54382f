//! Writes settings: one open, write and close for each file.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::refusal::{self, Attempt};
use super::{Missing, Setting, Settings, UsageCheck};
use crate::cgroup::files::Files;
use crate::cgroup::layout::Mode;
use crate::cgroup::paths::Paths;
use crate::error::{Error, Result};
use crate::fdio;

/// Writes all of them; the first that is refused is the error, and what stood before it is written.
///
/// The kernel compares some values with others (limits of memory and memory+swap; quota, period and
/// burst; weight and idle), and which of them may go first depends on what is in the files now. What
/// is refused with EINVAL is therefore tried once more after all others.
pub(crate) fn apply(paths: &Paths, settings: &Settings) -> Result<()> {
    check(paths, settings)?;
    let mut writer = Writer { paths, last: None };
    let mut again = Vec::new();
    for setting in &settings.list {
        match writer.write(setting) {
            Err(e) if e.errno() == Some(Errno::EINVAL) => again.push(setting),
            other => other?,
        }
    }
    again.into_iter().try_for_each(|setting| writer.write(setting))
}

/// Whether the limits would kill at once what they must not (checkBeforeUpdate).
pub(crate) fn check(paths: &Paths, settings: &Settings) -> Result<()> {
    settings.usage_checks.iter().try_for_each(|check| check_usage(paths, check))
}

/// Gives the files of `failed` the values that they had before, as far as those are known. Failures do
/// not count: another one is being told.
pub(crate) fn restore(paths: &Paths, before: &Settings, failed: &Settings) {
    let touched = |setting: &&Setting| failed.list.iter().any(|new| new.file == setting.file);
    let mut writer = Writer { paths, last: None };
    // Twice, for the reason for which `apply` tries again.
    for _ in 0..2 {
        for setting in before.list.iter().filter(touched) {
            let _ = writer.write(setting);
        }
    }
}

/// On v1 the kernel refuses by itself what v2 would kill for (config-linux.md, checkBeforeUpdate).
/// The words are runc's. A usage that cannot be read is none.
fn check_usage(paths: &Paths, check: &UsageCheck) -> Result<()> {
    let usage = paths.unified.as_ref().and_then(|place| number(&place.dir, "memory.current"));
    match usage {
        Some(usage) if check.limit <= usage => {
            let UsageCheck { what, limit } = check;
            let reason = format!("rejecting {what} limit {limit} <= usage {usage}");
            Err(Error::unsupported("linux.resources.memory.checkBeforeUpdate", reason))
        }
        _ => Ok(()),
    }
}

/// A file with one number.
pub(super) fn number(dir: &Path, file: &str) -> Option<u64> {
    Files::open(dir).ok()?.number(file).ok()?
}

struct Writer<'a> {
    paths: &'a Paths,
    /// Several values for one file come one after the other.
    last: Option<(PathBuf, OwnedFd)>,
}

impl Writer<'_> {
    fn write(&mut self, setting: &Setting) -> Result<()> {
        let Some(dir) = self.dir(setting) else {
            return match setting.missing {
                Missing::Unlimited => Ok(()),
                _ => Err(refusal::no_cgroup(self.paths, setting)),
            };
        };
        let dir = dir.to_owned();
        match (self.write_file(&dir, &setting.file, &setting.value), &setting.missing) {
            (Err(e), Missing::Unlimited) if is_missing(&e) => Ok(()),
            (Err(e), Missing::Instead(file, value)) if is_missing(&e) => {
                self.write_file(&dir, file, value)
            }
            (result, _) => result,
        }
        .map_err(|attempt| refusal::refused(self.paths, &dir, setting, &attempt))
    }

    fn dir(&self, setting: &Setting) -> Option<&Path> {
        match self.paths.mode {
            Mode::V1 => self.paths.v1_dir(&setting.controller),
            Mode::V2 => self.paths.unified.as_ref().map(|place| place.dir.as_path()),
        }
    }

    /// Each line is a command of its own to the kernel.
    fn write_file(&mut self, dir: &Path, file: &str, value: &str) -> Result<(), Attempt> {
        let path = dir.join(file);
        let failed = |action, path: &Path, value: &str, errno| Attempt {
            action,
            path: path.to_owned(),
            value: value.to_owned(),
            errno,
        };
        let (path, fd) = match self.last.take() {
            Some((last, fd)) if last == path => (last, fd),
            _ => match fdio::open_to_write(&path) {
                Ok(fd) => (path, fd),
                Err(errno) => return Err(failed("open", &path, value, errno)),
            },
        };
        let (path, fd) = self.last.insert((path, fd));
        value.lines().filter(|line| !line.is_empty()).try_for_each(|line| {
            let written = fdio::write_once(fd.as_fd(), line.as_bytes());
            written.map_err(|errno| failed("write", path, line, errno))
        })
    }
}

/// Not there: the controller is not enabled, or the kernel has no such file.
fn is_missing(attempt: &Attempt) -> bool {
    attempt.action == "open" && attempt.errno == Errno::ENOENT
}
