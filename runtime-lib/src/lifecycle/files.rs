//! Small files that verbs write or look into, and the start socket.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};

use crate::error::{Error, Result};
use crate::state::{Entry, START_SOCKET};

/// Writes a pid file under a temporary name beside it and renames: whoever sees it sees all of it.
pub(super) fn write_pid_file(path: &Path, pid: i32) -> Result<()> {
    let failed = |e: std::io::Error| Error::io("write pid file", path, &e);
    let name = path.file_name().ok_or_else(|| {
        Error::unsupported("pid-file", format!("{} is not a file's path", path.display()))
    })?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    let temporary: PathBuf = path.with_file_name(temporary);
    // One left by a crash goes first; whatever appears in its place meanwhile is not written to.
    let _ = fs::remove_file(&temporary);
    let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&temporary);
    let written = file.and_then(|mut file| write!(file, "{pid}"));
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    renamed.map_err(|e| {
        let _ = fs::remove_file(&temporary);
        failed(e)
    })
}

/// The name of a user in the host's /etc/passwd, or the number. Not through getpwuid(3), which loads
/// libraries into a static program.
pub(super) fn user_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| uid.to_string())
}

/// The socket on which a created container's executor waits.
pub(super) fn listen_for_start(entry: &Entry) -> Result<OwnedFd> {
    let make = || {
        let socket = start_socket()?;
        bind(socket.as_raw_fd(), &address(entry)?)?;
        listen(&socket, Backlog::new(1)?)?;
        Ok(socket)
    };
    make().map_err(|e: Errno| Error::system("listen on", display(entry), e))
}

/// A connection to the waiting executor: it goes on as soon as there is one.
pub(super) fn connect_to_start(entry: &Entry) -> Result<OwnedFd> {
    let make = || {
        let socket = start_socket()?;
        connect(socket.as_raw_fd(), &address(entry)?)?;
        Ok(socket)
    };
    make().map_err(|e: Errno| match e {
        Errno::ECONNREFUSED | Errno::ENOENT => {
            Error::WrongStatus("cannot start an already running container".into())
        }
        e => Error::system("connect to", display(entry), e),
    })
}

/// The container has been started: it is not `created` any more.
pub(super) fn remove_start_socket(entry: &Entry) -> Result<()> {
    use nix::unistd::{UnlinkatFlags, unlinkat};
    match unlinkat(entry.dir(), START_SOCKET, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(Error::system("unlink", display(entry), e)),
    }
}

fn start_socket() -> nix::Result<OwnedFd> {
    socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)
}

/// By descriptor: the path of a state directory may be longer than the 108 bytes of a socket address.
/// The calling thread's, which need not share its descriptors with the program's first thread.
fn address(entry: &Entry) -> nix::Result<UnixAddr> {
    let dir = entry.dir().as_raw_fd();
    UnixAddr::new(format!("/proc/thread-self/fd/{dir}/{START_SOCKET}").as_str())
}

fn display(entry: &Entry) -> String {
    entry.path().join(START_SOCKET).display().to_string()
}
