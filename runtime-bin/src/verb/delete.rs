//! `teu delete`.

use crate::cli::delete::Delete;
use crate::failure::Failure;
use crate::verb::Context;

/// Removes the container. What `--force` covers is the library's to decide, except that a
/// container nobody knows is as good as deleted.
pub fn run(args: &Delete, context: &Context<'_>) -> Result<(), Failure> {
    let runtime = context.runtime()?;
    match runtime.container(&args.id).and_then(|container| container.delete(args.force)) {
        Err(libteu::Error::NotFound) if args.force => Ok(()),
        result => Ok(result?),
    }
}
