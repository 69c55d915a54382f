//! `teu state`.

use crate::cli::state::State;
use crate::failure::Failure;
use crate::output;
use crate::verb::Context;

/// Prints the container's state.
pub fn run(args: &State, context: &Context<'_>) -> Result<(), Failure> {
    let state = context.runtime()?.container(&args.id)?.state()?;
    output::json_pretty(&state, "  ")
}
