//! `teu create`.

use crate::cli::create::Create;
use crate::failure::Failure;
use crate::verb::{Context, setup};

/// Creates the container and leaves its process waiting.
pub fn run(args: &Create, context: &Context<'_>) -> Result<u8, Failure> {
    let options = setup::options(&args.setup)?;
    let runtime = context.runtime_to_create_in()?;
    runtime.create(&args.setup.id, &args.setup.bundle(), options)?;
    Ok(0)
}
