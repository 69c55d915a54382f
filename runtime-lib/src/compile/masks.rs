//! linux.maskedPaths, linux.readonlyPaths, linux.sysctl: what of the kernel the container sees.

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::stat::makedev;

use super::{Compiler, lsm};
use crate::error::{Error, Result};
use crate::plan::op::{Op, Slot, Text};
use crate::spec::sysctl_path;

const S_IFCHR: u32 = 0o020_000;
const O_PATH_NOFOLLOW: u32 = (libc::O_PATH | libc::O_CLOEXEC | libc::O_NOFOLLOW).cast_unsigned();
const MOUNT_ATTR_RDONLY: u32 = 1;
pub(super) const MOUNT_ATTR_NOSUID_NODEV_NOEXEC: u32 = 2 | 4 | 8;

pub(super) fn apply(c: &mut Compiler<'_>) -> Result<()> {
    sysctl(c)?;
    readonly_paths(c);
    masked_paths(c);
    c.plan.origin("");
    Ok(())
}

/// Written through a procfs of our own: the container's may be anything by now (CVE-2019-19921,
/// CVE-2025-52881).
fn sysctl(c: &mut Compiler<'_>) -> Result<()> {
    let linux = c.request.spec.linux().as_ref();
    let Some(values) = linux.and_then(|linux| linux.sysctl().as_ref()).filter(|v| !v.is_empty())
    else {
        return Ok(());
    };
    let mut values: Vec<_> = values.iter().collect();
    values.sort();
    c.plan.origin("linux.sysctl");
    let proc = detached(c, "proc", &[], MOUNT_ATTR_NOSUID_NODEV_NOEXEC);
    for (name, value) in values {
        c.plan.origin(format!("linux.sysctl.{name}"));
        let path = sysctl_path(name).ok_or_else(|| {
            Error::unsupported(format!("linux.sysctl.{name}"), "not the name of a kernel parameter")
        })?;
        let path = c.plan.text(Path::new("sys").join(path).as_os_str().as_bytes());
        let data = c.plan.bytes(value);
        c.plan.push(Op::WriteFile { dir: proc, path, data });
    }
    c.plan.origin("linux.sysctl");
    c.plan.done(proc);
    Ok(())
}

/// A filesystem of its own that nothing is attached to.
pub(super) fn detached(
    c: &mut Compiler<'_>,
    fstype: &str,
    data: &[(&str, &str)],
    attributes: u32,
) -> Slot {
    let fs = c.plan.slot();
    let fstype = c.plan.text(fstype);
    c.plan.push(Op::Fsopen { out: fs, fstype });
    for (key, value) in data {
        let (key, value) = (c.plan.text(key), c.plan.text(value));
        c.plan.push(Op::FsconfigString { fs, key, value });
    }
    let out = c.plan.slot();
    c.plan.push(Op::Fsmount { fs, out, attributes });
    c.plan.done(fs);
    out
}

fn paths(c: &mut Compiler<'_>, field: &str, list: Option<&Vec<String>>) -> Vec<(String, Text)> {
    let list = list.into_iter().flatten().enumerate();
    list.map(|(i, path)| (format!("linux.{field}[{i}]"), c.plan.text(path))).collect()
}

fn readonly_paths(c: &mut Compiler<'_>) {
    let list = c.request.spec.linux().as_ref().and_then(|linux| linux.readonly_paths().as_ref());
    for (origin, path) in paths(c, "readonlyPaths", list) {
        c.plan.origin(origin);
        c.plan.push(Op::ReadonlyPath { root: c.root, path });
    }
}

/// Files get the host's /dev/null, which is known to be the real one; never the container's, whose
/// image may have put a symlink there (CVE-2025-31133).
fn masked_paths(c: &mut Compiler<'_>) {
    let list = c.request.spec.linux().as_ref().and_then(|linux| linux.masked_paths().as_ref());
    if list.is_none_or(Vec::is_empty) {
        return;
    }
    c.plan.origin("linux.maskedPaths");
    let null = c.plan.slot();
    let path = c.plan.text("/dev/null");
    c.plan.push(Op::Open { dir: Slot::CWD, out: null, path, flags: O_PATH_NOFOLLOW });
    c.plan.push(Op::VerifyDevice { slot: null, file_type: S_IFCHR, dev: makedev(1, 3) });
    let label = lsm::context_of_mount(c.request.spec, "tmpfs");
    let label = label.as_ref().map(|(key, label)| (key.as_str(), label.as_deref().unwrap_or("")));
    let limits = [("nr_blocks", "1"), ("nr_inodes", "1")];
    let data: Vec<_> = limits.into_iter().chain(label).collect();
    let empty = detached(c, "tmpfs", &data, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID_NODEV_NOEXEC);
    let mut seen = HashSet::new();
    let first: Vec<bool> = list.into_iter().flatten().map(|path| seen.insert(path)).collect();
    let all = paths(c, "maskedPaths", list).into_iter().zip(first);
    for ((origin, path), _) in all.filter(|(_, first)| *first) {
        c.plan.origin(origin);
        c.plan.push(Op::MaskPath { root: c.root, null, empty, path });
    }
    c.plan.origin("linux.maskedPaths");
    c.plan.done(null);
    c.plan.done(empty);
}
