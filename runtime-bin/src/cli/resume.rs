//! `teu resume`.

use clap::Args;
use libteu::ContainerId;

use crate::cli::HELP_WITH_ID;

/// let the processes of a paused container go on
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID)]
pub struct Resume {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub id: ContainerId,
}
