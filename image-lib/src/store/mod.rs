//! The store on disk: an OCI image layout, and beside it unpacked layers and containers.
//!
//! `docs/images.md` tells the layout, the locks and the crash rules.

mod blob;
mod gc;
mod index;
mod layers;
mod lock;
mod owner;

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

pub use blob::BlobWriter;
pub use gc::{Freed, Wait};
pub use index::Entry;
pub use layers::{NewLayer, UnpackedLayer};

use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::layer;
pub(crate) use lock::Lock;
use owner::Owner;

/// The layout's own version file, as the image specification wants it.
const LAYOUT: &str = "oci-layout";
const LAYOUT_CONTENT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// Beside them, once something was built.
const BUILD_CACHE: &str = "build-cache";
/// Another one after every boot (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The store's directories are the owner's alone: layers hold setuid files.
const PRIVATE: u32 = 0o700;

/// An open store. As long as it is open nothing in it is removed: [`Store::gc`] waits.
#[derive(Debug)]
pub struct Store {
    root: Dir,
    blobs: Dir,
    layers: Dir,
    containers: Dir,
    locks: Dir,
    tmp: Dir,
    owner: Owner,
    /// Which boot of the machine this is; `None` if the kernel does not tell.
    boot: Option<Vec<u8>>,
    _in_use: Lock,
}

impl Store {
    /// Opens the store in a directory, which is made if need be.
    ///
    /// # Errors
    /// If the directory cannot be made or opened, or is no OCI image layout of version 1.0.
    pub fn open(path: &Path) -> Result<Self> {
        DirBuilder::new().recursive(true).mode(PRIVATE).create(path).map_err(|e| {
            let error = Error::io("mkdir", path.display(), &e);
            let denied = e.kind() == std::io::ErrorKind::PermissionDenied;
            if denied { error.with_hint("is it another user's?") } else { error }
        })?;
        // Absolute, since containers remember it.
        let path = path.canonicalize().map_err(|e| Error::io("open", path.display(), &e))?;
        let root = Dir::open(&path)?;
        let in_use = Lock::shared(&root, lock::STORE)?;
        check_layout(&root)?;
        let child = |name: &str| root.make_child(name, PRIVATE);
        Ok(Self {
            blobs: child("blobs")?.make_child("sha256", PRIVATE)?,
            layers: child("layers")?.make_child("sha256", PRIVATE)?,
            containers: child("containers")?,
            locks: child("locks")?,
            tmp: child("tmp")?,
            owner: Owner::check(&root)?,
            boot: std::fs::read(BOOT_ID).ok().filter(|boot| !boot.is_empty()),
            _in_use: in_use,
            root,
        })
    }

    /// Where it is, absolute.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Where stores are by default: `/var/lib/teu-image`, for ordinary users
    /// `$XDG_DATA_HOME/teu-image` or `~/.local/share/teu-image`.
    ///
    /// # Errors
    /// If an ordinary user has neither variable.
    pub fn default_path() -> Result<PathBuf> {
        if rustix::process::geteuid().is_root() {
            return Ok("/var/lib/teu-image".into());
        }
        let var = |name: &str| {
            std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
        };
        var("XDG_DATA_HOME")
            .or_else(|| var("HOME").map(|home| home.join(".local/share")))
            .map(|data| data.join("teu-image"))
            .ok_or_else(|| Error::Argument("neither XDG_DATA_HOME nor HOME is set".into()))
    }

    /// How layers are unpacked here.
    pub(crate) fn unpack_options(&self) -> layer::Options {
        layer::Options {
            limits: layer::Limits::default(),
            flavor: self.owner.flavor,
            squash: self.owner.squash,
        }
    }

    pub(crate) fn tmp(&self) -> &Dir {
        &self.tmp
    }

    pub(crate) fn containers(&self) -> &Dir {
        &self.containers
    }

    /// What steps of Dockerfiles made, by key; made when it is first needed.
    pub(crate) fn build_cache(&self) -> Result<Dir> {
        self.root.make_child(BUILD_CACHE, PRIVATE)
    }
}

/// Writes `oci-layout` if there is none; a version of a time to come is left alone.
fn check_layout(root: &Dir) -> Result<()> {
    let Some(content) = root.read(LAYOUT)? else { return root.replace(LAYOUT, LAYOUT_CONTENT) };
    let damaged = |problem: String| Error::damaged(root.path().join(LAYOUT), problem);
    let layout: oci_spec::image::OciLayout =
        serde_json::from_slice(&content).map_err(|e| damaged(e.to_string()))?;
    match layout.image_layout_version().as_str() {
        "1.0.0" => Ok(()),
        version => Err(damaged(format!("layout version {version} is not known"))),
    }
}

#[cfg(test)]
mod tests;
