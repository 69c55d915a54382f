//! `teu start`.

use crate::cli::start::Start;
use crate::failure::Failure;
use crate::notify;
use crate::verb::Context;

/// Lets the waiting process run the user's program. Under a service manager, stays until that has said
/// that it is ready.
pub fn run(args: &Start, context: &Context<'_>) -> Result<(), Failure> {
    let container = context.runtime()?.container(&args.id)?;
    if notify::manager().is_none() {
        return Ok(container.start()?);
    }
    notify::forward(container.start_and_listen()?, context.log);
    Ok(())
}
