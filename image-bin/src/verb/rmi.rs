//! `teu-image rmi`.

use clap::Args;
use libteu_image::{Reference, Store, Wait};

use super::Context;
use crate::failure::Failure;
use crate::output;

/// remove images
#[derive(Debug, Args)]
pub struct Rmi {
    /// Remove the image although it has several names, or containers were made from it
    #[arg(short, long)]
    force: bool,

    /// Images, by name or id
    #[arg(required = true, value_name = "image")]
    images: Vec<String>,
}

/// Frees their space, unless somebody uses the store: then a later `gc` does.
pub fn run(args: &Rmi, context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    args.images.iter().try_for_each(|name| remove(&store, name, args.force))?;
    store.gc(Wait::No)?;
    Ok(())
}

fn remove(store: &Store, name: &str, force: bool) -> Result<(), Failure> {
    let image = store.image(name)?;
    let entries = store.entries()?;
    let digest = image.descriptor.digest();
    let names: Vec<&Reference> = entries
        .iter()
        .filter(|entry| entry.descriptor.digest() == digest)
        .filter_map(|entry| entry.reference.as_ref())
        .collect();
    if let (Some(reference), true) = (&image.reference, names.len() > 1) {
        store.untag(reference)?;
        return output::line(format_args!("Untagged: {}", reference.familiar()));
    }
    if names.len() > 1 && !force {
        return Err(in_use(name, "several names (use --force)".into()));
    }
    let container =
        store.container_records()?.into_iter().find(|it| it.manifest.digest() == digest);
    if let (Some(container), false) = (container, force) {
        return Err(in_use(name, format!("container {} (use --force)", container.name)));
    }
    for reference in names {
        output::line(format_args!("Untagged: {}", reference.familiar()))?;
    }
    store.remove_manifest(digest)?;
    output::line(format_args!("Deleted: {}", image.id()))
}

fn in_use(what: &str, by: String) -> Failure {
    libteu_image::Error::InUse { what: format!("image {what}"), by }.into()
}
