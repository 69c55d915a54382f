//! An image to a registry.

use std::fs::File;
use std::io::Read;

use oci_spec::image::{Descriptor, Digest};

use super::client::{Client, Document};
use super::{Access, Progress, Tell, host_of};
use crate::error::{Error, Result};
use crate::image::Image;
use crate::reference::Reference;
use crate::store::Store;

/// Pushes an image under a name, exactly as the store has it: the digest stays. What the registry has
/// already is not sent again. Gives the digest.
///
/// # Errors
/// If the registry does not take it.
pub fn push(
    store: &Store,
    image: &Image,
    reference: &Reference,
    access: &Access,
    tell: Tell<'_>,
) -> Result<Digest> {
    let client = Client::new(host_of(reference), access)?;
    let repository = reference.repository();
    let by = image.name();
    let blobs = image.manifest.layers().iter().chain([image.manifest.config()]);
    for descriptor in blobs {
        blob(store, &client, repository, descriptor, &by, tell)?;
    }
    let digest = image.descriptor.digest();
    let document = Document {
        media_type: image.descriptor.media_type().to_string(),
        data: store.read_document(digest, &by)?,
    };
    let tag = reference.tag().map_or_else(|| digest.to_string(), str::to_owned);
    client.put_manifest(repository, &tag, &document)?;
    Ok(digest.clone())
}

fn blob(
    store: &Store,
    client: &Client,
    repository: &str,
    descriptor: &Descriptor,
    by: &str,
    tell: Tell<'_>,
) -> Result<()> {
    let digest = descriptor.digest();
    if client.has_blob(repository, digest)? {
        tell(Progress::Present { digest: digest.to_string() });
        return Ok(());
    }
    let size = store
        .open_blob(digest, by)?
        .metadata()
        .map_err(|e| Error::io("stat blob", digest, &e))?
        .len();
    tell(Progress::Begin { digest: digest.to_string(), size });
    client.put_blob(repository, digest, size, || {
        Ok(Told { blob: store.open_blob(digest, by)?, digest, tell })
    })?;
    tell(Progress::Done { digest: digest.to_string() });
    Ok(())
}

/// Tells how much of a blob has been read.
struct Told<'a> {
    blob: File,
    digest: &'a Digest,
    tell: Tell<'a>,
}

impl Read for Told<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.blob.read(buffer)?;
        (self.tell)(Progress::Bytes { digest: self.digest.to_string(), count: count as u64 });
        Ok(count)
    }
}
