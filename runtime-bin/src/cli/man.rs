//! `teu man`, for those who package teu.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::HELP_WITH_ID;

/// write the manual pages, one for each verb
#[derive(Debug, Args)]
#[command(hide = true, help_template = HELP_WITH_ID)]
pub struct Man {
    /// Directory to write to, which has to exist
    #[arg(value_name = "dir", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
}
