//! `teu-image export`.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use clap::Args;

use super::{Context, container};
use crate::failure::Failure;

/// write a container's files to an archive
#[derive(Debug, Args)]
pub struct Export {
    /// The archive [default: standard output]
    #[arg(short, long, value_name = "file")]
    output: Option<PathBuf>,

    /// Container, by name or by the directory of its bundle
    #[arg(value_name = "container|bundle")]
    container: String,
}

/// All files, without layers and history.
pub fn run(args: &Export, context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    let container = container(&store, &args.container)?;
    let Some(path) = &args.output else { return Ok(container.export(super::save::sink()?)?) };
    let file = File::create(path).map_err(Failure::io(format!("create {}", path.display())))?;
    container
        .export(BufWriter::with_capacity(128 << 10, file))
        .inspect_err(|_| drop(std::fs::remove_file(path)))?;
    Ok(())
}
