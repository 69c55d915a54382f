//! An image while it is built: in memory until the last step is done.

use oci_spec::image::{Descriptor, Digest, ImageManifestBuilder, MediaType};
use serde_json::{Map, Value, json};

use super::cache::MadeLayer;
use crate::changes;
use crate::digest;
use crate::error::{Error, Result};
use crate::image::Image;

/// Fields of docker's that tell how a base image was made.
const OF_THE_BASE: [&str; 4] = ["container", "container_config", "docker_version", "parent"];

/// Config and layers.
#[derive(Debug, Clone)]
pub struct State {
    pub config: Value,
    pub layers: Vec<Descriptor>,
    /// The image it is, as long as nothing has been done.
    pub base: Option<Base>,
    /// `SHELL` of the Dockerfile and of the base.
    pub shell: Option<Vec<String>>,
    /// `CMD` was given in this stage: `ENTRYPOINT` leaves it.
    pub has_command: bool,
}

/// An image of the store.
#[derive(Debug, Clone)]
pub struct Base {
    pub descriptor: Descriptor,
    pub id: Digest,
}

impl State {
    /// An image without anything.
    pub fn scratch(os: &str, architecture: &str) -> Self {
        let config = json!({
            "architecture": architecture,
            "os": os,
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [] },
        });
        Self { config, layers: Vec::new(), base: None, shell: None, has_command: false }
    }

    /// To go on from an image.
    ///
    /// # Errors
    /// If its config is damaged.
    pub fn of(image: &Image) -> Result<Self> {
        let mut config: Value = serde_json::from_slice(&image.raw_config)
            .map_err(|e| Error::image(image.id(), e.to_string()))?;
        if let Value::Object(config) = &mut config {
            OF_THE_BASE.iter().for_each(|field| drop(config.remove(*field)));
        }
        let shell = serde_json::from_value(config["config"]["Shell"].clone()).ok();
        Ok(Self {
            config,
            layers: image.manifest.layers().clone(),
            base: Some(Base { descriptor: image.descriptor.clone(), id: image.id().clone() }),
            shell,
            has_command: false,
        })
    }

    /// The part of the config that is about containers.
    pub fn section(&mut self) -> &mut Map<String, Value> {
        changes::section(&mut self.config)
    }

    /// A text of that part; empty if there is none.
    pub fn text(&self, key: &str) -> String {
        self.config["config"][key].as_str().unwrap_or_default().to_owned()
    }

    /// The value of a variable of the image's.
    pub fn env(&self, name: &str) -> Option<String> {
        let list = self.config["config"]["Env"].as_array()?;
        let pairs = list.iter().filter_map(|line| line.as_str()?.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next_back()
    }

    /// What is before a command for the shell.
    pub fn shell(&self) -> Vec<String> {
        self.shell.clone().unwrap_or_else(|| ["/bin/sh", "-c"].map(str::to_owned).to_vec())
    }

    /// All that a step's result depends on.
    pub fn identity(&self) -> Value {
        let of = |key: &str| self.config[key].clone();
        json!([
            of("config"),
            of("rootfs"),
            of("os"),
            of("architecture"),
            of("author"),
            self.has_command
        ])
    }

    /// Tells of a step in the history, with the layer that it made.
    pub fn record(&mut self, created: &str, created_by: &str, layer: Option<&MadeLayer>) {
        let mut history = json!({ "created": created, "created_by": created_by });
        match layer {
            Some(layer) => {
                push(&mut self.config["rootfs"]["diff_ids"], json!(layer.diff_id));
                self.layers.push(layer.descriptor.clone());
            }
            None => history["empty_layer"] = json!(true),
        }
        self.config["created"] = json!(created);
        push(&mut self.config["history"], history);
        self.base = None;
    }

    /// The topmost layer's blob.
    pub fn top(&self) -> Option<Digest> {
        self.layers.last().map(|layer| layer.digest().clone())
    }

    /// The id that the image has now.
    ///
    /// # Errors
    /// None that happen.
    pub fn id(&self) -> Result<Digest> {
        match &self.base {
            Some(base) => Ok(base.id.clone()),
            None => digest::of_bytes(&self.bytes()?),
        }
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&self.config).map_err(|e| Error::Argument(format!("image: {e}")))
    }

    /// The image as it is now, of which nothing but the layers is in the store.
    ///
    /// # Errors
    /// If the config is none of an image.
    pub fn image(&self) -> Result<Image> {
        let failed = |e: &dyn std::fmt::Display| Error::Argument(format!("image: {e}"));
        let raw_config = self.bytes()?;
        let config = serde_json::from_slice(&raw_config).map_err(|e| failed(&e))?;
        let size = raw_config.len() as u64;
        let descriptor =
            Descriptor::new(MediaType::ImageConfig, size, digest::of_bytes(&raw_config)?);
        let manifest = ImageManifestBuilder::default()
            .schema_version(oci_spec::image::SCHEMA_VERSION)
            .media_type(MediaType::ImageManifest)
            .config(descriptor)
            .layers(self.layers.clone())
            .build()
            .map_err(|e| failed(&e))?;
        let bytes = serde_json::to_vec(&manifest).map_err(|e| failed(&e))?;
        let size = bytes.len() as u64;
        let descriptor = Descriptor::new(MediaType::ImageManifest, size, digest::of_bytes(&bytes)?);
        Ok(Image { reference: None, descriptor, manifest, config, raw_config })
    }
}

fn push(list: &mut Value, value: Value) {
    match list {
        Value::Array(list) => list.push(value),
        other => *other = Value::Array(vec![value]),
    }
}
