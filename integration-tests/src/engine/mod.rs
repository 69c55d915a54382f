//! Container engines over the runtime under test, each with its own data, sockets, mounts and network.

pub mod containerd;
pub mod docker;
pub mod image;
mod machine;
pub mod podman;
pub mod sandbox;
mod shared;
mod started;
mod wrapper;

pub use containerd::{Containerd, Task};
pub use docker::Docker;
pub use machine::Machine;
pub use podman::Podman;
pub use sandbox::Sandbox;
pub use shared::{Engine, Shared};
pub use started::{Client, Started};
pub use wrapper::Wrapper;
