//! `teu-image import`.

use std::fs::File;
use std::io::{self, Read};

use clap::Args;
use libteu_image::Reference;

use super::Context;
use crate::failure::Failure;
use crate::output;

/// make an image of an archive of files
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    about: super::commit::About,

    /// The archive, compressed or not; - for standard input
    #[arg(value_name = "file|-")]
    archive: String,

    /// Name of the image
    #[arg(value_name = "name[:tag]")]
    name: Option<Reference>,
}

/// Prints the id.
pub fn run(args: Import, context: &Context) -> Result<(), Failure> {
    let source: Box<dyn Read> = match args.archive.as_str() {
        "-" => Box::new(io::stdin()),
        path => Box::new(File::open(path).map_err(Failure::io(format!("open {path}")))?),
    };
    let store = context.open()?;
    let made = libteu_image::import(&store, source, &args.about.commit()?)?;
    match &args.name {
        Some(name) => store.tag(&made.descriptor, name)?,
        None => store.add_nameless(&made.descriptor)?,
    }
    output::line(made.id)
}
