//! The one error type of the library.
//!
//! Every message is one line: what was being done, to which object, the errno by name, and a hint
//! where the cause is known. Errors are returned, never logged.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use oci_spec::image::Digest;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with everything a person needs to mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name is none that an image can have.
    #[error("invalid reference {name:?}: {problem}")]
    Reference {
        /// As it was given.
        name: String,
        /// What is wrong with it.
        problem: String,
    },

    /// The store has no such image.
    #[error("no such image: {0}")]
    NoSuchImage(String),

    /// The beginning of an image id fits several.
    #[error("{0} is the beginning of several image ids")]
    Ambiguous(String),

    /// The store has no such container.
    #[error("no such container: {0}")]
    NoSuchContainer(String),

    /// The name of a container is taken.
    #[error("the container name {0} is in use")]
    NameInUse(String),

    /// Something cannot be removed because something else needs it.
    #[error("{what} is in use by {by}")]
    InUse {
        /// What was to be removed.
        what: String,
        /// Who needs it.
        by: String,
    },

    /// Content is not what its digest promises.
    #[error("{what}: digest is {found}, expected {expected}")]
    Digest {
        /// Which content.
        what: String,
        /// What was promised.
        expected: Digest,
        /// What came.
        found: Digest,
    },

    /// A blob that something refers to is not in the store.
    #[error("blob {digest} is missing, which {by} needs")]
    MissingBlob {
        /// The blob.
        digest: Digest,
        /// Who refers to it.
        by: String,
    },

    /// A manifest, an index or a config cannot be used as it is.
    #[error("image {image}: {problem}")]
    Image {
        /// Name or digest.
        image: String,
        /// What is wrong with it.
        problem: String,
    },

    /// A layer cannot be unpacked.
    #[error("layer {layer}: {}{problem}", Within(path))]
    Layer {
        /// Digest of the blob, or where it comes from.
        layer: String,
        /// The entry's name in the archive; empty for the whole layer.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// A layer of an image cannot be had: the error within says which one, and what of it.
    #[error("image {image}: {error}")]
    OfImage {
        /// Name of the image, or its id.
        image: String,
        /// Why: [`Layer`](Self::Layer), [`Digest`](Self::Digest), [`System`](Self::System) or
        /// [`Stream`](Self::Stream).
        error: Box<Error>,
    },

    /// An archive of images cannot be used as it is.
    #[error("archive: {0}")]
    Archive(String),

    /// A registry refuses something, or cannot be reached.
    #[error("registry {registry}: {what}: {problem}")]
    Registry {
        /// Its host and port.
        registry: String,
        /// What was asked of it.
        what: String,
        /// Its words, or those of the connection.
        problem: String,
    },

    /// An instruction of a Dockerfile cannot be carried out.
    #[error("{place}: {error}")]
    Dockerfile {
        /// File, line and instruction.
        place: String,
        /// Why.
        error: Box<Error>,
    },

    /// A command of a Dockerfile has failed.
    #[error("the command '{command}' returned a non-zero code: {status}")]
    Command {
        /// Its words.
        command: String,
        /// Its exit status; 128 and the signal's number if it was killed.
        status: u8,
    },

    /// The caller wants no more of it.
    #[error("interrupted")]
    Interrupted,

    /// What is asked for makes no sense.
    #[error("{0}")]
    Argument(String),

    /// The request is valid but not possible on this host.
    #[error("{what}: {reason}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why it is refused.
        reason: String,
    },

    /// A file of the store is damaged or was written by something else.
    #[error("{}: {problem}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },

    /// A system call failed.
    #[error("{action} {object}: {}{}", ErrnoText(*errno), Hint(hint.as_deref()))]
    System {
        /// What was being done, beginning with the system call's name where there is one.
        action: &'static str,
        /// The path or name it was done to.
        object: String,
        /// The kernel's answer.
        errno: Errno,
        /// The likely cause, if known.
        hint: Option<Cow<'static, str>>,
    },

    /// A stream given by the caller, or a decompressor, failed.
    #[error("{action}: {problem}")]
    Stream {
        /// What was being done.
        action: String,
        /// The stream's words.
        problem: String,
    },
}

