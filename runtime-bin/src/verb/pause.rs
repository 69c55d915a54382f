//! `teu pause`.

use crate::cli::pause::Pause;
use crate::failure::Failure;
use crate::verb::Context;

/// Stops all processes; returns when they are stopped.
pub fn run(args: &Pause, context: &Context<'_>) -> Result<(), Failure> {
    Ok(context.runtime()?.container(&args.id)?.pause()?)
}
