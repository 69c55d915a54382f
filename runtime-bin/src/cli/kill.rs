//! `teu kill`.

use clap::Args;
use libteu::ContainerId;

use crate::cli::HELP_WITH_ID;
use crate::cli::signal::SignalNumber;

/// send a signal to a container's first process
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID)]
pub struct Kill {
    /// Name of the container
    #[arg(value_name = "container-id")]
    pub id: ContainerId,

    /// Signal by number or name, with or without SIG, in any case
    #[arg(value_name = "signal", default_value = "TERM")]
    pub signal: SignalNumber,

    /// Signal every process of the container; a stopped one is no error
    #[arg(short, long, hide = true)]
    pub all: bool,
}
