//! The host's standard devices. Containers get them as streams and, with a user namespace, as bind mounts; their owner
//! and permissions are for no runtime to change. crun 1.8 gives the host's /dev/null to the container's root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::require::say;
use crate::runtime::{Kind, Runtime};

const NAMES: [&str; 8] = ["null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts/ptmx"];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Device {
    path: String,
    device: u64,
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Device {
    fn now(path: String) -> Option<Self> {
        let status = fs::metadata(&path).ok()?;
        let (uid, gid, mode) = (status.uid(), status.gid(), status.mode() & 0o7777);
        Some(Self { path, device: status.rdev(), uid, gid, mode })
    }

    fn restore(&self) {
        let _ = chown(&self.path, Some(self.uid), Some(self.gid));
        let _ = fs::set_permissions(&self.path, fs::Permissions::from_mode(self.mode));
    }
}

/// As they were when the tests began. What an earlier run has left with another owner than root is given back to root
/// first; where that is not ours to do, it stays as it is.
fn before() -> &'static [Device] {
    static BEFORE: OnceLock<Vec<Device>> = OnceLock::new();
    BEFORE.get_or_init(|| {
        let all = NAMES.iter().map(|name| format!("/dev/{name}"));
        let all = all.filter_map(|path| {
            let found = Device::now(path)?;
            if found.uid != 0 {
                Device { uid: 0, gid: 0, ..found.clone() }.restore();
            }
            Device::now(found.path)
        });
        all.collect()
    })
}

/// To be called before the first container is made.
pub(crate) fn remember() {
    before();
}

/// Puts back what has changed, and says so.
///
/// # Panics
/// When something has changed and the runtime is not known to do that.
pub(crate) fn check() {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let lock = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let is_changed = |was: &&Device| Device::now(was.path.clone()).as_ref() != Some(*was);
    let changed: Vec<&Device> = before().iter().filter(is_changed).collect();
    let now: Vec<_> = changed.iter().map(|was| Device::now(was.path.clone())).collect();
    changed.iter().for_each(|was| was.restore());
    drop(lock);
    if changed.is_empty() {
        return;
    }
    let text = format!("devices of the host have changed: {changed:?} became {now:?}");
    if Runtime::get().kind() == Kind::Crun || std::thread::panicking() {
        say(&text);
    } else {
        panic!("{text}");
    }
}
