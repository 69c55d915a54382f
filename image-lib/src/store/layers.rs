//! Unpacked layers: one directory a diff-id, shared by all images that have it.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use oci_spec::image::Digest;
use rustix::fs::Mode;

use super::{PRIVATE, Store};
use crate::digest;
use crate::dir::{Dir, unique};
use crate::error::{Error, Result};
use crate::layer::shown;
use crate::store::lock::Lock;

/// The directory in a layer's that holds its files.
const FILES: &str = "fs";
/// Beside it: paths of directories that the layer has, but whose owner, mode and attributes it leaves
/// to the layers below.
const IMPLIED: &str = "implied";

/// A layer that is there.
#[derive(Debug)]
pub struct UnpackedLayer {
    /// Its files, as overlayfs wants them.
    pub(crate) files: Dir,
    implied: Vec<PathBuf>,
}

impl UnpackedLayer {
    /// Files that say all about themselves.
    pub(crate) fn described(files: Dir) -> Self {
        Self { files, implied: Vec::new() }
    }

    /// The directory with its files, as overlayfs wants a lower one. Not to be changed.
    pub fn path(&self) -> PathBuf {
        self.files.path().to_owned()
    }

    /// Directories that it has, but whose owner, mode and attributes it leaves to lower layers; the
    /// empty path is its root.
    pub fn implied(&self) -> &[PathBuf] {
        &self.implied
    }
}

/// A layer being unpacked. If it is dropped before `finish`, nothing is left of it.
#[derive(Debug)]
pub struct NewLayer<'a> {
    store: &'a Store,
    name: String,
    dir: Dir,
    files: Dir,
    finished: bool,
}

impl Store {
    /// The unpacked layer; `None` if it is not there.
    pub fn layer(&self, diff_id: &Digest) -> Result<Option<UnpackedLayer>> {
        let Some(dir) = self.layers.find_child(digest::hex(diff_id)?)? else { return Ok(None) };
        let list = dir.open_file(IMPLIED)?.map_or(Ok(Vec::new()), read_implied);
        let implied =
            list.map_err(|e| Error::io("read", dir.path().join(IMPLIED).display(), &e))?;
        Ok(Some(UnpackedLayer { files: dir.child(FILES)?, implied }))
    }

    /// Others who want to unpack the same blob wait meanwhile.
    pub(crate) fn lock_layer(&self, blob: &Digest) -> Result<Lock> {
        Lock::exclusive(&self.locks, digest::hex(blob)?)
    }

    /// Room for a layer to be unpacked into.
    pub(crate) fn new_layer(&self) -> Result<NewLayer<'_>> {
        let name = unique("layer");
        let dir = self.tmp.new_child(&name, PRIVATE)?;
        let files = dir.new_child(FILES, 0o755)?;
        // Whatever the caller's umask: it is the root of what others are to read.
        rustix::fs::fchmod(&files, Mode::from_raw_mode(0o755))
            .map_err(|e| Error::system("chmod", files.path().display(), e))?;
        Ok(NewLayer { store: self, name, dir, files, finished: false })
    }

    /// Writes all that was unpacked to disk: one call for any number of layers.
    pub(crate) fn sync_layers(&self) -> Result<()> {
        rustix::fs::syncfs(&self.root)
            .map_err(|e| Error::system("syncfs", self.root.path().display(), e))
    }
}

fn read_implied(mut file: std::fs::File) -> io::Result<Vec<PathBuf>> {
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    // What follows the last NUL is nothing.
    let mut paths: Vec<_> = text.split(|&byte| byte == 0).map(shown).collect();
    paths.pop();
    Ok(paths)
}

impl NewLayer<'_> {
    /// Where to unpack to.
    pub(crate) fn files(&self) -> &Dir {
        &self.files
    }

    /// Remembers which directories the layer has without describing them.
    pub(crate) fn note_implied(&self, implied: &[PathBuf]) -> Result<()> {
        let list: Vec<&[u8]> = implied.iter().map(|path| path.as_os_str().as_bytes()).collect();
        // NUL ends each: no name has one.
        let text: Vec<u8> = list.iter().flat_map(|path| [*path, b"\0"].concat()).collect();
        let mut file = self.dir.create(IMPLIED)?;
        file.write_all(&text).map_err(|e| Error::io("write", IMPLIED, &e))
    }

    /// Gives it its place. [`Store::sync_layers`] comes before. No matter if the layer is there by now.
    pub(crate) fn finish(mut self, diff_id: &Digest) -> Result<()> {
        let (from, to) = (OsStr::new(&self.name), OsStr::new(digest::hex(diff_id)?));
        match self.store.tmp.rename(from, &self.store.layers, to) {
            Err(Error::System {
                errno: nix::errno::Errno::EEXIST | nix::errno::Errno::ENOTEMPTY,
                ..
            }) => return Ok(()),
            other => other?,
        }
        self.finished = true;
        self.store.layers.sync()
    }
}

impl Drop for NewLayer<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.store.tmp.remove_tree(&self.name);
        }
    }
}
