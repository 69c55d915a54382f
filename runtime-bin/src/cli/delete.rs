//! `teu delete`.

use clap::Args;
use libteu::ContainerId;

use crate::cli::HELP_WITH_ID;

/// remove a container and everything kept for it
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID)]
pub struct Delete {
    /// Name of the container, which must be stopped or not started yet
    #[arg(value_name = "container-id")]
    pub id: ContainerId,

    /// Kill a running container first; an unknown one is no error
    #[arg(short, long)]
    pub force: bool,
}
