//! Flags that stand before the verb.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use clap::{Args, ValueHint};
use libteu::CgroupManager;

use crate::cli::words::truth;

/// Where and how to log, and where state is kept.
#[derive(Debug, Args)]
pub struct Global {
    #[command(flatten)]
    pub log: LogOptions,

    /// Directory for the state of containers, best on a tmpfs [default: /run/teu, or
    /// $XDG_RUNTIME_DIR/teu without privileges]
    #[arg(long, value_name = "dir", value_parser = absolute_root, value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,

    /// Have systemd manage cgroups; cgroupsPath is then "slice:prefix:name"
    #[arg(long)]
    pub systemd_cgroup: bool,

    /// The same choice in crun's words: cgroupfs, systemd, or disabled for no cgroup at all
    #[arg(
        long, value_name = "manager", conflicts_with = "systemd_cgroup",
        value_parser = parse_cgroup_manager
    )]
    pub cgroup_manager: Option<CgroupManager>,

    /// Tolerate missing permissions on cgroups: auto, true or false
    #[arg(long, value_name = "when", default_value = "auto", value_parser = Rootless::parse)]
    pub rootless: Rootless,

    /// Say on standard error where the time of a start went (create, run and exec)
    #[arg(long)]
    pub timings: bool,

    /// Accepted for old callers and ignored
    #[arg(long, value_name = "path", hide = true)]
    pub criu: Option<OsString>,
}

impl Global {
    /// Who manages cgroups, by either flag.
    pub fn cgroup_manager(&self) -> CgroupManager {
        match self.cgroup_manager {
            Some(manager) => manager,
            None if self.systemd_cgroup => CgroupManager::Systemd,
            None => CgroupManager::Cgroupfs,
        }
    }
}

fn parse_cgroup_manager(text: &str) -> Result<CgroupManager, String> {
    match text {
        "cgroupfs" => Ok(CgroupManager::Cgroupfs),
        "systemd" => Ok(CgroupManager::Systemd),
        "disabled" => Ok(CgroupManager::Disabled),
        _ => Err("must be cgroupfs, systemd or disabled".to_owned()),
    }
}

/// The log's flags, apart because they matter even when the rest cannot be parsed.
#[derive(Debug, Default, Args)]
pub struct LogOptions {
    /// Log more than errors and warnings
    #[arg(long)]
    pub debug: bool,

    /// Append the log to this file instead of writing it to standard error
    #[arg(
        long, value_name = "file", default_value = "", hide_default_value = true,
        value_hint = ValueHint::FilePath
    )]
    pub log: OsString,

    /// Format of the log: text or json
    #[arg(
        long = "log-format", value_name = "format", default_value = "text",
        value_parser = LogFormat::parse
    )]
    pub format: LogFormat,
}

impl LogOptions {
    /// The log file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        (!self.log.is_empty()).then(|| Path::new(&self.log))
    }
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// logrus' `time="…" level=error msg="…"`.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" | "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("invalid log-format: {other}")),
        }
    }
}

/// Whether cgroup permission errors are tolerated; `None` lets the library find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rootless(pub Option<bool>);

impl Rootless {
    /// Takes every spelling of a truth value that runc takes.
    fn parse(text: &str) -> Result<Self, String> {
        match truth(text) {
            None if text.is_empty() || text.eq_ignore_ascii_case("auto") => Ok(Self(None)),
            None => Err("must be auto, true or false".to_owned()),
            known => Ok(Self(known)),
        }
    }
}

/// The state root without dots in it. `/` can only be a mistake: everything in it would be taken
/// for a container.
fn absolute_root(text: &str) -> Result<PathBuf, String> {
    let given = if text.is_empty() { "." } else { text };
    let mut root = PathBuf::new();
    for part in std::path::absolute(given).map_err(|e| e.to_string())?.components() {
        match part {
            Component::ParentDir => drop(root.pop()),
            other => root.push(other),
        }
    }
    if root == Path::new("/") { Err("must not be /".to_owned()) } else { Ok(root) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rootless_takes_go_booleans() {
        for (text, wanted) in [("auto", None), ("", None), ("1", Some(true)), ("F", Some(false))] {
            assert_eq!(Rootless::parse(text), Ok(Rootless(wanted)), "{text:?}");
        }
        assert!(Rootless::parse("maybe").is_err());
    }

    #[test]
    fn the_root_is_cleaned() {
        assert_eq!(absolute_root("/a/./b/../c//"), Ok(PathBuf::from("/a/c")));
        assert!(absolute_root("x").is_ok_and(|root| root.is_absolute() && root.ends_with("x")));
        assert!(absolute_root("/a/../..").is_err());
        assert!(absolute_root("/").is_err());
    }
}
