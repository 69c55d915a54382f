//! `teu-image commit`.

use clap::Args;
use libteu_image::Reference;

use super::{Context, container};
use crate::failure::Failure;
use crate::output;

/// make an image of what a container changed
#[derive(Debug, Args)]
pub struct Commit {
    #[command(flatten)]
    about: About,

    /// Container, by name or by the directory of its bundle
    #[arg(value_name = "container|bundle")]
    container: String,

    /// Name of the image
    #[arg(value_name = "name[:tag]")]
    name: Option<Reference>,
}

/// What a new image says of itself.
#[derive(Debug, Args)]
pub struct About {
    /// Who made it
    #[arg(short, long, value_name = "name")]
    author: Option<String>,

    /// Why
    #[arg(short, long, value_name = "text")]
    message: Option<String>,

    /// Change the config, as in a Dockerfile: 'CMD ["sh"]'
    #[arg(short, long, value_name = "instruction")]
    change: Vec<String>,
}

impl About {
    /// For the library. `SOURCE_DATE_EPOCH` makes the same bytes of the same files.
    pub fn commit(self) -> Result<libteu_image::Commit, Failure> {
        Ok(libteu_image::Commit {
            author: self.author,
            message: self.message,
            changes: self.change,
            created_by: None,
            epoch: epoch()?,
        })
    }
}

/// No time of a new image is later: seconds since 1970.
pub fn epoch() -> Result<Option<i64>, Failure> {
    let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let wrong = |_| Failure::Argument(format!("SOURCE_DATE_EPOCH: {text:?} is no number"));
    text.parse().map(Some).map_err(wrong)
}

/// Prints the id.
pub fn run(args: Commit, context: &Context) -> Result<(), Failure> {
    let store = context.open()?;
    let made = container(&store, &args.container)?.commit(&args.about.commit()?)?;
    match &args.name {
        Some(name) => store.tag(&made.descriptor, name)?,
        None => store.add_nameless(&made.descriptor)?,
    }
    output::line(made.id)
}
