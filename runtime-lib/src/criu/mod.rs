//! CRIU's service protocol: what `criu swrk` is asked and answers over a socket. It knows nothing of
//! containers.

mod connection;
mod log;
pub(crate) mod rpc;
mod version;

pub(crate) use connection::{Answer, Connection, Listener};
pub(crate) use log::errors;
pub(crate) use version::{MINIMUM, Version};
