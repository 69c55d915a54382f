//! Who runs the tests.

use nix::unistd::geteuid;

/// Whether the tests run as root. Where not, every container is a rootless one: see [`crate::Bundle::new`].
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The uid that "an ordinary user" has: whoever runs the tests, or 1000 for root.
pub fn ordinary_user() -> u32 {
    if is_root() { 1000 } else { geteuid().as_raw() }
}
