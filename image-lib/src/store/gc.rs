//! Removing what no one uses: mark from the index and the containers, sweep the rest.

use std::collections::HashSet;
use std::ffi::OsString;

use oci_spec::image::{
    Descriptor, Digest, ImageConfiguration, ImageIndex, ImageManifest, MediaType,
};

use super::lock::{self, Lock};
use super::{Entry, Store};
use crate::build::Made;
use crate::dir::{Dir, MAX_DOCUMENT};
use crate::error::{Error, Result};

/// Deeper chains of indexes are refused.
const MAX_DEPTH: usize = 8;

/// What to do while others use the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until they are done.
    Yes,
    /// Remove nothing.
    No,
}

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Freed {
    /// So many blobs,
    pub blobs: u64,
    /// of so many bytes,
    pub bytes: u64,
    /// and so many unpacked layers, whose size is not counted.
    pub layers: u64,
}

impl Store {
    /// Removes blobs and layers that neither an image nor a container needs, and what crashes left.
    /// `None` if others use the store and are not to be waited for. Who waits for others waits for the
    /// disk, too: layers that are left are written to it, and need not be unpacked again after a reboot.
    ///
    /// # Errors
    /// If an image's documents are damaged: then nothing is removed, since what they need is not known.
    pub fn gc(self, wait: Wait) -> Result<Option<Freed>> {
        let Self { root, blobs, layers, containers, locks, tmp, owner, boot, _in_use } = self;
        drop(_in_use);
        let lock = match wait {
            Wait::Yes => Some(Lock::exclusive(&root, lock::STORE)?),
            Wait::No => Lock::try_exclusive(&root, lock::STORE)?,
        };
        let Some(lock) = lock else { return Ok(None) };
        let _in_use = lock;
        let store = Self { root, blobs, layers, containers, locks, tmp, owner, boot, _in_use };
        let freed = store.collect()?;
        if wait == Wait::Yes {
            store.make_layers_last()?;
        }
        Ok(Some(freed))
    }

    /// Takes all images without a name out of the index; `gc` then frees what they had alone.
    ///
    /// # Errors
    /// If the index cannot be read or written.
    pub fn prune(&self) -> Result<Vec<Entry>> {
        let nameless: Vec<_> =
            self.entries()?.into_iter().filter(|entry| entry.reference.is_none()).collect();
        for entry in &nameless {
            self.remove_nameless(&entry.descriptor)?;
        }
        Ok(nameless)
    }

    /// What a step made is of use as long as its topmost layer is there.
    fn sweep_build_cache(&self) -> Result<()> {
        let Some(cache) = self.root.find_child(super::BUILD_CACHE)? else { return Ok(()) };
        for name in cache.names()? {
            let data = cache.read(&name)?.unwrap_or_default();
            let top = serde_json::from_slice::<Made>(&data).ok().and_then(|made| made.top);
            if !top.map_or(Ok(false), |digest| self.has_blob(&digest))? {
                cache.remove_file(&name)?;
            }
        }
        Ok(())
    }

    fn collect(&self) -> Result<Freed> {
        let mut marks = Marks { store: self, blobs: HashSet::new(), layers: HashSet::new() };
        for descriptor in self.read_index()?.manifests() {
            marks.descriptor(descriptor, 0)?;
        }
        for record in self.container_records()? {
            marks.descriptor(&record.manifest, 0)?;
            marks.layers.extend(record.layers.iter().map(|id| id.digest().into()));
        }
        let (used_blobs, used_layers) = (marks.blobs, marks.layers);
        let mut freed = Freed::default();
        for name in unused(&self.blobs, &used_blobs)? {
            freed.bytes += size(&self.blobs, &name)?;
            self.blobs.remove_tree(&name)?;
            freed.blobs += 1;
        }
        for name in self.layers.names()? {
            if used_layers.contains(&name) && !self.is_lost(&name)? {
                continue;
            }
            // Renamed first: a crash halfway must not leave half a layer where whole ones are.
            let rubbish = crate::dir::unique("gone");
            self.layers.rename(&name, &self.tmp, rubbish.as_ref())?;
            freed.layers += 1;
        }
        self.sweep_build_cache()?;
        for dir in [&self.tmp, &self.locks] {
            dir.names()?.iter().try_for_each(|name| dir.remove_tree(name))?;
        }
        // New versions of the index and the like, whose writers were killed.
        let is_left = |name: &&OsString| name.as_encoded_bytes().starts_with(b".");
        self.root
            .names()?
            .iter()
            .filter(is_left)
            .try_for_each(|name| self.root.remove_file(name))?;
        Ok(freed)
    }
}

fn unused(dir: &Dir, used: &HashSet<OsString>) -> Result<Vec<OsString>> {
    Ok(dir.names()?.into_iter().filter(|name| !used.contains(name)).collect())
}

fn size(dir: &Dir, name: &OsString) -> Result<u64> {
    let stat = rustix::fs::statat(dir, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Error::at("stat", dir.path(), name))?;
    Ok(u64::try_from(stat.st_size).unwrap_or(0))
}

/// What is needed.
struct Marks<'a> {
    store: &'a Store,
    blobs: HashSet<OsString>,
    layers: HashSet<OsString>,
}

impl Marks<'_> {
    /// Marks a descriptor's blob and all it leads to. Blobs that are not there are no error: an index
    /// for many platforms is kept with the manifest of one.
    fn descriptor(&mut self, descriptor: &Descriptor, depth: usize) -> Result<()> {
        let digest = descriptor.digest();
        if depth > MAX_DEPTH {
            return Err(Error::image(digest, "indexes are nested too deeply"));
        }
        if !self.blobs.insert(digest.digest().into()) || !self.is_document(digest)? {
            return Ok(());
        }
        match descriptor.media_type() {
            MediaType::ImageIndex => {
                let index: ImageIndex = self.parse(digest)?;
                index.manifests().iter().try_for_each(|inner| self.descriptor(inner, depth + 1))
            }
            MediaType::ImageManifest => self.manifest(digest),
            MediaType::Other(name) if name.ends_with("manifest.list.v2+json") => {
                let index: ImageIndex = self.parse(digest)?;
                index.manifests().iter().try_for_each(|inner| self.descriptor(inner, depth + 1))
            }
            MediaType::Other(name) if name.ends_with("distribution.manifest.v2+json") => {
                self.manifest(digest)
            }
            _ => Ok(()),
        }
    }

    fn manifest(&mut self, digest: &Digest) -> Result<()> {
        let manifest: ImageManifest = self.parse(digest)?;
        let config = manifest.config();
        self.blobs.insert(config.digest().digest().into());
        self.blobs.extend(manifest.layers().iter().map(|layer| layer.digest().digest().into()));
        if self.is_document(config.digest())? && crate::image::is_config(config.media_type()) {
            let parsed: ImageConfiguration = self.parse(config.digest())?;
            let ids = parsed.rootfs().diff_ids().iter();
            self.layers.extend(ids.filter_map(|id| id.split_once(':')).map(|(_, hex)| hex.into()));
        }
        Ok(())
    }

    fn is_document(&self, digest: &Digest) -> Result<bool> {
        let name = digest.digest().into();
        Ok(self.store.has_blob(digest)? && size(&self.store.blobs, &name)? <= MAX_DOCUMENT)
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, digest: &Digest) -> Result<T> {
        let data = self.store.read_document(digest, "gc")?;
        serde_json::from_slice(&data).map_err(|e| Error::image(digest, e.to_string()))
    }
}
