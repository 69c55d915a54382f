//! libteu-image: OCI images as a library.
//!
//! A [`Store`] is an OCI image layout on disk with unpacked layers beside it, safe for many processes
//! at once and valid after a crash at any moment (`docs/images.md`). All calls block. Nothing is
//! logged, no global state is kept, and the calling process is not changed.
//!
//! ```no_run
//! use libteu_image::Store;
//!
//! # fn main() -> libteu_image::Result<()> {
//! let store = Store::open(&Store::default_path()?)?;
//! for entry in store.entries()? {
//!     println!("{:?} {}", entry.reference, entry.descriptor.digest());
//! }
//! # Ok(())
//! # }
//! ```

mod archive;
pub mod build;
pub mod bundle;
mod changes;
pub mod digest;
mod dir;
mod error;
mod image;
mod ingest;
pub mod layer;
mod reference;
pub mod registry;
mod snapshot;
mod store;
mod time;

pub use archive::{Format, Loaded, load, save};
pub use error::{Error, ErrorKind, Result};
pub use image::Image;
pub use ingest::Fresh;
pub use reference::Reference;
pub use snapshot::{
    Change, ChangeKind, Commit, Committed, Container, Kind, Record, RootFs, import,
};
pub use store::{BlobWriter, Entry, Freed, NewLayer, Store, UnpackedLayer, Wait};
