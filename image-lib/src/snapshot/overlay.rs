//! overlayfs: the container's own layer over those of the image.

use std::ffi::CString;
use std::fmt::Write as _;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer::Flavor;

/// mount(2) takes options of one page, and each layer needs some twenty bytes of it.
const MAX_LAYERS: usize = 180;

/// Mounts `lower` (the topmost first) below `upper`, to be seen at `target`.
///
/// Directories are named by descriptor, which is short, and cannot mean others than those that were
/// opened. Features that would put more than plain files into `upper` are off: it is to become a layer.
pub fn mount_at(
    lower: &[&Dir],
    upper: &Dir,
    work: &Dir,
    target: &Dir,
    flavor: Flavor,
) -> Result<()> {
    if lower.len() > MAX_LAYERS {
        return Err(Error::Unsupported {
            what: format!("an image of {} layers", lower.len()),
            reason: format!("overlayfs is mounted over at most {MAX_LAYERS}"),
        });
    }
    let mut options = String::from(match flavor {
        Flavor::Trusted => "index=off,metacopy=off,redirect_dir=nofollow",
        // It implies the rest, and refuses to hear it said otherwise.
        Flavor::User => "userxattr",
    });
    let _ = write!(options, ",upperdir={},workdir={},lowerdir=", path(upper), path(work));
    options.push_str(&lower.iter().map(path).collect::<Vec<_>>().join(":"));
    let options = CString::new(options).map_err(|_| Error::Argument("NUL in a path".into()))?;
    mount("overlay", path(target), "overlay", MountFlags::empty(), options.as_c_str())
        .map_err(|e| Error::system("mount overlay on", target.path().display(), e))
}

fn path(dir: impl AsFd) -> String {
    format!("/proc/self/fd/{}", dir.as_fd().as_raw_fd())
}

/// Takes away what is mounted at the directory `name` of `parent`, if anything is.
pub fn unmount_at(parent: &Dir, name: &str) -> Result<()> {
    use rustix::io::Errno;
    let target = PathBuf::from(path(parent)).join(name);
    match unmount(&target, UnmountFlags::NOFOLLOW) {
        // Not mounted, or gone.
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(e) => {
            let error = Error::system("unmount", parent.path().join(name).display(), e);
            Err(if e == Errno::BUSY {
                error.with_hint("does the container still run?")
            } else {
                error
            })
        }
    }
}

/// Whether overlayfs is mounted at a path.
pub fn is_mounted(path: &Path) -> bool {
    const OVERLAYFS_SUPER_MAGIC: i64 = 0x794c_7630;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(path, flags, Mode::empty());
    let stat = fd.and_then(|fd| rustix::fs::fstatfs(&fd));
    stat.is_ok_and(|stat| stat.f_type == OVERLAYFS_SUPER_MAGIC)
}
