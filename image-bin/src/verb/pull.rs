//! `teu-image pull`.

use clap::Args;
use libteu_image::{Reference, Store, registry};

use super::Context;
use crate::failure::Failure;
use crate::{output, progress};

/// get an image from a registry
#[derive(Debug, Args)]
pub struct Pull {
    #[command(flatten)]
    flags: super::registry::Flags,

    /// Only the name, when it is there
    #[arg(short, long)]
    quiet: bool,

    /// Whose image of several: linux/arm64 [default: this host's]
    #[arg(long, value_name = "os/arch")]
    platform: Option<String>,

    /// The image
    #[arg(value_name = "name[:tag|@digest]")]
    name: Reference,
}

/// Prints what it got, as docker does.
pub fn run(args: Pull, context: &Context) -> Result<(), Failure> {
    let display = progress::Display::new(args.quiet);
    let tell = |progress| display.tell(progress);
    let (store, access) = (context.open()?, args.flags.access()?);
    let platform = args.platform.as_deref();
    let pulled = registry::pull(&store, &args.name, platform, &access, &tell)?;
    output::skipped(&pulled.skipped);
    if !args.quiet {
        output::line(format_args!("Digest: {}", pulled.digest))?;
    }
    output::line(&args.name)
}

/// The image, pulled if the store does not have it.
pub fn wanted(store: &Store, name: &str) -> Result<libteu_image::Image, Failure> {
    match store.image(name) {
        Err(e @ libteu_image::Error::NoSuchImage(_)) => {
            let Ok(reference) = name.parse() else { return Err(e.into()) };
            let access = registry::Access::default();
            let display = progress::Display::new(false);
            let tell = |progress| display.tell(progress);
            let pulled = registry::pull(store, &reference, None, &access, &tell)?;
            output::skipped(&pulled.skipped);
            Ok(pulled.image)
        }
        other => Ok(other?),
    }
}
