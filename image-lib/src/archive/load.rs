//! Images out of an archive.

use std::collections::HashSet;
use std::io::Read;

use oci_spec::image::{
    ANNOTATION_REF_NAME, Descriptor, Digest, ImageIndex, ImageManifest, MediaType,
};

use super::documents::{CONTAINERD_NAME, INDEX, Item, MANIFEST, manifest};
use super::intake::Intake;
use crate::error::{Error, Result};
use crate::image::{Image, is_index};
use crate::layer::Skipped;
use crate::reference::Reference;
use crate::store::Store;

/// An image that came with an archive.
#[derive(Debug)]
pub struct Loaded {
    /// Its names.
    pub references: Vec<Reference>,
    /// Its id.
    pub id: Digest,
    /// What could not be unpacked on this host.
    pub skipped: Vec<Skipped>,
}

/// Takes all images of an archive, compressed or not: what `docker save`, `skopeo copy … oci-archive:`
/// and the like write. Each is unpacked, and has its names afterwards.
///
/// # Errors
/// If something that an image needs is missing or is not what its digest says.
pub fn load(store: &Store, source: impl Read) -> Result<Vec<Loaded>> {
    let intake = Intake::read(store, source)?;
    let items: Vec<Item> = intake.document(MANIFEST)?.unwrap_or_default();
    let mut found = match intake.document::<ImageIndex>(INDEX)? {
        Some(index) => from_index(store, &intake, &index)?,
        None if items.is_empty() => {
            return Err(Error::Archive("has neither index.json nor manifest.json".into()));
        }
        None => Vec::new(),
    };
    for item in &items {
        let id = &intake.content(&item.config)?.digest;
        let names = item.repo_tags.iter().flatten().map(|name| name.parse());
        let names = names.collect::<Result<Vec<Reference>>>()?;
        match found.iter_mut().find(|(image, _)| image.id() == id) {
            Some((_, known)) => known.extend(names),
            None => found.push((from_item(store, &intake, item)?, names)),
        }
    }
    found.into_iter().map(|(image, names)| keep(store, image, names)).collect()
}

type Found = (Image, Vec<Reference>);

fn from_index(store: &Store, intake: &Intake, index: &ImageIndex) -> Result<Vec<Found>> {
    let mut found: Vec<Found> = Vec::new();
    for descriptor in index.manifests() {
        // An attestation or another platform's image that was left out.
        if !intake.has(descriptor.digest()) && !store.has_blob(descriptor.digest())? {
            return Err(Error::Archive(format!("blob {} is missing", descriptor.digest())));
        }
        let image = store.read_image(descriptor)?;
        let names = reference(descriptor).into_iter();
        match found
            .iter_mut()
            .find(|(known, _)| known.descriptor.digest() == image.descriptor.digest())
        {
            Some((_, known)) => known.extend(names),
            None => found.push((image, names.collect())),
        }
    }
    Ok(found)
}

/// The name that an index gives an image.
fn reference(descriptor: &Descriptor) -> Option<Reference> {
    let annotations = descriptor.annotations().as_ref()?;
    let name = annotations.get(CONTAINERD_NAME).or_else(|| annotations.get(ANNOTATION_REF_NAME))?;
    name.parse().ok()
}

fn from_item(store: &Store, intake: &Intake, item: &Item) -> Result<Image> {
    let config = intake.content(&item.config)?;
    let layers =
        item.layers.iter().map(|path| store.layer_descriptor(intake.content(path)?, &item.config));
    let manifest: ImageManifest = manifest(config, layers.collect::<Result<_>>()?)?;
    let document = serde_json::to_vec(&manifest).map_err(|e| Error::Archive(e.to_string()))?;
    let content = store.put_blob(&document)?;
    store.read_image(&Descriptor::new(MediaType::ImageManifest, content.size, content.digest))
}

/// Checks sizes, unpacks, and only then gives the names.
fn keep(store: &Store, image: Image, mut references: Vec<Reference>) -> Result<Loaded> {
    debug_assert!(!is_index(image.descriptor.media_type()));
    let skipped = store.unpack_image(&image)?;
    // Both of its documents may name it.
    let mut seen = HashSet::new();
    references.retain(|reference| seen.insert(reference.clone()));
    for reference in &references {
        store.tag(&image.descriptor, reference)?;
    }
    if references.is_empty() {
        store.add_nameless(&image.descriptor)?;
    }
    Ok(Loaded { references, id: image.id().clone(), skipped })
}
