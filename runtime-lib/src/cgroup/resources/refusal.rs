//! Why a value could not be set, in one line that helps.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;

use super::Setting;
use super::apply::number;
use crate::cgroup::layout::Mode;
use crate::cgroup::manager::denies;
use crate::cgroup::paths::{Paths, Place};
use crate::error::Error;
use crate::fdio;
use crate::spec::one_line;

/// A system call on a cgroup file that failed.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) action: &'static str,
    pub(super) path: PathBuf,
    pub(super) value: String,
    pub(super) errno: Errno,
}

type Hint = Cow<'static, str>;

/// The container is in no cgroup of the controller. The words before the bracket are runc's.
pub(super) fn no_cgroup(paths: &Paths, setting: &Setting) -> Error {
    let controller = &setting.controller;
    let reason = match (paths.mode, paths.best_effort) {
        _ if paths.disabled => {
            format!("cannot set {controller} limit: the cgroup manager is disabled")
        }
        (Mode::V1, true) => {
            format!("cannot set {controller} limit: container could not join or create cgroup")
        }
        (Mode::V1, false) => format!(
            "cannot set {controller} limit: container could not join or create cgroup \
             (controller {controller} is not mounted)"
        ),
        (Mode::V2, _) => "rootless needs no limits + no cgrouppath when no permission is granted \
                          for cgroups"
            .to_owned(),
    };
    Error::unsupported(field(setting), reason)
}

/// The kernel's answer to a value.
pub(super) fn refused(paths: &Paths, dir: &Path, setting: &Setting, attempt: &Attempt) -> Error {
    let Attempt { action, path, value, errno } = attempt;
    let object =
        format!("{}: {} to {}", field(setting), one_line(&format!("{value:?}")), path.display());
    let e = Error::system(action, object, *errno);
    let hint = match paths.mode {
        Mode::V2 => not_enabled(paths, setting, *errno),
        Mode::V1 => None,
    };
    match hint.or_else(|| explain(dir, setting, attempt)) {
        Some(hint) => e.with_hint(hint),
        None => e,
    }
}

fn field(setting: &Setting) -> String {
    one_line(&format!("linux.resources.{}", setting.field))
}

/// On v2 a file appears when all cgroups above hand its controller down.
fn not_enabled(paths: &Paths, setting: &Setting, errno: Errno) -> Option<Hint> {
    let place = paths.unified.as_ref()?;
    let name = setting.controller.as_ref();
    // `cgroup.*` files have no controller. A user may get EACCES for a file that is not there.
    let asked = errno == Errno::ENOENT || denies(errno);
    if !asked || name == "cgroup" || lists(&place.dir, "cgroup.controllers", name)? {
        return None;
    }
    Some(
        match first_without(place, name) {
            Some(dir) => format!(
                "controller {name:?} not available: it is not enabled in {}",
                dir.join("cgroup.subtree_control").display()
            ),
            None => format!(
                "controller {name:?} not available: it is not in {}",
                place.mount.join("cgroup.controllers").display()
            ),
        }
        .into(),
    )
}

/// The highest cgroup that has the controller and does not hand it down.
fn first_without<'a>(place: &'a Place, controller: &str) -> Option<&'a Path> {
    let dirs = std::iter::once(place.mount.as_path()).chain(place.parents());
    dirs.filter(|dir| lists(dir, "cgroup.controllers", controller) == Some(true))
        .find(|dir| lists(dir, "cgroup.subtree_control", controller) == Some(false))
}

fn lists(dir: &Path, file: &str, controller: &str) -> Option<bool> {
    let data = fdio::read_short(AT_FDCWD, &dir.join(file)).ok()?;
    let text = String::from_utf8_lossy(&data);
    Some(text.split_ascii_whitespace().any(|name| name == controller))
}

fn explain(dir: &Path, setting: &Setting, attempt: &Attempt) -> Option<Hint> {
    let file = attempt.path.file_name()?.to_str()?;
    if attempt.errno == Errno::EBUSY && file == "memory.limit_in_bytes" {
        return memory_in_use(dir, &attempt.value);
    }
    known(file, attempt.errno)
        .or_else(|| match attempt.errno {
            Errno::ENOENT => Some("this kernel has no such file"),
            e if denies(e) && !nix::unistd::geteuid().is_root() => {
                Some("the cgroup is not delegated to this user")
            }
            Errno::ENODEV if setting.field.starts_with("blockIO") => Some("no such block device"),
            _ => None,
        })
        .map(Hint::from)
}

/// In runc's words.
fn memory_in_use(dir: &Path, limit: &str) -> Option<Hint> {
    let usage = number(dir, "memory.usage_in_bytes")?;
    let peak = number(dir, "memory.max_usage_in_bytes")?;
    let text = format!(
        "unable to set memory limit to {limit} (current usage: {usage}, peak usage: {peak})"
    );
    Some(text.into())
}

/// What an errno means for a file, from the kernel's sources.
fn known(file: &str, errno: Errno) -> Option<&'static str> {
    let cfs = |file: &str| file.starts_with("cpu.cfs_") || file.starts_with("cpu.max");
    Some(match (file, errno) {
        ("blkio.leaf_weight" | "blkio.leaf_weight_device", Errno::ENOENT) => {
            "there are no leaf weights since Linux 5.0"
        }
        ("blkio.weight" | "blkio.weight_device", Errno::ENOENT) => {
            "weights need the I/O scheduler BFQ"
        }
        ("io.weight" | "io.bfq.weight", Errno::EOPNOTSUPP) => {
            "the device has an I/O scheduler that does not weigh"
        }
        ("io.weight", Errno::ENOENT) => "weights need the I/O scheduler BFQ or blk-iocost",
        ("memory.memsw.limit_in_bytes" | "memory.swap.max", Errno::ENOENT) => {
            "this kernel does not account swap"
        }
        ("memory.memsw.limit_in_bytes", Errno::EINVAL) => {
            "memory+swap limit should be >= memory limit"
        }
        ("memory.limit_in_bytes", Errno::EINVAL) => "the limit of memory+swap is lower",
        (file, Errno::EINVAL) if cfs(file) => {
            "periods are from 1 ms to 1 s, quotas from 1 ms on and as the parent cgroup has them at \
             most, a burst is no more than the quota"
        }
        ("cpu.weight" | "cpu.shares", Errno::EINVAL) => "an idle cgroup has no weight",
        ("cpu.idle", Errno::ENOENT) => "needs Linux 5.15",
        ("cpu.rt_runtime_us" | "cpu.rt_period_us", Errno::EINVAL) => {
            "the parent cgroup does not have that much realtime"
        }
        ("cpu.rt_runtime_us" | "cpu.rt_period_us", Errno::ENOENT) => {
            "this kernel has no realtime groups"
        }
        ("cpuset.cpus" | "cpuset.mems", Errno::EACCES) => "the parent cgroup does not have them",
        ("cpuset.cpus" | "cpuset.mems", Errno::ERANGE) => "there are not so many on this machine",
        (file, Errno::ENOENT) if file.starts_with("hugetlb.") => {
            "no huge pages of this size on this machine, see /sys/kernel/mm/hugepages"
        }
        ("rdma.max", Errno::ENODEV) => "no such RDMA device",
        ("net_prio.ifpriomap", Errno::ENODEV) => "no such interface",
        _ => return None,
    })
}
