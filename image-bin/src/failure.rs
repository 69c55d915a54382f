//! Why teu-image ends without having done what was asked. Printed once, in `main`.

use std::io;

use nix::errno::Errno;

/// Wrong use of the command line, as clap has it.
pub const USAGE: u8 = 2;
/// What `docker run` exits with if docker itself fails, the command cannot be executed, or is not there.
const RUN_FAILED: u8 = 125;
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;
/// A shell's status for what SIGINT ended.
const INTERRUPTED: u8 = 130;

/// Everything that can go wrong outside a container's own process.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The value of a flag or argument makes no sense.
    #[error("{0}")]
    Argument(String),

    /// The library's answer.
    #[error(transparent)]
    Image(#[from] libteu_image::Error),

    /// The container does not start.
    #[error(transparent)]
    Run(#[from] libteu::Error),

    /// Its terminal or signals cannot be passed on.
    #[error(transparent)]
    Foreground(#[from] teu_foreground::Error),

    /// Any of these, before there was a container's process.
    #[error(transparent)]
    OfRun(Box<Failure>),

    /// A file named on the command line, or a system call of ours.
    #[error("{what}: {}", io_text(error))]
    Io {
        /// The call and its object.
        what: String,
        /// The kernel's answer.
        error: io::Error,
    },

    /// Standard output cannot be written to.
    #[error("write standard output: {0}")]
    Output(io::Error),
}

impl Failure {
    /// For `map_err`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io { what: what.into(), error }
    }

    /// What to exit with.
    pub fn code(&self) -> u8 {
        match self {
            Self::Run(error) => match error.errno() {
                Some(Errno::ENOENT) => NOT_FOUND,
                Some(Errno::EACCES) => NOT_EXECUTABLE,
                _ => RUN_FAILED,
            },
            Self::Foreground(_) => RUN_FAILED,
            Self::OfRun(failure) => {
                Some(failure.code()).filter(|it| *it != 1).unwrap_or(RUN_FAILED)
            }
            Self::Image(error) => of_build(error),
            _ => 1,
        }
    }

    /// Whoever read standard output has seen enough.
    pub fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The kernel's words where there are any: `ENOENT: no such file or directory`.
fn io_text(error: &io::Error) -> String {
    let Some(errno) = error.raw_os_error().map(Errno::from_raw) else { return error.to_string() };
    let mut words = errno.desc().chars();
    let first = words.next().map(|c| c.to_ascii_lowercase());
    format!("{errno:?}: {}", first.into_iter().chain(words).collect::<String>())
}

/// A command's own status, as `docker build` has it.
fn of_build(error: &libteu_image::Error) -> u8 {
    match error {
        libteu_image::Error::Dockerfile { error, .. } => of_build(error),
        libteu_image::Error::Command { status, .. } => *status,
        libteu_image::Error::Interrupted => INTERRUPTED,
        _ => 1,
    }
}
