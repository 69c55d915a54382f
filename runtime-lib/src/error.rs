//! The one error type of the library.
//!
//! Every message is one line: what was being done, to which object, which config field asked for
//! it, the errno by name, and a hint where the cause is known. Errors are returned, never logged.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with everything a person needs to mend it.
///
/// The wording of the lifecycle variants is runc's: engines match on it (`docs/compatibility.md`).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of the bundle (or an `exec` process file) cannot be used as it is.
    #[error("{}: {}{problem}", file.display(), Field(field))]
    Config {
        /// The file, as it was named by the caller.
        file: PathBuf,
        /// JSON path of the offending field (`mounts[3].options[1]`), empty for the whole file.
        field: String,
        /// What is wrong with it, and what would be right.
        problem: String,
    },

    /// The config asks for something this version or this host cannot give. Nothing is ignored.
    #[error("{field}: {reason}")]
    Unsupported {
        /// JSON path of the field.
        field: String,
        /// Why it is refused.
        reason: String,
    },

    /// A system call of the runtime itself failed.
    #[error("{action} {object}: {}{}", ErrnoText(*errno), Hint(hint.as_deref()))]
    System {
        /// What was being done, beginning with the system call's name where there is one.
        action: &'static str,
        /// The path, id or field it was done to.
        object: String,
        /// The kernel's answer.
        errno: Errno,
        /// The likely cause, if known.
        hint: Option<Cow<'static, str>>,
    },

    /// systemd refused something, or did not answer in time ([`CgroupManager::Systemd`](crate::CgroupManager)).
    #[error("systemd: {step} {object}: {problem}")]
    Manager {
        /// The D-Bus method, or what is done for the connection.
        step: &'static str,
        /// The unit, or the socket.
        object: String,
        /// systemd's words, or what is wrong with the connection.
        problem: String,
    },

    /// A step of the executor failed inside the new container or beside a running one.
    #[error("unable to start container process: {}{what}", Field(field))]
    Step {
        /// JSON path of the config field the step was compiled from; empty if none.
        field: String,
        /// The failed call as it would stand in the printed plan, its errno and a hint.
        what: String,
        /// The kernel's answer.
        errno: Errno,
    },

    /// The kernel does not run the program (ENOEXEC, or its interpreter is missing).
    #[error("unable to start container process: process.args: {what}{hint}")]
    ExecRefused {
        /// The program and the kernel's answer in words.
        what: String,
        /// What may be the reason, in parentheses; may be empty.
        hint: &'static str,
        /// The kernel's answer.
        errno: Errno,
        /// The process has said so on its standard error, and ended with 255.
        told: bool,
    },

    /// The executor died without a word (killed, or out of memory).
    #[error("unable to start container process: container init {0}")]
    ExecutorDied(String),

    /// A hook failed, timed out, or could not be started.
    #[error("error running {kind} hook #{index}: {}: {problem}", path.display())]
    Hook {
        /// `prestart`, `createRuntime`, ...
        kind: &'static str,
        /// Position in the config's list of that kind.
        index: usize,
        /// The hook's executable.
        path: PathBuf,
        /// Exit status and what it wrote to standard error.
        problem: String,
    },

    /// CRIU could not do what it was asked for.
    #[error("criu failed: {what}: {problem}{}", Log(log.as_deref()))]
    Criu {
        /// The request's type, and an errno or how CRIU ended.
        what: String,
        /// What it has written down: the first error, and the last before it gave up.
        problem: String,
        /// Its log, if there is one.
        log: Option<PathBuf>,
    },

    /// The id has characters outside `[A-Za-z0-9_+.-]`, is empty, `.`, `..` or too long.
    #[error("invalid container ID format")]
    InvalidId,

    /// No container of that id is known under the state root.
    #[error("container does not exist")]
    NotFound,

    /// A container of that id is there already.
    #[error("container with given ID already exists")]
    AlreadyExists,

    /// The verb does not fit the container's status.
    #[error("{0}")]
    WrongStatus(String),

    /// The container has no process to signal.
    #[error("container not running")]
    NotRunning,

    /// State on disk is damaged or was written by something else.
    #[error("{}: {problem}", file.display())]
    State {
        /// The damaged file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// Coarse classes of errors, for callers that decide by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bundle, the config or an argument is wrong.
    InvalidInput,
    /// The request is valid but not possible on this host or in this version.
    Unsupported,
    /// No such container.
    NotFound,
    /// The id is taken.
    AlreadyExists,
    /// The container's status does not allow the verb.
    WrongStatus,
    /// A hook failed.
    Hook,
    /// The kernel, or systemd, refused a step.
    System,
    /// State on disk is damaged.
    State,
}

impl Error {
    /// The error's class.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } | Self::InvalidId => ErrorKind::InvalidInput,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::System { .. }
            | Self::Manager { .. }
            | Self::Step { .. }
            | Self::ExecRefused { .. }
            | Self::Criu { .. }
            | Self::ExecutorDied(_) => ErrorKind::System,
            Self::Hook { .. } => ErrorKind::Hook,
            Self::NotFound => ErrorKind::NotFound,
            Self::AlreadyExists => ErrorKind::AlreadyExists,
            Self::WrongStatus(_) | Self::NotRunning => ErrorKind::WrongStatus,
            Self::State { .. } => ErrorKind::State,
        }
    }

    /// The errno behind the error, if the kernel gave one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::System { errno, .. }
            | Self::Step { errno, .. }
            | Self::ExecRefused { errno, .. } => Some(*errno),
            _ => None,
        }
    }

    pub(crate) fn system(action: &'static str, object: impl fmt::Display, errno: Errno) -> Self {
        Self::System { action, object: object.to_string(), errno, hint: None }
    }

    pub(crate) fn io(action: &'static str, object: impl AsRef<Path>, e: &std::io::Error) -> Self {
        let errno = e.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        Self::system(action, object.as_ref().display(), errno)
    }

    pub(crate) fn unsupported(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unsupported { field: field.into(), reason: reason.into() }
    }

    pub(crate) fn with_hint(self, text: impl Into<Cow<'static, str>>) -> Self {
        match self {
            Self::System { action, object, errno, .. } => {
                Self::System { action, object, errno, hint: Some(text.into()) }
            }
            other => other,
        }
    }
}

/// `field: `, or nothing.
struct Field<'a>(&'a str);

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "{}: ", self.0) }
    }
}

/// `EPERM: operation not permitted`: the name for people who search, the words engines match on.
pub(crate) struct ErrnoText(pub Errno);

impl fmt::Display for ErrnoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0, lower_first(self.0.desc()))
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

struct Log<'a>(Option<&'a Path>);

impl fmt::Display for Log<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |log| write!(f, " (log: {})", log.display()))
    }
}

struct Hint<'a>(Option<&'a str>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |text| write!(f, " ({text})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_errors_name_errno_in_words_that_engines_match() {
        let e = Error::system("open", "/x", Errno::EACCES).with_hint("look at its mode");
        assert_eq!(e.to_string(), "open /x: EACCES: permission denied (look at its mode)");
        assert_eq!(e.kind(), ErrorKind::System);
    }

    #[test]
    fn config_errors_name_file_and_field() {
        let e = Error::Config {
            file: "b/config.json".into(),
            field: "mounts[3].type".into(),
            problem: "must be a string".into(),
        };
        assert_eq!(e.to_string(), "b/config.json: mounts[3].type: must be a string");
    }
}
