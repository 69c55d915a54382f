//! `teu completion`.

use clap_complete::generate;
use clap_complete::shells::{Bash, Fish, Zsh};

use crate::cli::completion::{Completion, Shell};
use crate::failure::Failure;
use crate::{cli, output};

/// Prints the script, made from the same definitions as the parser.
pub fn run(args: &Completion) -> Result<(), Failure> {
    let (mut command, mut script) = (cli::all(), Vec::new());
    match args.shell {
        Shell::Bash => generate(Bash, &mut command, "teu", &mut script),
        Shell::Zsh => generate(Zsh, &mut command, "teu", &mut script),
        Shell::Fish => generate(Fish, &mut command, "teu", &mut script),
    }
    output::text(&String::from_utf8_lossy(&script))
}
