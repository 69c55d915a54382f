//! Layers: tar streams to directories and back.
//!
//! ```text
//! source -> digest -> decompress -> [chunks] -> diff-id -> [chunks] -> tar entries -> files by descriptor
//!           one thread                          another                a third
//! ```
//!
//! Knows nothing of the store: [`unpack()`] writes below a directory it is given, and nowhere else.

mod compression;
mod entry;
mod limits;
mod names;
mod node;
mod pack;
mod pax;
mod pipe;
mod sparse;
#[cfg(test)]
pub(crate) mod testing;
mod tree;
mod unpack;
mod whiteout;

pub use compression::Compression;
pub(crate) use compression::Decompressor;
pub(crate) use entry::{Entries, Kind as EntryKind};
pub use limits::Limits;
pub(crate) use names::{Inside, shown};
pub(crate) use pack::{Node, Packer};
pub(crate) use pax::Attributes;
pub(crate) use tree::{Tree, by_descriptor, is_whiteout};
pub use unpack::{Options, Skipped, Unpacked, unpack};
pub(crate) use whiteout::{Flavor, is_overlay_attribute};
