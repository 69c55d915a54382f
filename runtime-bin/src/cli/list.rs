//! `teu list`.

use clap::Args;

use crate::cli::HELP;
use crate::cli::format::Format;

/// list the containers under the state root
#[derive(Debug, Args)]
#[command(help_template = HELP)]
pub struct List {
    /// Format of the list: table or json
    #[arg(short, long, value_name = "format", default_value = "table", value_parser = Format::parse)]
    pub format: Format,

    /// Print ids only
    #[arg(short, long)]
    pub quiet: bool,
}
