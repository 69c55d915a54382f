//! `teu restore`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use libteu::ContainerId;

use crate::cli::checkpoint::Criu;
use crate::cli::{HELP_WITH_ID, non_empty};

/// make a container from the images of a checkpoint, by CRIU
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID, after_help = "\
Unless detached, teu passes signals on to the container's process, exits with its status and\n\
deletes the container. Needs root, and criu in $PATH.")]
pub struct Restore {
    /// Name of the container, unique on this host
    #[arg(value_name = "container-id")]
    pub id: ContainerId,

    #[command(flatten)]
    pub criu: Criu,

    /// Directory with config.json and the root filesystem [default: the working directory]
    #[arg(short, long, value_name = "dir", default_value = "", hide_default_value = true)]
    bundle: OsString,

    /// Return as soon as the container's process runs
    #[arg(short, long)]
    pub detach: bool,

    /// Unix socket that receives the terminal's master end
    #[arg(long, value_name = "path", default_value = "", hide_default_value = true)]
    pub console_socket: OsString,

    /// File to write the pid of the container's process to
    #[arg(long, value_name = "file", default_value = "", hide_default_value = true)]
    pid_file: OsString,

    /// Do not adopt processes that the container's process leaves behind
    #[arg(long)]
    pub no_subreaper: bool,

    /// Of no effect: CRIU switches to the root filesystem in its own way
    #[arg(long)]
    pub no_pivot: bool,

    /// Close TCP connections that were open
    #[arg(long)]
    pub tcp_close: bool,

    /// Another security label than that of the checkpoint, as type:name
    #[arg(long, value_name = "label", default_value = "", hide_default_value = true)]
    lsm_profile: String,

    /// Another SELinux context for mounts that have one
    #[arg(long, value_name = "context", default_value = "", hide_default_value = true)]
    lsm_mount_context: String,
}

impl Restore {
    /// The bundle directory.
    pub fn bundle(&self) -> PathBuf {
        non_empty(&self.bundle).unwrap_or_else(|| PathBuf::from("."))
    }

    /// Where the pid is to be written.
    pub fn pid_file(&self) -> Option<PathBuf> {
        non_empty(&self.pid_file)
    }

    /// The label, if there is one.
    pub fn lsm_profile(&self) -> Option<String> {
        Some(self.lsm_profile.clone()).filter(|label| !label.is_empty())
    }

    /// The context, if there is one.
    pub fn lsm_mount_context(&self) -> Option<String> {
        Some(self.lsm_mount_context.clone()).filter(|context| !context.is_empty())
    }
}
