//! `teu-image rm`, also called unbundle and cleanup.

use clap::Args;

use super::{Context, container};
use crate::failure::Failure;
use crate::output;

/// remove containers with all that was written in them
#[derive(Debug, Args)]
#[command(visible_aliases = ["unbundle", "cleanup"])]
pub struct Rm {
    /// Containers, by name or by the directory of their bundle
    #[arg(required = true, value_name = "container|bundle")]
    containers: Vec<String>,
}

/// Also removes the bundle's directory, if there is nothing in it but what we put there.
pub fn run(args: &Rm, context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    for name in &args.containers {
        let container = container(&store, name)?;
        let record = container.record().clone();
        container.remove()?;
        if let Some(bundle) = record.rootfs.parent() {
            let _ = std::fs::remove_file(bundle.join(libteu_image::bundle::CONFIG));
            super::bundle::clear(bundle);
        }
        output::line(&record.name)?;
    }
    Ok(())
}
