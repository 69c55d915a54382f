//! What may be asked of a container beyond its image.

use std::path::PathBuf;

/// How a container is to run. The default is what the image says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Instead of the image's `Cmd`; empty: the image's.
    pub args: Vec<String>,
    /// Instead of the image's `Entrypoint`, whose `Cmd` is then not used either; an empty list for none.
    pub entrypoint: Option<Vec<String>>,
    /// `KEY=VALUE`, which replace the image's. A bare `KEY` takes one away.
    pub env: Vec<String>,
    /// Files and directories of the host to be seen in the container.
    pub binds: Vec<Bind>,
    /// Working directory.
    pub cwd: Option<String>,
    /// `USER[:GROUP]`, names or numbers.
    pub user: Option<String>,
    /// Host name; otherwise the container's name.
    pub hostname: Option<String>,
    /// Bytes of memory, without more of swap.
    pub memory: Option<i64>,
    /// So many processors' time: 1.5 is one and a half.
    pub cpus: Option<f64>,
    /// So many processes.
    pub pids: Option<i64>,
    /// The image's files cannot be changed.
    pub read_only: bool,
    /// A terminal.
    pub terminal: bool,
    /// The network.
    pub network: Network,
    /// The bundle is for a runtime outside of the calling process's user namespace: it gets one of its
    /// own, with the same ids.
    pub user_namespace: bool,
}

/// What network a container sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// None but its own loopback.
    #[default]
    None,
    /// The host's.
    Host,
}

/// Something of the host in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// On the host, absolute; it must exist.
    pub source: PathBuf,
    /// In the container, absolute.
    pub target: PathBuf,
    /// It cannot be changed from inside.
    pub read_only: bool,
}
