//! Image and options to a bundle: the `config.json` that docker's defaults make of them.
//!
//! `config` is pure; `user` and `files` look into the container's root file system, by descriptor.

mod config;
mod defaults;
mod files;
mod ids;
mod options;
mod user;

use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::image::Image;
use crate::snapshot::Container;
use ids::IdMaps;

pub use options::{Bind, Network, Options};
pub use user::User;
pub(crate) use user::find as find_user;

/// The bundle's config.
pub const CONFIG: &str = "config.json";

impl Container<'_> {
    /// Writes `config.json` for this container to a directory, which is then a bundle: the root file
    /// system is named in it by its absolute path. Directories that the image's config names are made
    /// in the container if it does not have them.
    ///
    /// # Errors
    /// If the options make no sense together with the image: a user that it does not know, nothing to
    /// run.
    pub fn write_bundle(&self, directory: &std::path::Path, options: &Options) -> Result<()> {
        self.write_bundle_of(&self.image()?, directory, options)
    }

    /// The same with another config than that of the container's image.
    pub(crate) fn write_bundle_of(
        &self,
        image: &Image,
        directory: &std::path::Path,
        options: &Options,
    ) -> Result<()> {
        self.mount()?;
        let rootfs = Dir::open(&self.record().rootfs)?;
        let wanted = options.user.as_deref();
        let named = image.config.config().as_ref().and_then(|config| config.user().as_deref());
        let mut user = user::find(&rootfs, wanted.or(named).unwrap_or_default())?;
        if self.has_one_id() {
            // setgroups(2) is denied there (user_namespaces(7)).
            user.groups.clear();
        }
        let mut mounts = files::etc(self, options)?;
        mounts.extend(files::volumes(self, image, &rootfs, options)?);
        let cwd = config::working_directory(image, options);
        files::make_directory(&rootfs, &cwd)?;
        let ids = options.user_namespace.then(IdMaps::of_process).transpose()?;
        let place = config::Place {
            ids,
            name: &self.record().name,
            rootfs: &self.record().rootfs,
            rootless: self.is_rootless(),
            mounts,
        };
        let spec = config::spec(image, options, &user, &place)?;
        let text = serde_json::to_vec_pretty(&spec)
            .map_err(|e| Error::Argument(format!("{CONFIG}: {e}")))?;
        Dir::open(directory)?.replace(CONFIG, &text)
    }
}
