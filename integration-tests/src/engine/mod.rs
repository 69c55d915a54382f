//! Container engines over the runtime under test, each with its own data, sockets, mounts and network.

pub mod docker;
pub mod image;
pub mod sandbox;

pub use docker::{Docker, Started};
pub use sandbox::Sandbox;
