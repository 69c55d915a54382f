//! The verbs: create, start, exec, kill, delete, and what they work on.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use nix::sys::signal::Signal;

use crate::error::{Error, Result};
use crate::id::ContainerId;
use crate::state::{State, Status};

/// How a [`Runtime`] behaves for all its containers.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RuntimeOptions {
    /// `None`: decide by the effective uid and the user namespace, as runc's `--rootless=auto`.
    /// `Some(true)`: cgroup permission errors are tolerated where runc tolerates them.
    pub rootless: Option<bool>,
}

/// All containers whose state is kept under one root directory.
#[derive(Debug, Clone)]
pub struct Runtime {
    root: PathBuf,
    options: RuntimeOptions,
}

/// Standard streams of a container process.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Stdio {
    /// The calling program's own streams.
    #[default]
    Inherit,
    /// These descriptors, in the order stdin, stdout, stderr.
    Fds([OwnedFd; 3]),
}

/// What `create` may be told beyond the bundle.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CreateOptions {
    /// Where to write the init's pid; written to a temporary name and renamed.
    pub pid_file: Option<PathBuf>,
    /// This many descriptors from 3 on are passed to the process, as they are in the caller.
    pub preserve_fds: u32,
    /// Standard streams of the init.
    pub stdio: Stdio,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// Use MS_MOVE and chroot instead of pivot_root (for a rootfs on an initramfs).
    pub no_pivot: bool,
}

/// What `exec` runs, and how.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ExecOptions {
    /// A whole `process` object; otherwise the container's own with `args` and the fields below.
    pub process: Option<oci_spec::runtime::Process>,
    /// Command and arguments, used if `process` is `None`.
    pub args: Vec<String>,
    /// `KEY=VALUE`, appended to the container's environment (the last of a name wins).
    pub env: Vec<String>,
    /// Working directory in the container.
    pub cwd: Option<PathBuf>,
    /// Uid and gid.
    pub user: Option<(u32, Option<u32>)>,
    /// Supplementary groups, replacing the container's.
    pub additional_gids: Option<Vec<u32>>,
    /// Capabilities added to the bounding, effective and permitted sets (`CAP_NET_ADMIN`).
    pub capabilities: Vec<String>,
    /// Sets no_new_privs.
    pub no_new_privileges: bool,
    /// Where to write the process's pid; written to a temporary name and renamed.
    pub pid_file: Option<PathBuf>,
    /// This many descriptors from 3 on are passed to the process.
    pub preserve_fds: u32,
    /// Standard streams.
    pub stdio: Stdio,
}

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillTarget {
    /// The container's init.
    Init,
    /// Every process in the container's cgroup (runc's hidden `--all`).
    All,
}

impl Runtime {
    /// Uses `root` for state; nothing is created until a container is.
    pub fn new(root: impl Into<PathBuf>, options: RuntimeOptions) -> Self {
        Self { root: root.into(), options }
    }

    /// The state root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Creates a container from the bundle directory; its process waits for [`Container::start`].
    pub fn create(
        &self,
        id: &ContainerId,
        bundle: &Path,
        options: CreateOptions,
    ) -> Result<Container> {
        let _ = (id, bundle, options);
        Err(Error::unsupported("create", "not written yet"))
    }

    /// Creates and starts in one go, without the detour over the start socket. The caller is the
    /// init's parent and gets it back as a [`Process`] to wait for.
    pub fn run(
        &self,
        id: &ContainerId,
        bundle: &Path,
        options: CreateOptions,
    ) -> Result<(Container, Process)> {
        let _ = (id, bundle, options);
        Err(Error::unsupported("run", "not written yet"))
    }

    /// The plan that [`Runtime::create`] would walk, as text for people. Environment values are
    /// redacted. Nothing is changed on the host.
    pub fn plan(&self, id: &ContainerId, bundle: &Path) -> Result<String> {
        let _ = (id, bundle);
        Err(Error::unsupported("plan", "not written yet"))
    }

    /// A known container.
    pub fn container(&self, id: &ContainerId) -> Result<Container> {
        Ok(Container { runtime: self.clone(), id: id.clone() })
    }

    /// All containers under the root, sorted by id. Ones that vanish meanwhile are left out.
    pub fn list(&self) -> Result<Vec<State>> {
        Ok(Vec::new())
    }
}

/// A container known to a [`Runtime`].
#[derive(Debug, Clone)]
pub struct Container {
    runtime: Runtime,
    id: ContainerId,
}

impl Container {
    /// The container's id.
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// What `teu state` prints, as of now.
    pub fn state(&self) -> Result<State> {
        let _ = (&self.runtime, Status::Stopped, BTreeMap::<String, String>::new());
        Err(Error::NotFound)
    }

    /// Lets a created container's process run its program. Fails if the program cannot be executed.
    pub fn start(&self) -> Result<()> {
        Err(Error::NotFound)
    }

    /// Sends a signal.
    pub fn kill(&self, signal: Signal, target: KillTarget) -> Result<()> {
        let _ = (signal, target);
        Err(Error::NotFound)
    }

    /// Removes a stopped (or created) container; with `force` kills it first. With `force`, a
    /// container that does not exist is no error.
    pub fn delete(&self, force: bool) -> Result<()> {
        let _ = force;
        Err(Error::NotFound)
    }

    /// Runs a further process in the container.
    pub fn exec(&self, options: ExecOptions) -> Result<Process> {
        let _ = options;
        Err(Error::NotFound)
    }
}

/// A process started in a container, child of the calling program.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
}

impl Process {
    /// The pid in the caller's pid namespace; valid until [`Process::wait`] has returned.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Blocks until the process ends and reaps it.
    pub fn wait(&self) -> Result<ExitStatus> {
        Ok(ExitStatus::from_raw(0))
    }

    /// Sends a signal through the pidfd: never hits another process that got the same pid.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        let _ = signal;
        Ok(())
    }
}

impl AsFd for Process {
    /// The pidfd: readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
