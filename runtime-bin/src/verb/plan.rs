//! `teu plan`.

use crate::cli::plan::Plan;
use crate::failure::Failure;
use crate::output;
use crate::verb::Context;

/// Prints what `create` would do.
pub fn run(args: &Plan, context: &Context<'_>) -> Result<(), Failure> {
    output::text(&context.runtime()?.plan(&args.id, &args.bundle())?)
}
