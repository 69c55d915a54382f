//! `teu-image save`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use libteu_image::Format;

use super::Context;
use crate::failure::Failure;
use crate::output;

/// write images to an archive
#[derive(Debug, Args)]
pub struct Save {
    /// The archive [default: standard output]
    #[arg(short, long, value_name = "file")]
    output: Option<PathBuf>,

    /// docker: for everyone; oci: an image layout alone
    #[arg(long, value_name = "format", default_value = "docker", value_parser = ["docker", "oci"])]
    format: String,

    /// Images, by name or id
    #[arg(required = true, value_name = "image")]
    images: Vec<String>,
}

/// A file that could not be written whole is left for nobody to take for an archive.
pub fn run(args: &Save, context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    let images = args.images.iter().map(|name| store.image(name)).collect::<Result<Vec<_>, _>>()?;
    let format = if args.format == "oci" { Format::Oci } else { Format::Docker };
    let Some(path) = &args.output else {
        let sink = sink()?;
        return Ok(libteu_image::save(&store, &images, format, sink)?);
    };
    let file = File::create(path).map_err(Failure::io(format!("create {}", path.display())))?;
    libteu_image::save(&store, &images, format, BufWriter::with_capacity(128 << 10, file))
        .inspect_err(|_| drop(std::fs::remove_file(path)))?;
    Ok(())
}

/// Standard output for an archive.
pub fn sink() -> Result<impl Write, Failure> {
    if output::is_terminal() {
        return Err(Failure::Argument("an archive is not written to a terminal: use -o".into()));
    }
    Ok(BufWriter::with_capacity(128 << 10, io::stdout().lock()))
}
