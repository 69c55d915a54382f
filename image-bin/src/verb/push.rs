//! `teu-image push`.

use clap::Args;
use libteu_image::{Reference, registry};

use super::Context;
use crate::failure::Failure;
use crate::{output, progress};

/// send an image to the registry of its name
#[derive(Debug, Args)]
pub struct Push {
    #[command(flatten)]
    flags: super::registry::Flags,

    /// Only the digest
    #[arg(short, long)]
    quiet: bool,

    /// The image
    #[arg(value_name = "name[:tag]")]
    name: Reference,
}

/// Prints the digest.
pub fn run(args: Push, context: &Context) -> Result<(), Failure> {
    let display = progress::Display::new(args.quiet);
    let store = context.open()?;
    let image = store.image(&args.name.to_string())?;
    let (access, tell) = (args.flags.access()?, |progress| display.tell(progress));
    let digest = registry::push(&store, &image, &args.name, &access, &tell)?;
    output::line(digest)
}
