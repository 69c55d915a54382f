//! The foreground of a container's process, for programs that stay until it ends: what is typed goes
//! to its terminal, signals go to it, and its status is the program's.

mod console;
mod signal;

use std::fmt;

use nix::errno::Errno;

pub use console::Console;
pub use signal::{Forwarder, Target, adopt_orphans, ends};

/// Why the foreground cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{action}: {errno}")]
    System {
        /// The call and its object.
        action: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },

    /// The library's answer.
    #[error(transparent)]
    Library(#[from] libteu::Error),
}

impl Error {
    fn system(action: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::System { action, errno }
    }
}

/// Takes what is worth telling and no error.
pub trait Log {
    /// For people who look for something.
    fn debug(&self, message: fmt::Arguments<'_>);
    /// For everybody.
    fn warn(&self, message: &dyn fmt::Display);
}
