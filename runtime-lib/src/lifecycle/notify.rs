//! The way on which a container's process says that it is ready (sd_notify(3)).
//!
//! The socket of the caller's own service manager stays outside: what the manager believes of its
//! senders it must not believe of a container. The container has a socket of its own, in a directory
//! that is mounted there, so that `start` can make the socket anew after `create` has ended.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, socket};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::{UnlinkatFlags, unlinkat};
use oci_spec::runtime::{Mount, Spec};

use crate::error::{Error, Result};
use crate::state::{Entry, NOTIFY_DIR, NOTIFY_SOCKET};

/// Where the directory is in the container, as with runc.
pub(super) const PLACE: &str = "/run/notify";

/// Adds the mount and the environment variable to a config. `state` is the container's state
/// directory.
pub(super) fn announce(spec: &mut Spec, state: &Path) {
    let Some(process) = spec.process_mut() else { return };
    let mut env = process.env().clone().unwrap_or_default();
    env.push(format!("NOTIFY_SOCKET={PLACE}/{NOTIFY_SOCKET}"));
    process.set_env(Some(env));
    let mut mount = Mount::default();
    mount.set_destination(PathBuf::from(PLACE));
    mount.set_source(Some(state.join(NOTIFY_DIR)));
    mount.set_typ(None);
    let options = ["bind", "nosuid", "noexec", "nodev", "ro"];
    mount.set_options(Some(options.map(str::to_owned).to_vec()));
    let mut mounts = spec.mounts().clone().unwrap_or_default();
    mounts.push(mount);
    spec.set_mounts(Some(mounts));
}

/// Binds the container's socket, if it has a place for one. Any user inside may be the one who is
/// ready.
pub(super) fn listen(entry: &Entry) -> Result<Option<UnixDatagram>> {
    let Some(dir) = entry.notify_dir()? else { return Ok(None) };
    let make = || {
        // Of a `start` that has failed.
        let _ = unlinkat(&dir, NOTIFY_SOCKET, UnlinkatFlags::NoRemoveDir);
        let kind = SockType::Datagram;
        let socket = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None)?;
        // By descriptor: a path may be longer than the 108 bytes of a socket address.
        let address = format!("/proc/thread-self/fd/{}/{NOTIFY_SOCKET}", dir.as_raw_fd());
        bind(socket.as_raw_fd(), &UnixAddr::new(address.as_str())?)?;
        fchmodat(
            &dir,
            NOTIFY_SOCKET,
            Mode::from_bits_truncate(0o777),
            FchmodatFlags::FollowSymlink,
        )?;
        Ok(UnixDatagram::from(socket))
    };
    make().map(Some).map_err(|e: Errno| {
        let path = entry.path().join(NOTIFY_DIR).join(NOTIFY_SOCKET);
        Error::system("listen on", path.display(), e)
    })
}

/// What is left to know of a process that was told of a socket: whether it is ready.
///
/// For [`CreateOptions::notify`](crate::CreateOptions::notify).
#[derive(Debug)]
pub struct Readiness {
    socket: UnixDatagram,
    process: OwnedFd,
    pid: i32,
}

impl Readiness {
    pub(super) fn new(socket: UnixDatagram, process: OwnedFd, pid: i32) -> Self {
        Self { socket, process, pid }
    }

    /// The pid of the container's process, in the caller's pid namespace.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Blocks until the process, or any other in the container, says that it is ready: the line that
    /// says so (`READY=1`). `None` if the process has ended without. Other lines are passed over.
    ///
    /// # Errors
    /// If the socket or the pidfd cannot be waited for.
    pub fn wait(&self) -> Result<Option<String>> {
        loop {
            let ended = self.sleep()?;
            if let Some(line) = self.read()? {
                return Ok(Some(line));
            }
            if ended {
                return Ok(None);
            }
        }
    }

    /// Until something has come, or the process has ended (true).
    fn sleep(&self) -> Result<bool> {
        let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut both = [watch(self.socket.as_fd()), watch(self.process.as_fd())];
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) => Ok(both.last().and_then(PollFd::any).unwrap_or(true)),
            Err(Errno::EINTR) => Ok(false),
            Err(e) => Err(Error::system("poll", "notify socket", e)),
        }
    }

    /// Everything that has come, up to a line that says "ready". Messages are datagrams.
    fn read(&self) -> Result<Option<String>> {
        let failed = |e| Error::io("read", "notify socket", &e);
        self.socket.set_nonblocking(true).map_err(failed)?;
        let mut message = [0; 4096];
        loop {
            match self.socket.recv(&mut message) {
                Ok(len) => {
                    let text = String::from_utf8_lossy(message.get(..len).unwrap_or_default());
                    if let Some(line) = text.lines().find(|line| line.starts_with("READY=")) {
                        return Ok(Some(line.to_owned()));
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return Ok(None),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(failed(e)),
            }
        }
    }
}
