//! teu-image: images, layers and bundles for teu, with docker's verbs.
//!
//! `verb` has one file a verb: what may be typed, and the calls of the library that it becomes. What an
//! image is, and how it gets to a container, is libteu-image's business.

mod failure;
mod output;
mod progress;
mod prompt;
mod size;
mod userns;
mod verb;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use libteu_image::Store;

use crate::failure::Failure;
use crate::verb::Verb;

/// images, layers and bundles for teu
#[derive(Debug, Parser)]
#[command(name = "teu-image", version, disable_help_subcommand = true)]
struct Cli {
    /// Directory of the store [default: /var/lib/teu-image, or ~/.local/share/teu-image]
    #[arg(long, global = true, value_name = "dir")]
    store: Option<PathBuf>,

    #[command(subcommand)]
    verb: Verb,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let code = if e.use_stderr() { failure::USAGE } else { 0 };
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) if failure.is_reader_gone() => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: Cli) -> Result<u8, Failure> {
    // Before the user namespace, in which everybody is root.
    let store = cli.store.map_or_else(Store::default_path, Ok)?;
    let state = verb::state_root()?;
    let rootless = !rustix::process::geteuid().is_root();
    userns::enter()?;
    verb::run(cli.verb, &verb::Context { store, state, rootless })
}
