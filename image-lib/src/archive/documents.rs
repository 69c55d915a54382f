//! `manifest.json` of a docker-archive, and the image manifest made of it.

use oci_spec::image::{Descriptor, ImageManifest, ImageManifestBuilder, MediaType, SCHEMA_VERSION};
use serde::{Deserialize, Serialize};

use crate::digest::Content;
use crate::error::{Error, Result};

pub const MANIFEST: &str = "manifest.json";
pub const INDEX: &str = "index.json";
pub const LAYOUT: &str = "oci-layout";
/// The name that containerd and docker give an image in the index of an archive, in full.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// One image of a docker-archive. Paths are those of entries.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Item {
    pub config: String,
    /// `name:tag`; null if it has none.
    pub repo_tags: Option<Vec<String>>,
    /// Lowest first.
    pub layers: Vec<String>,
}

/// The manifest of an image whose archive had none.
pub fn manifest(config: &Content, layers: Vec<Descriptor>) -> Result<ImageManifest> {
    ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(Descriptor::new(MediaType::ImageConfig, config.size, config.digest.clone()))
        .layers(layers)
        .build()
        .map_err(|e| Error::Archive(e.to_string()))
}
