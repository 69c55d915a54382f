//! `teu exec`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::user::UserSpec;
use crate::cli::{HELP_WITH_ID, non_empty};

/// run a further process in a container
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID, override_usage = "\
teu exec [OPTIONS] <container-id> <command> [argument]...
   teu exec [OPTIONS] --process <file> <container-id>")]
pub struct Exec {
    /// Name of the container, then the command; everything behind the name belongs to the command
    #[arg(
        value_names = ["container-id", "command"], num_args = 1.., required = true
    )]
    words: Vec<String>,

    /// Working directory in the container
    #[arg(long, value_name = "dir", default_value = "", hide_default_value = true)]
    cwd: OsString,

    /// Add a variable to the environment: NAME=VALUE
    #[arg(short, long, value_name = "variable")]
    pub env: Vec<String>,

    /// Give the process a terminal
    #[arg(short, long)]
    pub tty: bool,

    /// Run as this user: UID or UID:GID
    #[arg(short, long, value_name = "user")]
    pub user: Option<UserSpec>,

    /// Add a supplementary group
    #[arg(short = 'g', long, value_name = "gid")]
    pub additional_gids: Vec<u32>,

    /// Take the whole process object from this JSON file
    #[arg(
        short, long, value_name = "file", default_value = "", hide_default_value = true,
        value_hint = ValueHint::FilePath
    )]
    process: OsString,

    /// Return as soon as the process runs
    #[arg(short, long)]
    pub detach: bool,

    /// File to write the pid of the process to
    #[arg(
        long, value_name = "file", default_value = "", hide_default_value = true,
        value_hint = ValueHint::FilePath
    )]
    pid_file: OsString,

    /// Set no_new_privs for the process
    #[arg(long)]
    pub no_new_privs: bool,

    /// Add a capability to the bounding, effective and permitted sets
    #[arg(short, long, value_name = "capability")]
    pub cap: Vec<String>,

    /// Pass on this many file descriptors beyond stdio
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub preserve_fds: u32,

    /// Do not refuse a paused container: the process runs as soon as it is resumed
    #[arg(long)]
    pub ignore_paused: bool,

    /// Unix socket that receives the terminal's master end
    #[arg(
        long, value_name = "path", default_value = "", hide_default_value = true,
        value_hint = ValueHint::FilePath
    )]
    pub console_socket: OsString,

    /// Unix socket that receives a pidfd of the process
    #[arg(
        long, value_name = "path", default_value = "", hide_default_value = true,
        value_hint = ValueHint::FilePath
    )]
    pub pidfd_socket: OsString,

    /// SELinux label of the process
    #[arg(long, value_name = "label", default_value = "", hide_default_value = true)]
    pub process_label: String,

    /// AppArmor profile of the process
    #[arg(long, value_name = "profile", default_value = "", hide_default_value = true)]
    pub apparmor: String,

    /// Put the process into an existing cgroup below the container's: PATH or CONTROLLER:PATH
    #[arg(long, value_name = "cgroup")]
    pub cgroup: Vec<String>,
}

impl Exec {
    /// The container's name, unchecked.
    pub fn id(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The command and its arguments.
    pub fn command(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Working directory in the container.
    pub fn cwd(&self) -> Option<PathBuf> {
        non_empty(&self.cwd)
    }

    /// The file with a whole process object.
    pub fn process(&self) -> Option<PathBuf> {
        non_empty(&self.process)
    }

    /// Where the pid is to be written.
    pub fn pid_file(&self) -> Option<PathBuf> {
        non_empty(&self.pid_file)
    }
}
