//! Images into an archive.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use oci_spec::image::{
    ANNOTATION_REF_NAME, Descriptor, Digest, ImageIndexBuilder, MediaType, SCHEMA_VERSION,
};

use super::documents::{CONTAINERD_NAME, INDEX, Item, LAYOUT, MANIFEST};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::store::Store;

/// What kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// What docker 25 and newer write: an image layout with docker's `manifest.json` in it. Everyone
    /// reads it, and the digests stay.
    #[default]
    Docker,
    /// An image layout alone.
    Oci,
}

/// Writes images with all they need to an archive. The names are those that the images were found by.
/// The same images make the same bytes.
///
/// # Errors
/// If a blob is missing, or the stream cannot be written.
pub fn save(store: &Store, images: &[Image], format: Format, sink: impl Write) -> Result<()> {
    let mut archive = Archive { builder: tar::Builder::new(sink), store, written: BTreeSet::new() };
    archive.document(LAYOUT, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    for image in images {
        let by = image.name();
        archive.blob(&image.descriptor, &by)?;
        archive.blob(image.manifest.config(), &by)?;
        image.manifest.layers().iter().try_for_each(|layer| archive.blob(layer, &by))?;
    }
    archive.document(INDEX, &index(images)?)?;
    if format == Format::Docker {
        let items: Vec<_> = images.iter().map(item).collect();
        archive.document(MANIFEST, &json(&items)?)?;
    }
    archive.builder.into_inner().and_then(|mut sink| sink.flush()).map_err(failed)
}

struct Archive<'a, W: Write> {
    builder: tar::Builder<W>,
    store: &'a Store,
    written: BTreeSet<String>,
}

impl<W: Write> Archive<'_, W> {
    fn document(&mut self, name: &str, data: &[u8]) -> Result<()> {
        self.append(name, data.len() as u64, data)
    }

    fn blob(&mut self, descriptor: &Descriptor, by: &str) -> Result<()> {
        let path = path(descriptor.digest());
        if !self.written.insert(path.clone()) {
            return Ok(());
        }
        let blob = self.store.open_blob(descriptor.digest(), by)?;
        let size = blob.metadata().map_err(failed)?.len();
        self.append(&path, size, blob.take(size))
    }

    fn append(&mut self, name: &str, size: u64, data: impl Read) -> Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        self.builder.append_data(&mut header, name, data).map_err(failed)
    }
}

fn index(images: &[Image]) -> Result<Vec<u8>> {
    let manifests: Vec<_> = images.iter().map(named).collect();
    let index = ImageIndexBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageIndex)
        .manifests(manifests)
        .build()
        .map_err(|e| Error::Archive(e.to_string()))?;
    // By way of a value, which sorts the keys of maps.
    json(&serde_json::to_value(index).map_err(|e| Error::Archive(e.to_string()))?)
}

fn named(image: &Image) -> Descriptor {
    let mut descriptor = image.descriptor.clone();
    let names = image.reference.as_ref().map(|reference| {
        let name = reference.to_string();
        [(CONTAINERD_NAME.to_owned(), name.clone()), (ANNOTATION_REF_NAME.to_owned(), name)].into()
    });
    descriptor.set_annotations(names);
    descriptor
}

fn item(image: &Image) -> Item {
    let tagged = image.reference.as_ref().filter(|reference| reference.tag().is_some());
    Item {
        config: path(image.id()),
        repo_tags: tagged.map(|reference| vec![reference.familiar()]),
        layers: image.manifest.layers().iter().map(|layer| path(layer.digest())).collect(),
    }
}

fn path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.digest())
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::Archive(e.to_string()))
}

fn failed(e: io::Error) -> Error {
    Error::io("write", "archive", &e)
}
