//! sd_notify(3) for a container: its process says that it is ready on a socket of its own, and teu tells
//! the service manager that teu was started by.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use libteu::Readiness;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::pipe2;

use crate::failure::Failure;
use crate::log::Log;

/// How long the manager may take to acknowledge; one that does not know how never will.
const BARRIER_SECONDS: u16 = 30;
/// A container that ends right after it was ready must not be forgotten.
const LAST_WORD: Duration = Duration::from_secs(2);

/// The socket of the service manager, if there is one.
pub fn manager() -> Option<OsString> {
    env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty())
}

/// Waits until the container is ready or gone, and passes on the former, with the container's process
/// as the service's main one.
pub fn forward(readiness: Option<Readiness>, log: &Log) {
    if let Some(readiness) = readiness {
        let pid = readiness.pid().unsigned_abs();
        report(tell(&readiness, pid, None), log);
    }
}

/// What goes on beside the foreground.
pub struct Forwarding {
    told: Receiver<()>,
}

impl Forwarding {
    /// The same in a thread, with teu itself as the service's main process: it ends as the container
    /// does.
    pub fn start(readiness: Readiness, log: &Arc<Log>) -> Self {
        let (sender, told) = channel();
        let log = Arc::clone(log);
        std::thread::spawn(move || {
            report(tell(&readiness, std::process::id(), Some(sender)), &log);
        });
        Self { told }
    }

    /// Called when the container has ended: lets a message be passed on that it has sent before.
    pub fn finish(self) {
        let _ = self.told.recv_timeout(LAST_WORD);
    }
}

/// The container is fine without: as with runc this is no failure.
fn report(told: Result<(), Failure>, log: &Log) {
    if let Err(e) = told {
        log.warn(&format_args!("NOTIFY_SOCKET: {e}"));
    }
}

/// `told`: dropped or used once the manager knows all, or there is nothing to tell.
fn tell(readiness: &Readiness, main: u32, told: Option<Sender<()>>) -> Result<(), Failure> {
    let (Some(line), Some(address)) = (readiness.wait()?, manager()) else { return Ok(()) };
    let manager = connect(&address).map_err(io_failure("connect"))?;
    let send = |text: String| manager.send(text.as_bytes()).map_err(io_failure("send"));
    send(format!("{line}\n"))?;
    send(format!("MAINPID={main}\n"))?;
    drop(told);
    barrier(&manager).map_err(Failure::system("barrier"))
}

/// `@` stands for the NUL of an abstract address.
fn connect(address: &OsStr) -> std::io::Result<UnixDatagram> {
    let address = match address.as_bytes().split_first() {
        Some((b'@', name)) => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// The manager has to look at the messages while their sender is there, or it does not know whose they
/// are: it closes the pipe that it gets once it has (sd_notify_barrier(3)).
fn barrier(manager: &UnixDatagram) -> Result<(), Errno> {
    let (ours, theirs): (OwnedFd, OwnedFd) = pipe2(OFlag::O_CLOEXEC)?;
    let rights = [theirs.as_raw_fd()];
    let message = [IoSlice::new(b"BARRIER=1")];
    let rights = [ControlMessage::ScmRights(&rights)];
    sendmsg::<()>(manager.as_raw_fd(), &message, &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    drop(theirs);
    let closed = &mut [PollFd::new(ours.as_fd(), PollFlags::empty())];
    poll(closed, PollTimeout::from(BARRIER_SECONDS.saturating_mul(1000))).map(drop)
}

fn io_failure(action: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |e| Failure::System { action, errno: e.raw_os_error().map_or(Errno::EIO, Errno::from_raw) }
}
