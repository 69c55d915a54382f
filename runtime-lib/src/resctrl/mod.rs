//! `linux.intelRdt`: groups of the resctrl filesystem, which share out caches and memory bandwidth
//! (Documentation/filesystems/resctrl.rst; config-linux.md, "IntelRdt").
//!
//! ```text
//! mount_point   where the filesystem is mounted
//! Group::find   which group a container gets, and whether it is there
//! Group         creates, shares out, counts and removes it; the process joins by itself, as the plan
//!               says
//! schemata      lines of a group's `schemata` file (pure)
//! stats         what a group has and uses
//! ```

mod schemata;
mod stats;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::Mode;
use oci_spec::runtime::LinuxIntelRdt;
use procfs::FromBufRead;
use procfs::process::MountInfos;
use serde::{Deserialize, Serialize};

pub(crate) use schemata::Schemata;
pub use stats::{CacheOccupancy, IntelRdt, L3CacheInfo, MemoryBandwidth, MemoryBandwidthInfo};

use crate::error::{Error, Result};
use crate::fdio;
use crate::id::ContainerId;
use crate::spec::one_line;

/// The config's object.
const FIELD: &str = "linux.intelRdt";
/// `closID` of the default group, which is the filesystem's root.
const DEFAULT: &str = "/";

/// Where resctrl is mounted, which is up to the administrator.
///
/// # Errors
/// If it is mounted nowhere in the runtime's mount namespace.
pub(crate) fn mount_point() -> Result<PathBuf> {
    const MOUNTINFO: &str = "/proc/thread-self/mountinfo";
    let lines =
        fdio::read(Path::new(MOUNTINFO)).map_err(|e| Error::system("read", MOUNTINFO, e))?;
    mounted_at(&lines)?.ok_or_else(|| {
        let reason = "Intel RDT is not enabled: no resctrl filesystem is mounted (mount -t resctrl resctrl \
                      /sys/fs/resctrl, on a CPU and kernel that have it)";
        Error::unsupported(FIELD, reason)
    })
}

/// The first mount of a mountinfo(5) that shows the whole of a resctrl filesystem.
fn mounted_at(mountinfo: &[u8]) -> Result<Option<PathBuf>> {
    let mounts = MountInfos::from_buf_read(mountinfo).map_err(|e| {
        Error::unsupported(FIELD, one_line(&format!("mountinfo cannot be read: {e}")))
    })?;
    let found = mounts.into_iter().find(|mount| mount.fs_type == "resctrl" && mount.root == "/");
    Ok(found.map(|mount| unescaped(&mount.mount_point)))
}

/// Blanks and backslashes are octal in mountinfo(5).
fn unescaped(path: &Path) -> PathBuf {
    let mut text = path.to_string_lossy().into_owned();
    for (escape, plain) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        text = text.replace(escape, plain);
    }
    text.into()
}

/// The group of a container, as its record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    /// Where the filesystem is mounted.
    mount: PathBuf,
    /// The group's directory.
    dir: PathBuf,
    /// A `closID` names it: others may share it.
    named: bool,
    /// It was not there before.
    made: bool,
    /// The container's own directory below `mon_groups`.
    monitoring: Option<PathBuf>,
}

impl Group {
    /// The group that a config asks for. Only looks whether it is there.
    ///
    /// # Errors
    /// If it has to be there already (a `closID` without anything to share out), and is not.
    pub(crate) fn find(wanted: &LinuxIntelRdt, id: &ContainerId, mount: &Path) -> Result<Self> {
        let clos = wanted.clos_id().as_deref().filter(|clos| !clos.is_empty());
        let dir = match clos {
            Some(DEFAULT) => mount.to_owned(),
            clos => mount.join(clos.unwrap_or(id.as_str())),
        };
        let made = !dir.is_dir();
        if let (Some(clos), true) = (clos, made && Schemata::of(wanted).is_empty()) {
            let text = "there is no such group, and no schemata that one could be created with";
            return Err(Error::unsupported(format!("{FIELD}.closID ({clos})"), text));
        }
        let monitored = wanted.enable_monitoring() == &Some(true);
        let monitoring = monitored.then(|| dir.join("mon_groups").join(id.as_str()));
        Ok(Self { mount: mount.to_owned(), dir, named: clos.is_some(), made, monitoring })
    }

