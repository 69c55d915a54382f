//! `teu-image history`.

use clap::Args;

use super::Context;
use crate::failure::Failure;
use crate::output;
use crate::size::human;

/// show how an image was made
#[derive(Debug, Args)]
pub struct History {
    /// Do not shorten
    #[arg(long)]
    no_trunc: bool,

    /// Image, by name or id
    #[arg(value_name = "image")]
    image: String,
}

const WIDTH: usize = 60;

/// The last step first.
pub fn run(args: &History, context: &Context) -> Result<(), Failure> {
    let image = context.open()?.image(&args.image)?;
    let mut layers = image.manifest.layers().iter();
    let mut rows = Vec::new();
    for step in image.config.history().iter().flatten() {
        let empty = step.empty_layer().unwrap_or(false);
        let size = if empty { Some(0) } else { layers.next().map(|layer| layer.size()) };
        let created = step.created().clone().unwrap_or_else(|| "-".into());
        let by = step.created_by().clone().unwrap_or_default();
        let by = if args.no_trunc { by } else { shortened(&by) };
        let comment = step.comment().clone().unwrap_or_default();
        rows.push([created, by, size.map_or_else(|| "-".into(), human), comment]);
    }
    rows.reverse();
    output::table(["CREATED", "CREATED BY", "SIZE", "COMMENT"], &rows)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
