//! Containers of the store: the writable layer on top of an image.

mod record;

pub use record::{Kind, Record};
