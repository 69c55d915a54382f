//! `teu-image search`.

use clap::Args;
use libteu_image::registry;

use crate::failure::Failure;
use crate::output;

/// list a registry's repositories whose name has a word in it
#[derive(Debug, Args)]
pub struct Search {
    #[command(flatten)]
    flags: super::registry::Flags,

    /// The registry, and a word: localhost:5000/busy
    #[arg(value_name = "registry/[word]")]
    what: String,
}

/// One name a line, with the registry, to be pulled as it stands.
pub fn run(args: Search) -> Result<(), Failure> {
    let Some((host, word)) = args.what.split_once('/') else {
        let problem =
            "search needs a registry: registry.example/word (docker.io does not list its own)";
        return Err(Failure::Argument(problem.into()));
    };
    let names = registry::search(host, word, &args.flags.access()?)?;
    names.iter().try_for_each(|name| output::line(format_args!("{host}/{name}")))
}
