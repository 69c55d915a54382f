//! `teu start`.

use crate::cli::start::Start;
use crate::failure::Failure;
use crate::verb::Context;

/// Lets the waiting process run the user's program.
pub fn run(args: &Start, context: &Context<'_>) -> Result<(), Failure> {
    Ok(context.runtime()?.container(&args.id)?.start()?)
}
