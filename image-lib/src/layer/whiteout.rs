//! Deleted files: `.wh.` names in archives, devices and attributes in overlayfs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Marks the name behind it as deleted (image specification, "Whiteouts").
pub const PREFIX: &[u8] = b".wh.";
/// Marks all of a directory that lower layers have as deleted.
pub const OPAQUE: &[u8] = b".wh..wh..opq";
/// The rest of AUFS's own files, which mean nothing here.
const RESERVED: &[u8] = b".wh..wh.";

/// What a name in an archive means.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// Itself.
    Plain,
    /// That name of lower layers is gone.
    Deleted(&'a OsStr),
    /// Everything of lower layers in this directory is gone.
    Opaque,
    /// Nothing.
    Nothing,
    /// A marker for no name, or for one that leads out.
    Malformed,
}

/// What that name of an entry means.
pub fn meaning(name: &OsStr) -> Meaning<'_> {
    let bytes = name.as_bytes();
    let Some(hidden) = bytes.strip_prefix(PREFIX) else { return Meaning::Plain };
    match hidden {
        _ if bytes == OPAQUE => Meaning::Opaque,
        _ if bytes.starts_with(RESERVED) => Meaning::Nothing,
        b"" | b"." | b".." => Meaning::Malformed,
        _ => Meaning::Deleted(OsStr::from_bytes(hidden)),
    }
}

/// Which attributes overlayfs goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    /// `trusted.overlay.*`, which the initial user namespace's root can set.
    Trusted,
    /// `user.overlay.*` (mount option `userxattr`, Linux 5.11).
    User,
}

impl Flavor {
    /// The attribute of opaque directories; its value is `y`.
    pub fn opaque(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }
}

/// Whether an attribute is overlayfs's own. One from an archive would be obeyed when the layer is
/// mounted: `redirect` leads to other directories.
pub fn is_overlay_attribute(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_mean_what_the_specification_says() {
        let of = |name: &'static str| meaning(OsStr::new(name));
        assert_eq!(of("a"), Meaning::Plain);
        assert_eq!(of(".wh"), Meaning::Plain);
        assert_eq!(of(".wh.a"), Meaning::Deleted(OsStr::new("a")));
        assert_eq!(of(".wh..a"), Meaning::Deleted(OsStr::new(".a")));
        assert_eq!(of(".wh..wh..opq"), Meaning::Opaque);
        assert_eq!(of(".wh..wh.plnk"), Meaning::Nothing);
        for name in [".wh.", ".wh..", ".wh..."] {
            assert_eq!(of(name), Meaning::Malformed, "{name}");
        }
    }
}
