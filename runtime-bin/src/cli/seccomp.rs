//! `teu seccomp`: teu's own verb.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use crate::cli::{HELP_OF_ALL, HELP_WITH_ID, non_empty};

/// explain seccomp profiles
#[derive(Debug, Args)]
#[command(help_template = HELP_OF_ALL, disable_help_subcommand = true)]
pub struct Seccomp {
    /// What to do
    #[command(subcommand)]
    pub action: Action,
}

/// What can be done with a profile.
#[derive(Debug, Subcommand)]
pub enum Action {
    Explain(Explain),
}

/// say what a bundle's profile does to a system call, and which entry says so
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID, after_help = "Without a call: what the profile does as a whole.")]
pub struct Explain {
    /// Name of a system call, or a number of this machine's architecture
    #[arg(value_name = "call")]
    pub call: Option<String>,

    /// Directory with config.json [default: the working directory]
    #[arg(
        short, long, value_name = "dir", default_value = "", hide_default_value = true,
        value_hint = ValueHint::DirPath
    )]
    bundle: OsString,

    /// Print the filter's program instead, one instruction a line
    #[arg(long)]
    pub emit: bool,
}

impl Explain {
    /// The bundle directory.
    pub fn bundle(&self) -> PathBuf {
        non_empty(&self.bundle).unwrap_or_else(|| PathBuf::from("."))
    }
}