    /// Makes what is not there, and shares out what the config says. A group that others have named
    /// before has to be what the config says already, as the specification wants it. One of the
    /// container's id that was there before is joined, but not changed: it is others', too.
    pub(crate) fn create(&mut self, wanted: &LinuxIntelRdt) -> Result<()> {
        // Nothing of it is this container's before it is made here.
        let monitoring = self.monitoring.take();
        self.made = self.made && self.make(&self.dir)?;
        let schemata = Schemata::of(wanted);
        match (self.made, self.named) {
            (true, _) => {}
            (false, true) => self.compare(&schemata)?,
            (false, false) if schemata.is_empty() => {}
            (false, false) => {
                let text =
                    format!("{} is there already; a closID would join it", self.dir.display());
                return Err(Error::unsupported(FIELD, text));
            }
        }
        self.write(&schemata)?;
        let Some(dir) = monitoring else { return Ok(()) };
        if !self.make(&dir)? {
            let text = format!("{} is there already, and not this container's", dir.display());
            return Err(Error::unsupported(format!("{FIELD}.enableMonitoring"), text));
        }
        self.monitoring = Some(dir);
        Ok(())
    }

    /// Files that a process of the container writes itself to, in this order.
    pub(crate) fn tasks(&self) -> Vec<PathBuf> {
        let dirs = [Some(&self.dir), self.monitoring.as_ref()];
        dirs.into_iter().flatten().map(|dir| dir.join("tasks")).collect()
    }

    /// Changes the shares; what was changed before a line was refused is changed back.
    pub(crate) fn update(&self, schemata: &Schemata) -> Result<()> {
        let before = self.schemata()?;
        self.write(schemata).inspect_err(|_| {
            let _ = self.write(&schemata.restored_from(&before));
        })
    }

    /// At the container's end. A group with a name stays, and so does one that was there before
    /// (config-linux.md).
    pub(crate) fn remove(&self) -> Result<()> {
        match &self.monitoring {
            _ if self.made && !self.named => self.remove_dir(&self.dir),
            Some(monitoring) => self.remove_dir(monitoring),
            None => Ok(()),
        }
    }

    /// After a create that failed. The kernel removes groups with processes in them, too, and these
    /// are in the default group then: a named one may have others' by now.
    pub(crate) fn undo(&self) -> Result<()> {
        if let Some(monitoring) = &self.monitoring {
            self.remove_dir(monitoring)?;
        }
        let empty = || fdio::read(&self.dir.join("tasks")).is_ok_and(|tasks| tasks.is_empty());
        if self.made && (!self.named || empty()) { self.remove_dir(&self.dir) } else { Ok(()) }
    }

    /// What it has and uses.
    pub(crate) fn stats(&self) -> Result<IntelRdt> {
        stats::read(&self.mount, &self.dir, self.monitoring.as_deref())
    }

    /// Whether it was not there.
    fn make(&self, dir: &Path) -> Result<bool> {
        match nix::unistd::mkdir(dir, Mode::from_bits_truncate(0o755)) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(e) => Err(self.failed("mkdir", format!("{FIELD}: {}", dir.display()), e)),
        }
    }

    fn remove_dir(&self, dir: &Path) -> Result<()> {
        match nix::unistd::unlinkat(
            nix::fcntl::AT_FDCWD,
            dir,
            nix::unistd::UnlinkatFlags::RemoveDir,
        ) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(e) => Err(self.failed("rmdir", format!("{FIELD}: {}", dir.display()), e)),
        }
    }

    fn schemata(&self) -> Result<String> {
        stats::text(&self.dir.join("schemata"))
    }

    fn compare(&self, wanted: &Schemata) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let step = || stats::text(&self.mount.join("info/MB/bandwidth_gran")).ok()?.parse().ok();
        let there = self.schemata()?;
        wanted.compared_with(&there, step).map_err(|(field, problem)| {
            let text = format!("{problem}, and others may be in {}", self.dir.display());
            Error::unsupported(format!("{FIELD}.{field}"), text)
        })
    }

    /// One write for each field: the kernel takes no line twice in one.
    fn write(&self, schemata: &Schemata) -> Result<()> {
        let file = self.dir.join("schemata");
        schemata.writes().try_for_each(|(field, lines)| {
            fdio::write(&file, lines.as_bytes()).map_err(|e| {
                let object =
                    format!("{FIELD}.{field} ({}) to {}", lines.trim_end(), file.display());
                self.failed("write", object.replace('\n', ", "), e)
            })
        })
    }

    /// The kernel says in a file why it has refused something.
    fn failed(&self, action: &'static str, object: String, errno: Errno) -> Error {
        let error = Error::system(action, object, errno);
        match stats::text(&self.mount.join("info/last_cmd_status")) {
            Ok(status) if !status.is_empty() && status != "ok" => {
                error.with_hint(format!("last_cmd_status: {}", status.replace('\n', " ")))
            }
            _ => error,
        }
    }
}
