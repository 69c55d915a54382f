//! `teu features`.

use crate::failure::Failure;
use crate::features::Features;
use crate::output;

/// Prints what this version can do.
pub fn run() -> Result<(), Failure> {
    output::json_pretty(&Features::of_this_version(), "    ")
}
