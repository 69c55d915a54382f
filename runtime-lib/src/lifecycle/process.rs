//! A process in a container, as its parent sees it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::errno::Errno;

use super::Readiness;
use crate::error::{Error, Result};
use crate::launch::{Child, End, wait_for};
use crate::signal::{self, Signal};
use crate::timings::Timings;

/// A process started in a container, child of the calling program.
///
/// [`Process::wait`] reaps it; until then it stays a zombie after its end, also if this is dropped,
/// which leaves the process alone. Since its exec sets its exit signal (clone(2)), the end of it
/// raises SIGCHLD in the caller, and `waitpid(-1)` finds it, like any other child.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
    console: Option<OwnedFd>,
    notify: Option<UnixDatagram>,
    timings: Option<Timings>,
}

impl Process {
    pub(super) fn adopt(child: Child, console: Option<OwnedFd>) -> Result<Self> {
        let pid = child.pid;
        let pidfd = child.release().ok_or_else(|| Error::ExecutorDied("is gone".into()))?;
        Ok(Self { pid, pidfd, console, notify: None, timings: None })
    }

    pub(super) fn with_notify(self, notify: Option<UnixDatagram>) -> Self {
        Self { notify, ..self }
    }

    pub(super) fn with_timings(self, timings: Option<Timings>) -> Self {
        Self { timings, ..self }
    }

    /// Where the time of its start went, if that was asked for
    /// ([`CreateOptions::timings`](crate::CreateOptions::timings)).
    pub fn take_timings(&mut self) -> Option<Timings> {
        self.timings.take()
    }

    /// A way to learn when the process is ready, if [`Runtime::run`](crate::Runtime::run) was asked
    /// for it ([`CreateOptions::notify`](crate::CreateOptions::notify)).
    ///
    /// # Errors
    /// If the pidfd cannot be duplicated.
    pub fn take_readiness(&mut self) -> Result<Option<Readiness>> {
        let Some(socket) = self.notify.take() else { return Ok(None) };
        let pidfd = self.pidfd.try_clone().map_err(|e| Error::io("dup", "pidfd", &e))?;
        Ok(Some(Readiness::new(socket, pidfd, self.pid)))
    }

    /// The master end of the process's terminal, if it has one and the caller keeps it
    /// ([`Console::Keep`](crate::Console::Keep)). Dropping it hangs the terminal up.
    pub fn take_console(&mut self) -> Option<OwnedFd> {
        self.console.take()
    }

    /// The pid in the caller's pid namespace; valid until the process is reaped.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Blocks until the process ends, reaps it and tells its status. A program that ignores SIGCHLD,
    /// or waits for any child elsewhere, takes nothing away on Linux 6.15 or newer, where the kernel
    /// keeps the status for the pidfd.
    ///
    /// # Errors
    /// ECHILD if it was reaped before and the kernel is older.
    pub fn wait(&self) -> Result<ExitStatus> {
        match wait_for(self.pidfd.as_fd()).map_err(|e| Error::system("waitid", self.pid, e))? {
            End::Exited(code) => Ok(ExitStatus::from_raw((code & 0xff) << 8)),
            End::Killed(signal) => Ok(ExitStatus::from_raw(signal)),
        }
    }

    /// Sends a signal through the pidfd: never hits another process that got the same pid.
    ///
    /// # Errors
    /// [`Error::NotRunning`] if it has ended.
    pub fn kill(&self, signal: impl Into<Signal>) -> Result<()> {
        signal::send(self.pidfd.as_fd(), signal.into()).map_err(|e| match e {
            Errno::ESRCH => Error::NotRunning,
            e => Error::system("pidfd_send_signal", self.pid, e),
        })
    }
}

impl AsFd for Process {
    /// The pidfd: readable once the process has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl AsRawFd for Process {
    /// The pidfd's number, which tokio's `AsyncFd` wants.
    fn as_raw_fd(&self) -> RawFd {
        self.pidfd.as_raw_fd()
    }
}
