//! `teu spec`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::{HELP, non_empty};

/// write a config.json to start from
#[derive(Debug, Args)]
#[command(help_template = HELP, after_help = "\
The file describes a container that runs \"sh\" on the root filesystem in ./rootfs. One that is\n\
there already is left alone.")]
pub struct Spec {
    /// Directory to write to [default: the working directory]
    #[arg(
        short, long, value_name = "dir", default_value = "", hide_default_value = true,
        value_hint = ValueHint::DirPath
    )]
    bundle: OsString,

    /// Write a config for users without privileges
    #[arg(long)]
    pub rootless: bool,
}

impl Spec {
    /// The bundle directory.
    pub fn bundle(&self) -> PathBuf {
        non_empty(&self.bundle).unwrap_or_default()
    }
}
