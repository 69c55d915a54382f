//! `teu plan`: teu's own verb.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use libteu::ContainerId;

use crate::cli::{HELP_WITH_ID, non_empty};

/// print the steps that create would take
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID, after_help = "Nothing is changed on this host. Values of the environment are left out.")]
pub struct Plan {
    /// Name the container would have [default: plan]
    #[arg(value_name = "container-id", default_value = "plan", hide_default_value = true)]
    pub id: ContainerId,

    /// Directory with config.json and the root filesystem [default: the working directory]
    #[arg(
        short, long, value_name = "dir", default_value = "", hide_default_value = true,
        value_hint = ValueHint::DirPath
    )]
    bundle: OsString,
}

impl Plan {
    /// The bundle directory.
    pub fn bundle(&self) -> PathBuf {
        non_empty(&self.bundle).unwrap_or_else(|| PathBuf::from("."))
    }
}
