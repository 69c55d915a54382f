//! `teu-image search`.

use clap::Args;
use libteu_image::registry;

use crate::failure::Failure;
use crate::output;

/// search a registry for repositories
#[derive(Debug, Args)]
pub struct Search {
    #[command(flatten)]
    flags: super::registry::Flags,

    /// A word, on docker.io unless a registry stands before it: localhost:5000/busy
    #[arg(value_name = "[registry/]word")]
    what: String,
}

/// One name a line, with the registry, to be pulled as it stands.
pub fn run(args: Search) -> Result<(), Failure> {
    let (host, word) = match args.what.split_once('/') {
        Some((host, word)) if host == "localhost" || host.contains(['.', ':']) => (host, word),
        _ => ("docker.io", args.what.as_str()),
    };
    let names = registry::search(host, word, &args.flags.access()?)?;
    names.iter().try_for_each(|name| output::line(format_args!("{host}/{name}")))
}
