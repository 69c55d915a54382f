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
/// And the boot in which the files were written: after another one they may be lost in part.
const BOOT: &str = "boot";
/// And, as soon as all of it is known to be on disk, an empty file. It is this one that has to be there,
/// not the other that must not: after a loss of power any file may be missing.
const LASTING: &str = "lasting";
/// Lock for giving a layer its place.
const PLACE: &str = "place";

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
    /// The unpacked layer; `None` if it is not there, or not known to be whole since the machine went
    /// down before it was written to disk.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn layer(&self, diff_id: &Digest) -> Result<Option<UnpackedLayer>> {
        let Some(dir) = self.layers.find_child(digest::hex(diff_id)?)? else { return Ok(None) };
        if !self.is_whole(&dir)? {
            return Ok(None);
        }
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

    /// Whether all those layers are there.
    pub(crate) fn has_layers(&self, diff_ids: &[Digest]) -> Result<bool> {
        for diff_id in diff_ids {
            if self.layer(diff_id)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What was written in this boot is there, on disk or not: the kernel has it.
    fn is_whole(&self, dir: &Dir) -> Result<bool> {
        let Some(boot) = &self.boot else { return dir.has(LASTING) };
        Ok(dir.read(BOOT)?.as_ref() == Some(boot) || dir.has(LASTING)?)
    }

    /// Whether something is in the place of a layer that [`Store::layer`] would not find.
    pub(super) fn is_lost(&self, name: &OsStr) -> Result<bool> {
        Ok(!self.is_whole(&self.layers.child(name)?)?)
    }

    /// Where boots cannot be told apart, writes all that was unpacked to disk: one call for any number of
    /// layers. It takes as long as the disk does, and so is not done where they can.
    pub(crate) fn sync_layers(&self) -> Result<()> {
        if self.boot.is_some() { Ok(()) } else { self.sync() }
    }

    /// Writes all layers to disk, and remembers it: they need not be unpacked again after a reboot.
    /// Nobody may be adding layers meanwhile.
    pub(super) fn make_layers_last(&self) -> Result<()> {
        let mut fresh = Vec::new();
        for name in self.layers.names()? {
            let dir = self.layers.child(&name)?;
            if !dir.has(LASTING)? {
                fresh.push(dir);
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        self.sync()?;
        fresh.iter().try_for_each(|dir| dir.create(LASTING).map(drop))
    }

    fn sync(&self) -> Result<()> {
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
        let Store { layers, tmp, locks, boot, .. } = self.store;
        match boot {
            Some(boot) => {
                let mut file = self.dir.create(BOOT)?;
                file.write_all(boot).map_err(|e| Error::io("write", BOOT, &e))?;
            }
            None => drop(self.dir.create(LASTING)?),
        }
        let name = OsStr::new(digest::hex(diff_id)?);
        // What somebody else has put there since is in use, and must not be taken for what was lost.
        let _turn = Lock::exclusive(locks, PLACE)?;
        if self.store.layer(diff_id)?.is_some() {
            return Ok(());
        }
        if layers.has(name)? {
            layers.rename(name, tmp, unique("lost").as_ref())?;
        }
        tmp.rename(self.name.as_ref(), layers, name)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for NewLayer<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.store.tmp.remove_tree(&self.name);
        }
    }
}
