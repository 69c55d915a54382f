//! `teu create`, and what it shares with `run`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use libteu::ContainerId;

use crate::cli::{HELP_WITH_ID, non_empty};

/// create a container
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID, after_help = "\
The container's process is set up from the bundle's config.json and waits for \"teu start\".")]
pub struct Create {
    #[command(flatten)]
    pub setup: Setup,
}

/// How a container is set up.
#[derive(Debug, Args)]
pub struct Setup {
    /// Name of the container: letters, digits and _+.-, unique on this host
    #[arg(value_name = "container-id")]
    pub id: ContainerId,

    /// Directory with config.json and the root filesystem [default: the working directory]
    #[arg(
        short, long, value_name = "dir", default_value = "", hide_default_value = true,
        value_hint = ValueHint::DirPath
    )]
    bundle: OsString,

    /// Unix socket that receives the terminal's master end
    #[arg(
        long, value_name = "path", default_value = "", hide_default_value = true,
        value_hint = ValueHint::FilePath
    )]
    pub console_socket: OsString,

    /// Unix socket that receives a pidfd of the container's process
    #[arg(
        long, value_name = "path", default_value = "", hide_default_value = true,
        value_hint = ValueHint::FilePath
    )]
    pub pidfd_socket: OsString,

    /// File to write the pid of the container's process to
    #[arg(
        long, value_name = "file", default_value = "", hide_default_value = true,
        value_hint = ValueHint::FilePath
    )]
    pid_file: OsString,

    /// Move the root filesystem with MS_MOVE and chroot(2) instead of pivot_root(2), as one on a ramdisk
    /// needs
    #[arg(long)]
    pub no_pivot: bool,

    /// Leave the container in the caller's session keyring
    #[arg(long)]
    pub no_new_keyring: bool,

    /// Pass on this many file descriptors beyond stdio and $LISTEN_FDS
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub preserve_fds: u32,
}

impl Setup {
    /// The bundle directory.
    pub fn bundle(&self) -> PathBuf {
        non_empty(&self.bundle).unwrap_or_else(|| PathBuf::from("."))
    }

    /// Where the pid is to be written.
    pub fn pid_file(&self) -> Option<PathBuf> {
        non_empty(&self.pid_file)
    }
}
