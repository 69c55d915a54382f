//! `teu start`.

use clap::Args;
use libteu::ContainerId;

use crate::cli::HELP_WITH_ID;

/// run the user's program in a created container
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID)]
pub struct Start {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub id: ContainerId,
}
