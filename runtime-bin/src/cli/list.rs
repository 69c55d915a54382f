//! `teu list`.

use clap::Args;

use crate::cli::HELP;

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

/// How the list looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Columns for people.
    Table,
    /// One array of state objects.
    Json,
}

impl Format {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            _ => Err("must be table or json".to_owned()),
        }
    }
}
