//! `teu create`.

use crate::cli::create::Create;
use crate::failure::Failure;
use crate::output;
use crate::verb::{Context, setup};

/// Creates the container and leaves its process waiting.
pub fn run(args: &Create, context: &Context<'_>) -> Result<u8, Failure> {
    let mut options = setup::options(&args.setup)?;
    setup::describe_filter(&args.setup, context);
    let runtime = context.runtime_to_create_in()?;
    options.timings = context.global.timings;
    let (_, mut process) = runtime.create(&args.setup.id, &args.setup.bundle(), options)?;
    output::timings(&mut process);
    Ok(0)
}
