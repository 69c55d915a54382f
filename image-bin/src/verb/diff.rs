//! `teu-image diff`.

use clap::Args;
use libteu_image::ChangeKind;

use super::{Context, container};
use crate::failure::Failure;
use crate::output;

/// show what a container changed: A added, C changed, D deleted
#[derive(Debug, Args)]
pub struct Diff {
    /// Container, by name or by the directory of its bundle
    #[arg(value_name = "container|bundle")]
    container: String,
}

/// As docker prints it.
pub fn run(args: &Diff, context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    for change in container(&store, &args.container)?.diff()? {
        let letter = match change.kind {
            ChangeKind::Added => 'A',
            ChangeKind::Changed => 'C',
            ChangeKind::Deleted => 'D',
        };
        output::line(format_args!("{letter} /{}", change.path.display()))?;
    }
    Ok(())
}
