//! `teu run`.

use clap::Args;

use crate::cli::HELP_WITH_ID;
use crate::cli::create::Setup;

/// create and run a container
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID, after_help = "\
Unless detached, teu passes signals on to the container's process, exits with its status and\n\
deletes the container.")]
pub struct Run {
    #[command(flatten)]
    pub setup: Setup,

    /// Return as soon as the container's process runs
    #[arg(short, long)]
    pub detach: bool,

    /// Leave the container to be deleted later when its process has ended
    #[arg(long)]
    pub keep: bool,

    /// Do not become the subreaper of processes that the container's process leaves behind
    #[arg(long)]
    pub no_subreaper: bool,
}
