//! Images: manifest and config, found by name or id.

use oci_spec::image::{
    Arch, Descriptor, Digest, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Os,
};

use crate::error::{Error, Result};
use crate::reference::Reference;
use crate::store::{Entry, Store};

const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// How many indexes may stand between a name and its manifest.
const MAX_DEPTH: usize = 4;

/// An image of the store, its documents read and verified.
#[derive(Debug, Clone)]
pub struct Image {
    /// The name it was found by, if it was a name.
    pub reference: Option<Reference>,
    /// The manifest's descriptor.
    pub descriptor: Descriptor,
    /// The manifest.
    pub manifest: ImageManifest,
    /// The config.
    pub config: ImageConfiguration,
    /// The config as it was written, with fields that the specification does not know.
    pub raw_config: Vec<u8>,
}

impl Image {
    /// The id: the config's digest.
    pub fn id(&self) -> &Digest {
        self.manifest.config().digest()
    }

    /// The layers' digests when unpacked, lowest first.
    ///
    /// # Errors
    /// If one is no digest, or there are not as many as the manifest has layers.
    pub fn diff_ids(&self) -> Result<Vec<Digest>> {
        let ids = self.config.rootfs().diff_ids();
        if ids.len() != self.manifest.layers().len() {
            let problem = format!(
                "the config has {} diff_ids, the manifest {} layers",
                ids.len(),
                self.manifest.layers().len()
            );
            return Err(Error::image(self.name(), problem));
        }
        let parsed = ids.iter().map(|id| {
            id.parse().map_err(|_| Error::image(self.name(), format!("{id:?} is no digest")))
        });
        parsed.collect()
    }

    /// For messages: the name, else the id.
    pub fn name(&self) -> String {
        match &self.reference {
            Some(reference) => reference.familiar(),
            None => self.id().to_string(),
        }
    }
}

/// Whether a manifest's config is that of a container image (and not of an artifact).
pub(crate) fn is_config(media_type: &MediaType) -> bool {
    match media_type {
        MediaType::ImageConfig => true,
        MediaType::Other(name) => name == DOCKER_CONFIG,
        _ => false,
    }
}

/// Whether it lists manifests.
pub(crate) fn is_index(media_type: &MediaType) -> bool {
    match media_type {
        MediaType::ImageIndex => true,
        MediaType::Other(name) => name == DOCKER_LIST,
        _ => false,
    }
}

fn is_manifest(media_type: &MediaType) -> bool {
    match media_type {
        MediaType::ImageManifest => true,
        MediaType::Other(name) => name == DOCKER_MANIFEST,
        _ => false,
    }
}

impl Store {
    /// Finds an image by its name, its id, the beginning of its id, or its manifest's digest.
    ///
    /// # Errors
    /// [`Error::NoSuchImage`], [`Error::Ambiguous`], or what is wrong with its documents.
    pub fn image(&self, name: &str) -> Result<Image> {
        let entries = self.entries()?;
        if let Ok(reference) = name.parse::<Reference>()
            && let Some(entry) = entries.iter().find(|entry| is_named(entry, &reference))
        {
            let image = self.read_image(&entry.descriptor)?;
            return Ok(Image { reference: Some(reference), ..image });
        }
        self.image_by_id(name, &entries)
    }

    /// Reads what a descriptor of the index leads to. Of several platforms it is this host's.
    ///
    /// # Errors
    /// If a document is missing, damaged, or none of a container image.
    pub fn read_image(&self, descriptor: &Descriptor) -> Result<Image> {
        let descriptor = self.manifest_of(descriptor)?;
        let by = descriptor.digest().to_string();
        let manifest: ImageManifest = self.parse(descriptor.digest(), "index.json")?;
        if !is_config(manifest.config().media_type()) {
            let problem = format!("its config is {}: no image", manifest.config().media_type());
            return Err(Error::image(by, problem));
        }
        let raw_config = self.read_document(manifest.config().digest(), &by)?;
        let config = serde_json::from_slice(&raw_config)
            .map_err(|e| Error::image(manifest.config().digest(), e.to_string()))?;
        Ok(Image { reference: None, descriptor, manifest, config, raw_config })
    }

    fn image_by_id(&self, name: &str, entries: &[Entry]) -> Result<Image> {
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        let missing = || Error::NoSuchImage(name.to_owned());
        if hex.is_empty() || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(missing());
        }
        let mut found: Option<Image> = None;
        for entry in entries {
            let Ok(image) = self.read_image(&entry.descriptor) else { continue };
            let by_digest = image.descriptor.digest().digest() == hex;
            if !by_digest && !image.id().digest().starts_with(hex) {
                continue;
            }
            if found.as_ref().is_some_and(|other| other.id() != image.id()) {
                return Err(Error::Ambiguous(name.to_owned()));
            }
            found.get_or_insert(image);
        }
        found.ok_or_else(missing)
    }

    fn manifest_of(&self, descriptor: &Descriptor) -> Result<Descriptor> {
        let mut descriptor = descriptor.clone();
        for _ in 0..MAX_DEPTH {
            let media_type = descriptor.media_type();
            if is_manifest(media_type) {
                return Ok(descriptor);
            }
            if !is_index(media_type) {
                let problem = format!("{media_type} is neither manifest nor index");
                return Err(Error::image(descriptor.digest(), problem));
            }
            let index: ImageIndex = self.parse(descriptor.digest(), "index.json")?;
            descriptor = select(&index, &host_platform())
                .ok_or_else(|| no_platform(descriptor.digest()))?
                .clone();
        }
        Err(Error::image(descriptor.digest(), "indexes are nested too deeply"))
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, digest: &Digest, by: &str) -> Result<T> {
        let data = self.read_document(digest, by)?;
        serde_json::from_slice(&data).map_err(|e| Error::image(digest, e.to_string()))
    }
}

fn no_platform(digest: &Digest) -> Error {
    let (os, architecture) = host_platform();
    Error::image(digest, format!("has no manifest for {os}/{architecture}"))
}

fn is_named(entry: &Entry, reference: &Reference) -> bool {
    entry.reference.as_ref() == Some(reference)
        || (reference.tag().is_none()
            && reference.digest().as_ref() == Some(entry.descriptor.digest())
            && entry
                .reference
                .as_ref()
                .is_some_and(|name| name.familiar_repository() == reference.familiar_repository()))
}

/// The manifest for a platform, or the only one there is if it does not say for which it is.
pub(crate) fn select<'a>(index: &'a ImageIndex, platform: &(Os, Arch)) -> Option<&'a Descriptor> {
    let fits = |descriptor: &&Descriptor| {
        descriptor
            .platform()
            .as_ref()
            .is_some_and(|p| (p.os(), p.architecture()) == (&platform.0, &platform.1))
    };
    match index.manifests().as_slice() {
        [only] if only.platform().is_none() => Some(only),
        all => all.iter().find(fits),
    }
}

/// This host's, in Go's words.
pub(crate) fn host_platform() -> (Os, Arch) {
    (Os::Linux, Arch::default())
}
