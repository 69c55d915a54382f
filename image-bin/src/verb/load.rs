//! `teu-image load`.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;

use super::Context;
use crate::failure::Failure;
use crate::output;

/// take images from an archive: docker's or OCI's, compressed or not
#[derive(Debug, Args)]
pub struct Load {
    /// The archive [default: standard input]
    #[arg(short, long, value_name = "file")]
    input: Option<PathBuf>,

    /// As docker's: no progress, of which none is shown anyway
    #[arg(short, long)]
    quiet: bool,
}

/// Says what came, as docker does.
pub fn run(args: &Load, context: &Context) -> Result<(), Failure> {
    let source: Box<dyn Read> = match &args.input {
        Some(path) => {
            Box::new(File::open(path).map_err(Failure::io(format!("open {}", path.display())))?)
        }
        None => Box::new(io::stdin()),
    };
    let store = context.open()?;
    for image in libteu_image::load(&store, source)? {
        output::skipped(&image.skipped);
        for name in &image.references {
            output::line(format_args!("Loaded image: {}", name.familiar()))?;
        }
        if image.references.is_empty() {
            output::line(format_args!("Loaded image ID: {}", image.id))?;
        }
    }
    Ok(())
}
