//! `index.json`: which images there are, and their names.

use std::collections::HashMap;

use oci_spec::image::{
    ANNOTATION_REF_NAME, Descriptor, Digest, ImageIndex, ImageIndexBuilder, MediaType,
};

use super::{Store, lock};
use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::store::lock::Lock;

const INDEX: &str = "index.json";

/// One line of the index: a manifest, with a name or without.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The name; `None` for images without one, or with one that is no reference.
    pub reference: Option<Reference>,
    /// The manifest.
    pub descriptor: Descriptor,
}

impl Entry {
    fn of(descriptor: &Descriptor) -> Self {
        let name = descriptor.annotations().as_ref().and_then(|all| all.get(ANNOTATION_REF_NAME));
        let reference = name.and_then(|name| name.parse().ok());
        Self { reference, descriptor: descriptor.clone() }
    }
}

impl Store {
    /// All images, in the order of the index.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        Ok(self.read_index()?.manifests().iter().map(Entry::of).collect())
    }

    /// Gives a manifest a name, which is taken from whatever had it. What loses its last name stays,
    /// without one, until it is pruned.
    pub fn tag(&self, manifest: &Descriptor, reference: &Reference) -> Result<()> {
        self.change_index(|entries| {
            let holder =
                |entry: &Descriptor| Entry::of(entry).reference.as_ref() == Some(reference);
            let replaced: Vec<_> = entries.extract_if(.., |entry| holder(entry)).collect();
            // Its first name takes the place of an entry without one.
            entries.retain(|entry| !is_nameless(entry, manifest.digest()));
            entries.push(named(manifest, Some(reference)));
            keep_reachable(entries, replaced);
            Ok(())
        })
    }

    /// Keeps a manifest that has no name, unless the index has it already.
    pub fn add_nameless(&self, manifest: &Descriptor) -> Result<()> {
        self.change_index(|entries| {
            if !entries.iter().any(|entry| entry.digest() == manifest.digest()) {
                entries.push(named(manifest, None));
            }
            Ok(())
        })
    }

    /// Takes a name away. What loses its last name is no image any more.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`].
    pub fn untag(&self, reference: &Reference) -> Result<()> {
        self.change_index(|entries| {
            let before = entries.len();
            entries.retain(|entry| Entry::of(entry).reference.as_ref() != Some(reference));
            if entries.len() == before {
                return Err(Error::NoSuchImage(reference.familiar()));
            }
            Ok(())
        })
    }

    /// Takes a manifest out of the index, with all its names.
    pub fn remove_manifest(&self, digest: &Digest) -> Result<()> {
        self.change_index(|entries| {
            entries.retain(|entry| entry.digest() != digest);
            Ok(())
        })
    }

    /// Takes a manifest's entry without a name out of the index.
    pub(super) fn remove_nameless(&self, manifest: &Descriptor) -> Result<()> {
        self.change_index(|entries| {
            entries.retain(|entry| {
                entry.digest() != manifest.digest() || Entry::of(entry).reference.is_some()
            });
            Ok(())
        })
    }

    pub(super) fn read_index(&self) -> Result<ImageIndex> {
        let path = self.root.path().join(INDEX);
        let Some(data) = self.root.read(INDEX)? else {
            return ImageIndexBuilder::default()
                .schema_version(2u32)
                .media_type(MediaType::ImageIndex)
                .manifests(Vec::new())
                .build()
                .map_err(|e| Error::damaged(path, e));
        };
        serde_json::from_slice(&data).map_err(|e| Error::damaged(path, e))
    }

    fn change_index(&self, change: impl FnOnce(&mut Vec<Descriptor>) -> Result<()>) -> Result<()> {
        let _lock = Lock::exclusive(&self.root, lock::INDEX)?;
        let mut index = self.read_index()?;
        let mut entries = index.manifests().clone();
        change(&mut entries)?;
        index.set_manifests(entries);
        let data = serde_json::to_vec(&index)
            .map_err(|e| Error::damaged(self.root.path().join(INDEX), e))?;
        self.root.replace(INDEX, &data)
    }
}

fn is_nameless(entry: &Descriptor, digest: &Digest) -> bool {
    entry.digest() == digest
        && !entry.annotations().as_ref().is_some_and(|all| all.contains_key(ANNOTATION_REF_NAME))
}

/// A manifest whose name now means another stays in the index, without a name.
fn keep_reachable(entries: &mut Vec<Descriptor>, replaced: Vec<Descriptor>) {
    for old in replaced {
        if !entries.iter().any(|entry| entry.digest() == old.digest()) {
            entries.push(named(&old, None));
        }
    }
}

/// The descriptor with exactly that name.
fn named(descriptor: &Descriptor, reference: Option<&Reference>) -> Descriptor {
    let mut descriptor = descriptor.clone();
    let mut annotations: HashMap<_, _> = descriptor.annotations().clone().unwrap_or_default();
    annotations.remove(ANNOTATION_REF_NAME);
    if let Some(reference) = reference {
        annotations.insert(ANNOTATION_REF_NAME.to_owned(), reference.to_string());
    }
    descriptor.set_annotations((!annotations.is_empty()).then_some(annotations));
    descriptor
}
