//! Sources of `copy-symlink` mounts: whether they are symlinks, and to where.

use std::fs::read_link;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::spec::{Bundle, MountOptions};

/// Content of each such symlink, with the index of its mount. A source that becomes one later is not
/// followed any more (AT_SYMLINK_NOFOLLOW).
pub(super) fn read(bundle: &Bundle) -> Result<Vec<(usize, PathBuf)>> {
    let mut links = Vec::new();
    for (index, mount) in bundle.spec.mounts().iter().flatten().enumerate() {
        let options = MountOptions::parse(mount.options().as_deref().unwrap_or_default());
        if !options.is_ok_and(|options| options.links.copy) {
            continue;
        }
        let source = bundle.dir.join(mount.source().as_deref().unwrap_or(Path::new("")));
        match read_link(&source) {
            Ok(content) => links.push((index, content)),
            Err(e) if e.raw_os_error() == Some(Errno::EINVAL as i32) => {}
            Err(e) => {
                let object = format!("mounts[{index}].source: {}", source.display());
                return Err(Error::io("readlink", object, &e));
            }
        }
    }
    Ok(links)
}
