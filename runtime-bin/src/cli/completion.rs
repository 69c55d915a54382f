//! `teu completion`.

use clap::{Args, ValueEnum};

use crate::cli::HELP_WITH_ID;

/// print a script that completes teu's verbs and flags in a shell
#[derive(Debug, Args)]
#[command(help_template = HELP_WITH_ID, after_help = "\
For bash: teu completion bash > /usr/share/bash-completion/completions/teu")]
pub struct Completion {
    /// The shell
    #[arg(value_name = "bash|zsh|fish", hide_possible_values = true)]
    pub shell: Shell,
}

/// Shells that can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}
