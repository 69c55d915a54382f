//! What a new cgroup must get from its ancestors before it can be used.

use std::path::Path;

use super::paths::Place;
use nix::fcntl::AT_FDCWD;

use crate::error::{Error, Result};
use crate::fdio;

/// A new v1 cpuset is empty, and a process cannot join it (ENOSPC): it gets what its parent has,
/// and that what its own parent has, up to the root, which has all. Limits come later and are
/// written over it.
pub(super) fn inherit_cpuset(place: &Place, fresh: bool) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let mut missing = Vec::new();
        let mut value = Vec::new();
        for dir in place.dir.ancestors() {
            let file = dir.join(name);
            if !(fresh && dir == place.dir) {
                value = fdio::read_short(AT_FDCWD, &file)
                    .map_err(|e| Error::system("read", file.display(), e))?;
            }
            if !value.trim_ascii().is_empty() || dir == place.mount {
                break;
            }
            missing.push(file);
        }
        for file in missing.iter().rev() {
            fdio::write(file, &value).map_err(|e| Error::system("write", file.display(), e))?;
        }
    }
    Ok(())
}

/// Hands all controllers down to the container, as runc does. Where one cannot be handed down
/// (processes in an ancestor, no delegation), the limit that needs it says so.
pub(super) fn enable_controllers(place: &Place) -> Result<()> {
    let controllers = |dir: &Path| {
        let file = dir.join("cgroup.controllers");
        let data = fdio::read_short(AT_FDCWD, &file)
            .map_err(|e| Error::system("read", file.display(), e))?;
        Ok::<_, Error>(String::from_utf8_lossy(&data).trim().to_owned())
    };
    if controllers(&place.dir)? == controllers(&place.mount)? {
        return Ok(());
    }
    for dir in std::iter::once(place.mount.as_path()).chain(place.parents()) {
        let file = dir.join("cgroup.subtree_control");
        let orders: Vec<_> =
            controllers(dir)?.split_ascii_whitespace().map(|name| format!("+{name}")).collect();
        // One that is refused makes the kernel refuse all that stand in the same write.
        if fdio::write(&file, orders.join(" ").as_bytes()).is_err() {
            for order in &orders {
                let _ = fdio::write(&file, order.as_bytes());
            }
        }
    }
    Ok(())
}
