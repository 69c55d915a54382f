//! Where the master end of a container's terminal goes, and the sockets that descriptors are sent to.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
    connect, recvmsg, send, sendmsg, setsockopt, socket, socketpair, sockopt,
};
use nix::sys::stat::Mode;
use nix::sys::time::{TimeVal, TimeValLike};
use rustix::termios::{OptionalActions, OutputModes, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use super::{Console, WindowSize};
use crate::compile::Foreground;
use crate::error::{Error, Result};

/// Both ends of the way that a terminal takes to its owner.
#[derive(Debug, Default)]
pub(super) struct Delivery {
    /// What the executor sends it to.
    pub(super) executor: Option<OwnedFd>,
    /// What it is received from, if the caller keeps it.
    own: Option<OwnedFd>,
    /// What that means for the terminal.
    pub(super) foreground: Option<Foreground>,
}

impl Delivery {
    /// Opens what the caller has chosen. The words are runc's.
    pub(super) fn open(console: &Console, terminal: bool) -> Result<Self> {
        let refused = |reason| Err(Error::unsupported("process.terminal", reason));
        match (console, terminal) {
            (Console::None, true) => {
                refused("cannot allocate tty if runc will detach without setting console socket")
            }
            (Console::Socket(_), false) => {
                refused("cannot use console socket if runc will not detach or allocate tty")
            }
            (Console::Socket(path), true) => {
                let executor = Some(connect_to(path, "console socket")?);
                Ok(Self { executor, ..Self::default() })
            }
            (Console::Keep { size }, true) => pair(size()),
            (Console::None | Console::Keep { .. }, false) => Ok(Self::default()),
        }
    }

    /// The master end, which has been sent by now.
    pub(super) fn master(self) -> Result<Option<OwnedFd>> {
        self.own.map(|own| receive(&own)).transpose()
    }
}

fn pair(size: Option<WindowSize>) -> Result<Delivery> {
    let (kind, flags) = (SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
    let (own, executor) = socketpair(AddressFamily::Unix, kind, None, flags)
        .map_err(|e| Error::system("socketpair for", "the terminal", e))?;
    let size = size.map(|size| (size.rows, size.columns));
    let foreground = Some(Foreground { size });
    Ok(Delivery { executor: Some(executor), own: Some(own), foreground })
}

fn receive(own: &OwnedFd) -> Result<OwnedFd> {
    let failed = |e| Error::system("recvmsg", "the terminal's master end", e);
    let mut name = [0; 64];
    let mut parts = [IoSliceMut::new(&mut name)];
    let mut room = nix::cmsg_space!(RawFd);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(own.as_raw_fd(), &mut parts, Some(&mut room), flags);
    let message = message.map_err(failed)?;
    let rights = message.cmsgs().map_err(failed)?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(numbers) => numbers.first().copied(),
        _ => None,
    });
    let number = rights.ok_or_else(|| failed(Errno::ENODATA))?;
    Ok(adopt(number))
}

#[allow(unsafe_code)]
fn adopt(number: RawFd) -> OwnedFd {
    // SAFETY: recvmsg has just made this descriptor for us; the buffer has room for one only, so no
    // other is lost, and nobody else knows its number.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// Sends the master end of a terminal that was not made by an executor.
pub(super) fn hand_over(socket: &OwnedFd, master: &OwnedFd) -> Result<()> {
    send_over(socket, b"/dev/ptmx", master.as_raw_fd())
        .map_err(|e| Error::system("sendmsg to", "console socket", e))
}

/// Makes such a terminal one as a caller that keeps it expects. Its processes hear of another size.
pub(super) fn settle(master: &OwnedFd, foreground: Foreground) -> Result<()> {
    let failed = |action| {
        move |e: rustix::io::Errno| {
            Error::system(action, "the terminal", Errno::from_raw(e.raw_os_error()))
        }
    };
    let mut modes = tcgetattr(master).map_err(failed("tcgetattr"))?;
    modes.output_modes.remove(OutputModes::ONLCR);
    tcsetattr(master, OptionalActions::Now, &modes).map_err(failed("tcsetattr"))?;
    let Some((ws_row, ws_col)) = foreground.size else { return Ok(()) };
    let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(master, size).map_err(failed("tcsetwinsize"))
}

/// Sends a descriptor to whoever listens at `path`.
pub(super) fn send_to(path: &Path, what: &'static str, descriptor: RawFd) -> Result<()> {
    send_data(path, what, what.as_bytes(), descriptor)
}

/// Sends data and a descriptor, which comes with the first byte.
pub(super) fn send_data(
    path: &Path,
    what: &'static str,
    data: &[u8],
    descriptor: RawFd,
) -> Result<()> {
    send_over(&connect_to(path, what)?, data, descriptor)
        .map_err(|e| Error::system("sendmsg to", path.display(), e))
}

fn send_over(socket: &OwnedFd, data: &[u8], descriptor: RawFd) -> Result<(), Errno> {
    let rights = [descriptor];
    let sent = sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(data)],
        &[ControlMessage::ScmRights(&rights)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    );
    let mut rest = data.get(sent?..).unwrap_or_default();
    while !rest.is_empty() {
        let sent = send(socket.as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL)?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// How long a listener may take, in seconds.
const PATIENCE: i64 = 10;

/// By descriptor: a path may be longer than the 108 bytes of a socket address.
fn connect_to(path: &Path, what: &'static str) -> Result<OwnedFd> {
    let failed =
        |e| Error::system("failed to connect with", format!("{what} {}", path.display()), e);
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let file = openat(AT_FDCWD, path, flags, Mode::empty()).map_err(failed)?;
    let make = || {
        let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let name = format!("/proc/thread-self/fd/{}", file.as_raw_fd());
        // An agent that does not accept or read must not hold us for ever.
        setsockopt(&socket, sockopt::SendTimeout, &TimeVal::seconds(PATIENCE))?;
        connect(socket.as_raw_fd(), &UnixAddr::new(name.as_str())?)?;
        Ok(socket)
    };
    make().map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_terminal_needs_a_place_to_go_and_a_socket_needs_a_terminal() {
        let text = |console, terminal| Delivery::open(&console, terminal).unwrap_err().to_string();
        assert!(text(Console::None, true).contains("cannot allocate tty"));
        let socket = Console::Socket("/no/such/socket".into());
        assert!(text(socket.clone(), false).contains("cannot use console socket"));
        assert!(text(socket, true).contains("console socket /no/such/socket: ENOENT"));
        assert!(
            Delivery::open(&Console::Keep { size: || None }, false).unwrap().executor.is_none()
        );
    }

    #[test]
    fn descriptors_travel_to_sockets_with_long_paths() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("d".repeat(120));
        std::fs::create_dir(&long).unwrap();
        let path = long.join("s");
        let handle = std::fs::File::open(&long).unwrap();
        let short = format!("/proc/self/fd/{}/s", handle.as_raw_fd());
        let listener = UnixListener::bind(short).unwrap();
        let (mut read, write) = std::io::pipe().unwrap();
        send_to(&path, "test", write.as_raw_fd()).unwrap();
        drop(write);
        let (peer, _) = listener.accept().unwrap();
        let mut received = std::fs::File::from(receive(&peer.into()).unwrap());
        received.write_all(b"x").unwrap();
        drop(received);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }
}
