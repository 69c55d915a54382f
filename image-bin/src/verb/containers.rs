//! `teu-image ps`.

use clap::Args;

use super::Context;
use crate::failure::Failure;
use crate::output;

/// list containers of the store
#[derive(Debug, Args)]
pub struct Ps {
    /// Only names
    #[arg(short, long)]
    quiet: bool,
}

/// Sorted by name. Whether they run is for `teu list` to say.
pub fn run(args: &Ps, context: &Context) -> Result<(), Failure> {
    let records = context.open()?.container_records()?;
    if args.quiet {
        return records.iter().try_for_each(|record| output::line(&record.name));
    }
    let rows: Vec<_> = records
        .into_iter()
        .map(|record| [record.name, record.image, record.rootfs.display().to_string()])
        .collect();
    output::table(["NAME", "IMAGE", "ROOTFS"], &rows)
}
