//! `teu features`.

use clap::Args;

use crate::cli::HELP;

/// print what this version can do as JSON
#[derive(Debug, Args)]
#[command(help_template = HELP, after_help = "The format is that of features.md in the runtime specification.")]
pub struct Features {}
