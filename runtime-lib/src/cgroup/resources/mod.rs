//! `linux.resources` but for devices, as values of cgroup files.
//!
//! ```text
//! compile   config -> settings: pure, one file for each part of `linux.resources`, v1 and v2 side by side
//! apply     settings -> the container's cgroup, and what to say of one that is refused
//! merge     what an update changes, and what it leaves
//! ```
//!
//! Absent, 0, "" and empty lists mean "unset", as in runc; -1 means "no limit". What a hierarchy
//! cannot do is refused: a limit is never left out in silence.

mod apply;
mod block_io;
mod cpu;
mod cpuset;
mod hugetlb;
mod memory;
mod merge;
mod network;
mod pids;
mod rdma;
mod refusal;
mod unified;

use std::borrow::Cow;

use oci_spec::runtime::LinuxResources;

use super::layout::Mode;
use crate::error::{Error, Result};
use crate::spec::config_error;

pub(crate) use apply::{apply, check, restore};
pub(crate) use cpu::{is_idle, weight_of_idle};
pub(crate) use merge::{merged, widened};

type Text = Cow<'static, str>;

/// What values are compiled for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Who rules.
    pub(crate) mode: Mode,
    /// The cgroup was just made: nothing in it is limited yet, so that the absence of a limit needs
    /// no write.
    pub(crate) fresh: bool,
    /// The document that asks, for messages.
    pub(crate) document: &'static str,
}

/// A value for one file of the container's cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    controller: Text,
    file: Text,
    value: String,
    /// Below `linux.resources`.
    field: Text,
    missing: Missing,
}

/// What it means that a file, or its controller, is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Missing {
    /// The value cannot be set: an error.
    Refuse,
    /// The value is "no limit": without a file there is none.
    Unlimited,
    /// This file takes this value for the same purpose.
    Instead(Text, String),
}

/// That memory in use is below a limit to be, which cgroup v2 would kill for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UsageCheck {
    what: &'static str,
    limit: u64,
}

/// All that a config asks for, in the order of writing.
#[derive(Debug)]
pub(crate) struct Settings {
    target: Target,
    list: Vec<Setting>,
    usage_checks: Vec<UsageCheck>,
}

/// What to write for these resources. Pure.
pub(crate) fn compile(resources: &LinuxResources, target: Target) -> Result<Settings> {
    let mut to = Settings { target, list: Vec::new(), usage_checks: Vec::new() };
    resources.pids().iter().try_for_each(|pids| pids::compile(*pids, &mut to))?;
    resources.memory().iter().try_for_each(|memory| memory::compile(memory, &mut to))?;
    resources.block_io().iter().try_for_each(|io| block_io::compile(io, &mut to))?;
    resources.cpu().iter().try_for_each(|cpu| cpu::compile(cpu, &mut to))?;
    resources.cpu().iter().try_for_each(|cpu| cpuset::compile(cpu, &mut to))?;
    resources.hugepage_limits().iter().try_for_each(|list| hugetlb::compile(list, &mut to))?;
    resources.network().iter().try_for_each(|network| network::compile(network, &mut to))?;
    resources.rdma().iter().try_for_each(|map| rdma::compile(map, &mut to))?;
    // The most particular comes last and holds.
    resources.unified().iter().try_for_each(|map| unified::compile(map, &mut to))?;
    cpu::without_weight_of_idle(resources, &mut to);
    Ok(to)
}

impl Settings {
    fn is_v1(&self) -> bool {
        self.target.mode == Mode::V1
    }

    /// A value that limits.
    fn push(
        &mut self,
        controller: &'static str,
        field: impl Into<Text>,
        file: impl Into<Text>,
        value: impl ToString,
    ) {
        self.add(controller, field.into(), file.into(), value.to_string(), Missing::Refuse);
    }

    /// A value that takes a limit away, or is what a new cgroup begins with.
    fn push_unlimited(
        &mut self,
        controller: &'static str,
        field: impl Into<Text>,
        file: impl Into<Text>,
        value: impl ToString,
    ) {
        if !self.target.fresh {
            self.add(controller, field.into(), file.into(), value.to_string(), Missing::Unlimited);
        }
    }

    fn add(
        &mut self,
        controller: impl Into<Text>,
        field: Text,
        file: Text,
        value: String,
        missing: Missing,
    ) {
        self.list.push(Setting { controller: controller.into(), file, value, field, missing });
    }

    /// The value makes no sense.
    fn invalid(&self, field: &str, problem: impl AsRef<str>) -> Error {
        let field = format!("linux.resources.{field}");
        config_error(self.target.document.as_ref(), &field, problem.as_ref())
    }

    /// The value makes sense, but not with this kind of cgroup.
    fn only(&self, version: &str, field: &str) -> Error {
        let field = crate::spec::one_line(&format!("linux.resources.{field}"));
        let host = if self.is_v1() { "v1" } else { "v2" };
        Error::unsupported(field, format!("cgroup {version} only; this host has {host}"))
    }

    /// Text that goes into a file as it stands. The kernel ends it at a NUL byte.
    fn text(&self, field: &str, text: &str) -> Result<()> {
        if text.contains('\0') { Err(self.invalid(field, "contains a NUL byte")) } else { Ok(()) }
    }
}

/// 0 is "unset".
fn set<T: Default + PartialEq>(value: Option<T>) -> Option<T> {
    value.filter(|value| *value != T::default())
}

#[cfg(test)]
mod tests;
