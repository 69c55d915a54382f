//! `teu-image inspect`.

use clap::Args;
use serde_json::{Value, json};

use super::Context;
use crate::failure::Failure;
use crate::output;

/// tell all about images, as JSON
#[derive(Debug, Args)]
pub struct Inspect {
    /// Images, by name or id
    #[arg(required = true, value_name = "image")]
    images: Vec<String>,
}

/// One list, an object for each image: its names, manifest and config.
pub fn run(args: &Inspect, context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    let entries = store.entries()?;
    let mut objects = Vec::new();
    for name in &args.images {
        let image = store.image(name)?;
        let digest = image.descriptor.digest();
        let names: Vec<_> = entries
            .iter()
            .filter(|entry| entry.descriptor.digest() == digest)
            .filter_map(|entry| entry.reference.as_ref().map(ToString::to_string))
            .collect();
        let config: Value = serde_json::from_slice(&image.raw_config)
            .map_err(|e| Failure::Argument(format!("{}: {e}", image.id())))?;
        objects.push(json!({
            "Id": image.id(),
            "Names": names,
            "Digest": digest,
            "Manifest": image.manifest,
            "Config": config,
        }));
    }
    output::json(&Value::Array(objects))
}
