//! Why teu ends without having done what was asked. Printed once, in `main`.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::cli::program;

/// Everything that can go wrong outside the container's own process.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line makes no sense.
    #[error("{message}")]
    Usage {
        /// What is wrong with it.
        message: String,
        /// How the verb is used, printed before the message; empty where that is no help.
        usage: String,
    },

    /// Whoever installed it that way meant well.
    #[error(
        "teu must not be set-user-ID or set-group-ID or have file capabilities: it would hand its \
         privileges to every caller"
    )]
    Gained,

    /// The value of a flag makes no sense.
    #[error("{0}")]
    Argument(String),

    /// `exec` without a command and without `--process`.
    #[error("exec args cannot be empty")]
    NoCommand,

    /// A console socket in the foreground. The words are runc's, which its suite looks for.
    #[error("cannot use console socket if runc will not detach or allocate tty")]
    ConsoleSocket,

    /// The command line makes sense, but this version cannot do it.
    #[error("{0} not supported by this version of teu")]
    Unsupported(String),

    /// A file named on the command line cannot be used.
    #[error("{action} {}: {problem}", path.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's or the parser's words.
        problem: String,
    },

    /// A system call of teu itself failed.
    #[error("{action}: {}", errno_text(*errno))]
    System {
        /// The call and its object.
        action: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },

    /// Standard output cannot be written to.
    #[error("write standard output: {}", io_text(.0))]
    Output(io::Error),

    /// The host's ps gave no table.
    #[error("{0}")]
    Ps(String),

    /// There is nothing to tell of a container that has stopped.
    #[error("container with id {0} is not running")]
    NotRunning(libteu::ContainerId),

    /// The library's answer.
    #[error(transparent)]
    Library(#[from] libteu::Error),

    /// `checkpoint` made none: the container goes on.
    #[error("teu checkpoint failed: {0}")]
    Checkpoint(Box<Self>),

    /// `restore` did not restore.
    #[error("teu restore failed: {0}")]
    Restore(Box<Self>),

    /// `create` did not create.
    #[error("{program} create failed: {0}", program = program())]
    Create(Box<Self>),

    /// `run` did not run.
    #[error("{program} run failed: {0}", program = program())]
    Run(Box<Self>),

    /// `exec` did not get as far as the process: the exit status is 255, so that callers can tell.
    #[error("exec failed: {0}")]
    Exec(Box<Self>),
}

impl From<teu_foreground::Error> for Failure {
    fn from(error: teu_foreground::Error) -> Self {
        match error {
            teu_foreground::Error::System { action, errno } => Self::System { action, errno },
            teu_foreground::Error::Library(error) => Self::Library(error),
        }
    }
}

impl Failure {
    /// An input or output error about a file.
    pub fn file(action: &'static str, path: &Path, error: &io::Error) -> Self {
        Self::File { action, path: path.to_owned(), problem: io_text(error) }
    }

    /// Turns an errno into a failure of `action`.
    pub fn system(action: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::System { action, errno }
    }

    /// How the verb is used, if it was used wrongly.
    pub fn usage(&self) -> Option<&str> {
        match self {
            Self::Usage { usage, .. } if !usage.is_empty() => Some(usage),
            _ => None,
        }
    }

    /// Whoever read standard output has seen enough: `teu list | head -1` is no error.
    pub fn is_reader_gone(&self) -> bool {
        matches!(self, Self::Output(e) if e.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The kernel's words where there are any.
fn io_text(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |number| errno_text(Errno::from_raw(number)))
}

/// `EACCES: permission denied`: the name for people who search, the words engines match on.
fn errno_text(errno: Errno) -> String {
    let mut words = errno.desc().chars();
    let first = words.next().map(|c| c.to_ascii_lowercase());
    format!("{errno:?}: {}", first.into_iter().chain(words).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_verb_and_keep_the_words() {
        let failure = Failure::Create(Box::new(libteu::Error::AlreadyExists.into()));
        assert_eq!(
            failure.to_string(),
            "teu create failed: container with given ID already exists"
        );
    }

    #[test]
    fn file_errors_name_the_errno() {
        let error = io::Error::from_raw_os_error(libc::EACCES);
        let failure = Failure::file("open", Path::new("/x"), &error);
        assert_eq!(failure.to_string(), "open /x: EACCES: permission denied");
    }
}
