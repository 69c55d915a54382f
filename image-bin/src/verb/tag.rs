//! `teu-image tag`.

use clap::Args;
use libteu_image::Reference;

use super::Context;
use crate::failure::Failure;

/// give an image a further name
#[derive(Debug, Args)]
pub struct Tag {
    /// Image, by name or id
    #[arg(value_name = "image")]
    image: String,

    /// The name
    #[arg(value_name = "name[:tag]")]
    name: Reference,
}

/// The name may have been another image's.
pub fn run(args: &Tag, context: &Context) -> Result<(), Failure> {
    if args.name.digest().is_some() {
        return Err(Failure::Argument("a name with a digest cannot be given".into()));
    }
    let store = context.open()?;
    let image = store.image(&args.image)?;
    Ok(store.tag(&image.descriptor, &args.name)?)
}
