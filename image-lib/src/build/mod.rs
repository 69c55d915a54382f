//! Images from Dockerfiles.
//!
//! ```text
//! text -> lines -> parse -> Instruction ┐            settings: config alone
//!                args, expand: variables ├─> stage ─> copy: files into a snapshot
//!         context, ignore, glob: sources ┘            run: a container, run by the caller
//!                                             cache: what a step made, by what it was made from
//! ```
//!
//! The library runs nothing itself: a [`Host`] does, and gets base images, and tells people.

mod args;
mod cache;
mod content;
mod context;
mod copy;
mod expand;
mod glob;
mod healthcheck;
mod ignore;
mod lines;
mod parse;
mod plan;
mod run;
mod settings;
mod source;
mod stage;
mod state;
mod transfer;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::bundle::Network;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::snapshot::Committed;
use crate::store::Store;
pub(crate) use cache::Made;
pub use context::{Context, is_archive, text};

/// How an image is to be built.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The Dockerfile's name, for messages.
    pub name: String,
    /// The stage to build, by name or number; otherwise the last one.
    pub target: Option<String>,
    /// Values for `ARG`.
    pub args: BTreeMap<String, String>,
    /// Further labels of the image.
    pub labels: Vec<(String, String)>,
    /// Do all steps anew.
    pub no_cache: bool,
    /// What `RUN` sees of the network.
    pub network: Network,
    /// Whose images to build on: `linux/arm64`. Otherwise this host's.
    pub platform: Option<String>,
    /// No time in the image is later, and it is created then: seconds since 1970 (`SOURCE_DATE_EPOCH`).
    pub epoch: Option<i64>,
}

/// Does for a build what the library does not.
pub trait Host {
    /// An image of the store, got from elsewhere if need be.
    ///
    /// # Errors
    /// If there is none.
    fn image(&self, name: &str, platform: Option<&str>) -> Result<Image>;

    /// Runs the bundle in a directory to its end; the number is the status, 128 and the signal's number
    /// if it was killed. Nothing of it may be left to run.
    ///
    /// # Errors
    /// If it does not start; [`Error::Interrupted`] if it was ended since the build is to end.
    fn run(&self, container: &str, bundle: &Path) -> Result<u8>;

    /// Tells people a line.
    ///
    /// # Errors
    /// If that is not possible: then the build ends.
    fn say(&self, line: fmt::Arguments<'_>) -> Result<()>;

    /// Whether the build is to end. Asked often.
    fn cancelled(&self) -> bool;
}

/// Builds an image. It has no name yet: [`Store::tag`] gives it one, [`Store::add_nameless`] keeps it.
///
/// # Errors
/// [`Error::Dockerfile`] with line and instruction; [`Error::Interrupted`]. No container, mount or
/// unfinished layer is left then; layers of steps that were done are kept for the next time, until `gc`.
pub fn build(
    store: &Store,
    dockerfile: &str,
    context: &Context<'_>,
    options: &Options,
    host: &dyn Host,
) -> Result<Committed> {
    let file = parse::parse(dockerfile).map_err(|problem| Error::Dockerfile {
        place: format!("{}:{}", options.name, problem.line),
        error: Box::new(Error::Argument(problem.text)),
    })?;
    plan::Builder::new(store, &file, context, options, host)?.build()
}
