//! From files to images: a container's changes as a further layer, an archive as the only one.

use std::io::Read;

use flate2::Compression;
use flate2::write::GzEncoder;
use oci_spec::image::{Descriptor, Digest, ImageManifest, ImageManifestBuilder, MediaType};
use serde_json::{Value, json};

use super::Container;
use crate::changes;
use crate::digest::HashingWriter;
use crate::error::{Error, Result};
use crate::layer::Packer;
use crate::store::Store;
use crate::time;

/// What a new image says of itself.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Who made it.
    pub author: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// Changes of the config, in a Dockerfile's words: `CMD`, `ENTRYPOINT`, `ENV`, `EXPOSE`, `LABEL`,
    /// `ONBUILD`, `STOPSIGNAL`, `USER`, `VOLUME`, `WORKDIR`.
    pub changes: Vec<String>,
    /// What is told as the command that made the layer.
    pub created_by: Option<String>,
    /// No time in it is later, and it is created then: seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub epoch: Option<i64>,
}

/// An image that was made.
#[derive(Debug, Clone)]
pub struct Committed {
    /// To be given a name by [`Store::tag`], or kept by [`Store::add_nameless`].
    pub descriptor: Descriptor,
    /// Its id.
    pub id: Digest,
}

/// A layer that was made.
pub(crate) struct Layer {
    pub descriptor: Descriptor,
    pub diff_id: Digest,
}

impl Container<'_> {
    /// Makes an image of the container: its changes on top of the image it was made from.
    ///
    /// # Errors
    /// If a file cannot be read, or a change is not understood.
    pub fn commit(&self, commit: &Commit) -> Result<Committed> {
        let image = self.store.read_image(&self.record.manifest)?;
        let mut config: Value = serde_json::from_slice(&image.raw_config)
            .map_err(|e| Error::image(image.id(), e.to_string()))?;
        changes::apply(&mut config, &commit.changes)?;
        let layer = self.store.pack_layer(commit.epoch, |packer| self.pack(packer))?;
        add_layer(&mut config, &layer.diff_id, commit);
        let mut layers = image.manifest.layers().clone();
        layers.push(layer.descriptor);
        self.store.put_image(&config, layers)
    }
}

/// Makes an image with one layer of an archive of files, compressed or not.
///
/// # Errors
/// If the archive cannot be unpacked, or a change is not understood.
pub fn import(store: &Store, source: impl Read, commit: &Commit) -> Result<Committed> {
    let mut config = json!({
        "architecture": oci_spec::image::Arch::default(),
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    changes::apply(&mut config, &commit.changes)?;
    let fresh = store.add_layer(source, None)?;
    let (blob, diff_id) = (fresh.blob.clone(), fresh.diff.digest.clone());
    store.commit_layers(vec![fresh])?;
    let descriptor = store.layer_descriptor(&blob, "import")?;
    add_layer(&mut config, &diff_id, commit);
    store.put_image(&config, vec![descriptor])
}

impl Store {
    /// Writes a layer: gzip, as every reader of images knows it.
    pub(crate) fn pack_layer<'a>(
        &'a self,
        epoch: Option<i64>,
        pack: impl FnOnce(Packer<LayerSink<'a>>) -> Result<Packer<LayerSink<'a>>>,
    ) -> Result<Layer> {
        let encoder = GzEncoder::new(self.new_blob()?, Compression::default());
        let packer = pack(Packer::new(HashingWriter::new(encoder), epoch))?;
        let failed = |e: std::io::Error| Error::io("write", "layer", &e);
        let (encoder, hasher) = packer.finish().map_err(failed)?.into_parts();
        let blob = encoder.finish().map_err(failed)?.finish(None)?;
        Ok(Layer {
            descriptor: Descriptor::new(MediaType::ImageLayerGzip, blob.size, blob.digest),
            diff_id: hasher.finish()?.digest,
        })
    }

    /// Writes config and manifest.
    pub(crate) fn put_image(&self, config: &Value, layers: Vec<Descriptor>) -> Result<Committed> {
        let failed = |e: &dyn std::fmt::Display| Error::Argument(format!("image: {e}"));
        let config = serde_json::to_vec(config).map_err(|e| failed(&e))?;
        let config = self.put_blob(&config)?;
        let manifest: ImageManifest = ImageManifestBuilder::default()
            .schema_version(oci_spec::image::SCHEMA_VERSION)
            .media_type(MediaType::ImageManifest)
            .config(Descriptor::new(MediaType::ImageConfig, config.size, config.digest.clone()))
            .layers(layers)
            .build()
            .map_err(|e| failed(&e))?;
        let manifest = serde_json::to_vec(&manifest).map_err(|e| failed(&e))?;
        let manifest = self.put_blob(&manifest)?;
        let descriptor = Descriptor::new(MediaType::ImageManifest, manifest.size, manifest.digest);
        Ok(Committed { descriptor, id: config.digest })
    }
}

/// Where a layer's tar stream goes.
pub(crate) type LayerSink<'a> = HashingWriter<GzEncoder<crate::store::BlobWriter<'a>>>;

/// Tells of a further layer in `rootfs` and `history`, and when and by whom.
fn add_layer(config: &mut Value, diff_id: &Digest, commit: &Commit) {
    let created = time::rfc3339(commit.epoch);
    let mut history = json!({ "created": created });
    for (key, value) in [
        ("author", &commit.author),
        ("comment", &commit.message),
        ("created_by", &commit.created_by),
    ] {
        if let Some(value) = value {
            history[key] = json!(value);
        }
    }
    config["created"] = json!(created);
    if let Some(author) = &commit.author {
        config["author"] = json!(author);
    }
    push(&mut config["rootfs"]["diff_ids"], json!(diff_id));
    push(&mut config["history"], history);
}

fn push(list: &mut Value, value: Value) {
    match list {
        Value::Array(list) => list.push(value),
        other => *other = Value::Array(vec![value]),
    }
}
