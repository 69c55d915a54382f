//! Terminals of the container's own devpts.

use core::ffi::CStr;

use crate::files;
use crate::sys::{self, Fd, Result};

/// Opens the master end of a new terminal. The image may have put anything at that path, and opening
/// a foreign device can have effects: the directory is proved to be a devpts first, and `ptmx` in it
/// to be the devpts's own, not something mounted over it.
pub fn open(root: Fd, path: &CStr) -> Result<Fd> {
    const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;
    let devpts = files::directory(root, path)?;
    let master = files::verify_filesystem(devpts, DEVPTS_SUPER_MAGIC)
        .and_then(|()| files::open_device_in(devpts, c"ptmx"));
    sys::close(devpts);
    let master = master?;
    sys::unlock_terminal(master).inspect_err(|_| sys::close(master))?;
    Ok(master)
}
