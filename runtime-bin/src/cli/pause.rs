//! `teu pause`.

use clap::Args;
use libteu::ContainerId;

use crate::cli::HELP_WITH_ID;

/// stop all processes of a container until resume
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID)]
pub struct Pause {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub id: ContainerId,
}
