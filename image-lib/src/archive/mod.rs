//! Images in one file: docker-archive (`docker save`) and oci-archive.

mod documents;
mod intake;
mod load;
mod save;

pub use load::{Loaded, load};
pub use save::{Format, save};
