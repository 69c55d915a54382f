//! `teu resume`.

use crate::cli::resume::Resume;
use crate::failure::Failure;
use crate::verb::Context;

/// Lets the processes of a paused container go on.
pub fn run(args: &Resume, context: &Context<'_>) -> Result<(), Failure> {
    Ok(context.runtime()?.container(&args.id)?.resume()?)
}
