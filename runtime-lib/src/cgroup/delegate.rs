//! Giving a cgroup to a user, who may then make cgroups in it and move processes among them
//! (Documentation/admin-guide/cgroup-v2.rst, "Delegation").

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::unistd::{Uid, fchownat};

use super::layout::Mode;
use super::manager::Cgroup;
use crate::error::{Error, Result};
use crate::fdio;

/// The kernel's list of what may be given away, one name a line.
const LIST: &str = "/sys/kernel/cgroup/delegate";
/// Where that cannot be read (no sysfs): config-linux.md, "Cgroup ownership".
const FALLBACK: &[u8] = b"cgroup.procs\ncgroup.subtree_control\ncgroup.threads\n";

impl Cgroup {
    /// Gives the v2 cgroup, and those of its files that do not set limits, to `uid`. v1 has no safe way
    /// to do so.
    pub(crate) fn give_to(&self, uid: u32) -> Result<()> {
        match (self.paths.mode, self.unified_fd()?) {
            (Mode::V2, Some(dir)) => {
                let list = fdio::read(Path::new(LIST)).unwrap_or_else(|_| FALLBACK.to_vec());
                let names = String::from_utf8_lossy(&list).into_owned();
                self.give_files(&dir, &names, uid)
            }
            _ => Ok(()),
        }
    }

    fn give_files(&self, dir: impl AsFd, names: &str, uid: u32) -> Result<()> {
        let owner = Some(Uid::from_raw(uid));
        for name in std::iter::once(".").chain(names.lines()) {
            match fchownat(&dir, name, owner, None, AtFlags::AT_SYMLINK_NOFOLLOW) {
                // The list is for the kernel; a cgroup may have fewer (memory.reclaim without memory).
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(e) => {
                    let at = self.paths.unified.iter().map(|place| place.dir.join(name));
                    let object = at.map(|path| path.display().to_string()).collect::<String>();
                    return Err(Error::system("chown", object, e));
                }
            }
        }
        Ok(())
    }
}
