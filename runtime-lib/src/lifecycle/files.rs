//! Small files that verbs write or look into, and the start FIFO.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat};
use nix::sys::stat::Mode;
use nix::unistd::mkfifoat;

use crate::error::{Error, Result};
use crate::fdio;
use crate::prepare::PATIENCE;
use crate::state::{Entry, START_FIFO};

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

/// What a process will have as standard streams: the given ones, or the caller's.
pub(super) fn streams(given: Option<&[OwnedFd; 3]>) -> Vec<String> {
    let numbers = given.map_or([0, 1, 2], |given| given.each_ref().map(AsRawFd::as_raw_fd));
    let links = numbers.map(|number| fs::read_link(format!("/proc/thread-self/fd/{number}")));
    links.map(|link| link.unwrap_or_default().to_string_lossy().into_owned()).to_vec()
}

/// Standard streams of a process that has none of the caller's.
pub(super) fn nowhere() -> Result<[OwnedFd; 3]> {
    let null = || OpenOptions::new().read(true).write(true).open("/dev/null").map(OwnedFd::from);
    let streams = null().and_then(|null| Ok([null.try_clone()?, null.try_clone()?, null]));
    streams.map_err(|e| Error::io("open", "/dev/null", &e))
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

/// The FIFO that a created container's executor waits at, as it is given to it: full, so that a write
/// blocks until `start` has emptied it. Open for both directions, so that nothing depends on who else
/// has it open.
pub(super) fn make_start_fifo(entry: &Entry) -> Result<OwnedFd> {
    const SMALLEST: i32 = 4096; // the kernel makes it a page
    let make = || {
        mkfifoat(entry.dir(), START_FIFO, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let flags = OFlag::O_RDWR | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fifo = openat(entry.dir(), START_FIFO, flags, Mode::empty())?;
        let capacity = fcntl(&fifo, FcntlArg::F_SETPIPE_SZ(SMALLEST))?;
        fdio::write_once(fifo.as_fd(), &vec![0; usize::try_from(capacity).unwrap_or(0)])?;
        Ok(fifo)
    };
    make().map_err(|e: Errno| Error::system("make", display(entry), e))
}

/// Empties the FIFO, which lets the executor go on, and waits until the executor has closed it: what
/// it wrote meanwhile.
pub(super) fn release(entry: &Entry) -> Result<Vec<u8>> {
    let running = || Error::WrongStatus("cannot start an already running container".into());
    let empty = || {
        // Not to wait for an executor that is gone.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fifo = openat(entry.dir(), START_FIFO, flags, Mode::empty())?;
        let capacity = usize::try_from(fcntl(&fifo, FcntlArg::F_GETPIPE_SZ)?).unwrap_or(0);
        Ok((fdio::read_to_end_within(fifo.as_fd(), PATIENCE)?, capacity))
    };
    match empty() {
        Ok((data, capacity)) => match data.get(capacity..) {
            Some([_, said @ ..]) => Ok(said.to_vec()),
            _ if data.is_empty() => Err(running()),
            _ => Ok(Vec::new()),
        },
        Err(Errno::ENOENT) => Err(running()),
        Err(e) => Err(Error::system("read", display(entry), e)),
    }
}

/// The container has been started: it is not `created` any more.
pub(super) fn remove_start_fifo(entry: &Entry) -> Result<()> {
    use nix::unistd::{UnlinkatFlags, unlinkat};
    match unlinkat(entry.dir(), START_FIFO, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(Error::system("unlink", display(entry), e)),
    }
}

fn display(entry: &Entry) -> String {
    entry.path().join(START_FIFO).display().to_string()
}
