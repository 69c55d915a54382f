//! Blobs: content under the name of its digest, written once and never changed.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};

use oci_spec::image::Digest;

use super::Store;
use crate::digest::{self, Content, Hasher};
use crate::dir::{MAX_DOCUMENT, unique};
use crate::error::{Error, Result};

impl Store {
    /// Whether the store has that content.
    pub fn has_blob(&self, digest: &Digest) -> Result<bool> {
        self.blobs.has(digest::hex(digest)?)
    }

    /// Opens a blob for reading. Its content is not verified: that is for whoever reads all of it.
    ///
    /// # Errors
    /// [`Error::MissingBlob`], with `by` as the one who needs it.
    pub fn open_blob(&self, digest: &Digest, by: &str) -> Result<File> {
        self.blobs
            .open_file(digest::hex(digest)?)?
            .ok_or_else(|| Error::MissingBlob { digest: digest.clone(), by: by.to_owned() })
    }

    /// Reads a manifest, an index or a config and verifies it.
    pub fn read_document(&self, digest: &Digest, by: &str) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        self.open_blob(digest, by)?
            .take(MAX_DOCUMENT + 1)
            .read_to_end(&mut data)
            .map_err(|e| Error::io("read blob", digest, &e))?;
        if data.len() as u64 > MAX_DOCUMENT {
            return Err(Error::image(digest, "is larger than 4 MiB"));
        }
        digest::verify(by, digest, &digest::of_bytes(&data)?)?;
        Ok(data)
    }

    /// Keeps bytes that are at hand.
    pub fn put_blob(&self, data: &[u8]) -> Result<Content> {
        let mut writer = self.new_blob()?;
        writer.write_all(data).map_err(|e| Error::io("write", "blob", &e))?;
        writer.finish(None)
    }

    /// A blob to be written.
    pub fn new_blob(&self) -> Result<BlobWriter<'_>> {
        let name = unique("blob");
        let file = self.tmp.create(&name)?;
        Ok(BlobWriter { store: self, file, name, hasher: Hasher::default(), finished: false })
    }
}

/// Content on its way into the store. If it is dropped unfinished, nothing is left of it.
#[derive(Debug)]
pub struct BlobWriter<'a> {
    store: &'a Store,
    file: File,
    name: String,
    hasher: Hasher,
    finished: bool,
}

impl BlobWriter<'_> {
    /// Makes it a blob of the store, lasting.
    ///
    /// # Errors
    /// [`Error::Digest`] if it is not what was expected.
    pub fn finish(mut self, expected: Option<&Digest>) -> Result<Content> {
        let content = std::mem::take(&mut self.hasher).finish()?;
        if let Some(expected) = expected {
            digest::verify("blob", expected, &content.digest)?;
        }
        self.file.sync_all().map_err(|e| Error::io("fsync", "blob", &e))?;
        self.publish(&content.digest)?;
        Ok(content)
    }

    /// The file itself, for who hashes what is written by other means, and then says what it was by
    /// [`publish`](Self::publish).
    pub(crate) fn unhashed(&self) -> &File {
        &self.file
    }

    /// Makes it the blob of a digest that the caller has found it to have, and has written to disk.
    pub(crate) fn publish(mut self, digest: &Digest) -> Result<()> {
        let (from, to) = (OsStr::new(&self.name), OsStr::new(digest::hex(digest)?));
        self.store.tmp.rename(from, &self.store.blobs, to)?;
        self.finished = true;
        self.store.blobs.sync()
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.file.write(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for BlobWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let _ = self.store.tmp.remove_file(&self.name);
        }
    }
}