/// Coarse classes of errors, for callers that decide by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument, an archive or an image is wrong.
    InvalidInput,
    /// No such image, container or blob.
    NotFound,
    /// A name is taken.
    AlreadyExists,
    /// Something else needs it.
    InUse,
    /// Valid, but not possible here.
    Unsupported,
    /// The store is damaged.
    Damaged,
    /// The kernel refused a step, or a stream failed.
    System,
}

impl Error {
    /// The error's class.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Reference { .. }
            | Self::Ambiguous(_)
            | Self::Digest { .. }
            | Self::Image { .. }
            | Self::Layer { .. }
            | Self::Archive(_)
            | Self::Argument(_) => ErrorKind::InvalidInput,
            Self::NoSuchImage(_) | Self::NoSuchContainer(_) => ErrorKind::NotFound,
            Self::NameInUse(_) => ErrorKind::AlreadyExists,
            Self::InUse { .. } => ErrorKind::InUse,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::Dockerfile { error, .. } | Self::OfImage { error, .. } => error.kind(),
            Self::Damaged { .. } | Self::MissingBlob { .. } => ErrorKind::Damaged,
            Self::Command { .. }
            | Self::Interrupted
            | Self::System { .. }
            | Self::Stream { .. }
            | Self::Registry { .. } => ErrorKind::System,
        }
    }

    pub(crate) fn system(
        action: &'static str,
        object: impl fmt::Display,
        errno: rustix::io::Errno,
    ) -> Self {
        let errno = Errno::from_raw(errno.raw_os_error());
        Self::System { action, object: object.to_string(), errno, hint: None }
    }

    /// For `map_err`: `path` is joined to `dir` only if something did go wrong.
    pub(crate) fn at(
        action: &'static str,
        dir: &Path,
        name: impl AsRef<Path>,
    ) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::system(action, dir.join(name).display(), errno)
    }

    pub(crate) fn io(action: &'static str, object: impl fmt::Display, e: &io::Error) -> Self {
        match e.raw_os_error() {
            Some(number) => Self::System {
                action,
                object: object.to_string(),
                errno: Errno::from_raw(number),
                hint: None,
            },
            None => Self::Stream { action: format!("{action} {object}"), problem: e.to_string() },
        }
    }

    pub(crate) fn image(image: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self::Image { image: image.to_string(), problem: problem.into() }
    }

    /// Whose layer it was, where the error does not say so itself.
    pub(crate) fn of_image(self, image: impl fmt::Display) -> Self {
        match self {
            Self::Layer { .. }
            | Self::Digest { .. }
            | Self::System { .. }
            | Self::Stream { .. } => {
                Self::OfImage { image: image.to_string(), error: Box::new(self) }
            }
            other => other,
        }
    }

    pub(crate) fn damaged(file: impl Into<PathBuf>, problem: impl fmt::Display) -> Self {
        Self::Damaged { file: file.into(), problem: problem.to_string() }
    }

    pub(crate) fn with_hint(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        if let Self::System { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }
}

/// `etc/passwd: `, or nothing.
struct Within<'a>(&'a Path);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.as_os_str().is_empty() { Ok(()) } else { write!(f, "{}: ", self.0.display()) }
    }
}

/// `EPERM: operation not permitted`: the name for people who search, and the words.
pub(crate) struct ErrnoText(pub Errno);

impl fmt::Display for ErrnoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = self.0.desc().chars();
        let first = words.next().map(|c| c.to_ascii_lowercase());
        write!(f, "{:?}: {}", self.0, first.into_iter().chain(words).collect::<String>())
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
    fn system_errors_name_the_errno() {
        let e =
            Error::system("open", "/x", rustix::io::Errno::ACCESS).with_hint("look at its mode");
        assert_eq!(e.to_string(), "open /x: EACCES: permission denied (look at its mode)");
        assert_eq!(e.kind(), ErrorKind::System);
    }

    #[test]
    fn layer_errors_name_layer_and_path() {
        let e = Error::Layer {
            layer: "sha256:ab".into(),
            path: "etc/../..".into(),
            problem: "leaves the layer".into(),
        };
        assert_eq!(e.to_string(), "layer sha256:ab: etc/../..: leaves the layer");
    }
}
