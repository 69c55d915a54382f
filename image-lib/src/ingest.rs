//! Layers into the store: blob and unpacked files in one pass, or from a blob that is there.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};

use oci_spec::image::{Descriptor, Digest, MediaType};

use crate::digest::{self, Content};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::layer::{self, Compression, Skipped};
use crate::store::{BlobWriter, NewLayer, Store};

/// A layer that is unpacked, but has no place yet: [`Store::commit_layers`] gives it one.
#[derive(Debug)]
pub struct Fresh<'a> {
    /// The blob, as it came.
    pub blob: Content,
    /// The decompressed stream.
    pub diff: Content,
    /// What was left out.
    pub skipped: Vec<Skipped>,
    files: NewLayer<'a>,
    /// The blob's file, unless the store had it.
    file: Option<BlobWriter<'a>>,
}

impl Store {
    /// Takes a layer from a stream: verifies, keeps and unpacks it in one pass.
    ///
    /// # Errors
    /// If the stream is not what was expected, or no layer. Nothing is left of it then.
    pub fn add_layer(&self, source: impl Read, expected: Option<&Digest>) -> Result<Fresh<'_>> {
        let file = self.new_blob()?;
        let name = expected.map_or_else(|| "stream".to_owned(), Digest::to_string);
        let unpacked = self.unpack(Tee { source, file: file.unhashed() }, &name)?;
        if let Some(expected) = expected {
            digest::verify(&format!("layer {name}"), expected, &unpacked.blob.digest)?;
        }
        // Here, where other layers are under way meanwhile.
        file.unhashed().sync_all().map_err(|e| Error::io("fsync", &name, &e))?;
        Ok(Fresh { file: Some(file), ..unpacked })
    }

    /// Gives fresh layers and their blobs their places. Blobs are lasting; unpacked layers are made again
    /// of them if they are lost with the machine's power.
    pub fn commit_layers(&self, fresh: Vec<Fresh<'_>>) -> Result<Vec<Skipped>> {
        if fresh.is_empty() {
            return Ok(Vec::new());
        }
        self.sync_layers()?;
        let mut skipped = Vec::new();
        for layer in fresh {
            // A blob before what is made of it.
            if let Some(file) = layer.file {
                file.publish(&layer.blob.digest)?;
            }
            layer.files.finish(&layer.diff.digest)?;
            skipped.extend(layer.skipped);
        }
        Ok(skipped)
    }

    /// Unpacks those layers of an image that are not yet, from their blobs.
    ///
    /// # Errors
    /// If a blob is missing, or is not what the image says.
    pub fn unpack_image(&self, image: &Image) -> Result<Vec<Skipped>> {
        let diff_ids = image.diff_ids()?;
        let layers = image.manifest.layers().iter().map(|layer| layer.digest());
        // Sorted, as the order of their locks: two processes must not wait for each other.
        let mut missing = BTreeMap::new();
        for (blob, diff_id) in layers.zip(&diff_ids) {
            if self.layer(diff_id)?.is_none() {
                missing.insert(digest::hex(blob)?, (blob, diff_id));
            }
        }
        let mut locks = Vec::new();
        for (blob, _) in missing.values() {
            locks.push(self.lock_layer(blob)?);
        }
        let mut fresh = Vec::new();
        for (blob, diff_id) in missing.into_values() {
            if self.layer(diff_id)?.is_none() {
                let unpacked = self.unpack_blob(blob, diff_id, &image.name());
                fresh.push(unpacked.map_err(|e| e.of_image(image.name()))?);
            }
        }
        self.commit_layers(fresh)
    }

    /// The descriptor of a layer, with the media type that fits what it begins with. `by` is who needs it.
    pub(crate) fn layer_descriptor(&self, content: &Content, by: &str) -> Result<Descriptor> {
        let blob = self.open_blob(&content.digest, by)?;
        let begin = Compression::of(blob).map_err(|e| Error::io("read", &content.digest, &e))?;
        let media_type = match begin {
            Compression::None => MediaType::ImageLayer,
            Compression::Gzip => MediaType::ImageLayerGzip,
            Compression::Zstd => MediaType::ImageLayerZstd,
        };
        Ok(Descriptor::new(media_type, content.size, content.digest.clone()))
    }

    /// Unpacks a blob that the store has. `by` is who needs it.
    pub(crate) fn unpack_blob(
        &self,
        blob: &Digest,
        diff_id: &Digest,
        by: &str,
    ) -> Result<Fresh<'_>> {
        let fresh = self.unpack(self.open_blob(blob, by)?, blob.as_ref())?;
        digest::verify(&format!("layer {blob}"), blob, &fresh.blob.digest)?;
        digest::verify(&format!("layer {blob}, unpacked"), diff_id, &fresh.diff.digest)?;
        Ok(fresh)
    }

    fn unpack(&self, source: impl Read, name: &str) -> Result<Fresh<'_>> {
        let files = self.new_layer()?;
        let unpacked = layer::unpack(source, name, files.files(), self.unpack_options())?;
        files.note_implied(&unpacked.implied)?;
        let layer::Unpacked { blob, diff, skipped, .. } = unpacked;
        Ok(Fresh { blob, diff, skipped, files, file: None })
    }
}

/// What is read from the source goes to a file, too.
struct Tee<'a, R> {
    source: R,
    file: &'a File,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.file.write_all(buffer.get(..count).unwrap_or_default())?;
        Ok(count)
    }
}
