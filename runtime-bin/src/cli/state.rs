//! `teu state`.

use clap::Args;
use libteu::ContainerId;

use crate::cli::HELP_WITH_ID;

/// print the state of a container as JSON
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID)]
pub struct State {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub id: ContainerId,
}
