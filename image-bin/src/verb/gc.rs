//! `teu-image gc`.

use clap::Args;
use libteu_image::Wait;

use super::Context;
use crate::failure::Failure;
use crate::output;
use crate::size::human;

/// free the space of what no image and no container needs
#[derive(Debug, Args)]
#[command(visible_alias = "prune")]
pub struct Gc {
    /// Keep images without a name
    #[arg(long)]
    keep_nameless: bool,
}

/// Waits until nobody uses the store.
pub fn run(args: &Gc, context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    if !args.keep_nameless {
        for entry in store.prune()? {
            output::line(format_args!("Deleted: {}", entry.descriptor.digest()))?;
        }
    }
    let freed = store.gc(Wait::Yes)?.unwrap_or_default();
    output::line(format_args!(
        "{} blobs of {}, {} unpacked layers",
        freed.blobs,
        human(freed.bytes),
        freed.layers
    ))
}
