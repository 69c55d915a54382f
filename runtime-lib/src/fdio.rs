//! Small files through descriptors, in as few system calls as they take.
//!
//! `std::fs` asks for a file's size and position before it reads; state, `/proc` and cgroup files
//! are too small and too often read for that.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;

/// No file that is read here is honestly larger (a state or config file, a list of pids).
const MAX_LEN: usize = 64 << 20;

/// Reads `name` under `dir`, of which the last component may not be a symbolic link.
pub(crate) fn read_at(dir: impl AsFd, name: &Path) -> Result<Vec<u8>, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    read_to_end(openat(dir, name, flags, Mode::empty())?.as_fd())
}

/// Reads a kernel file of one record, or a regular one: a read that gives less than was asked for has
/// come to their end. (A list of many records, as `cgroup.procs`, may give less at any point.)
pub(crate) fn read_short(dir: impl AsFd, name: &Path) -> Result<Vec<u8>, Errno> {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let file = openat(dir, name, flags, Mode::empty())?;
    read_until(file.as_fd(), |n| n < CHUNK)
}

/// Reads the file at `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Errno> {
    read_at(AT_FDCWD, path)
}

/// Writes `data` to an existing kernel file in one system call: each write is one command.
pub(crate) fn write(path: &Path, data: &[u8]) -> Result<(), Errno> {
    write_once(open_to_write(path)?.as_fd(), data)
}

/// Opens an existing kernel file for [`write_once`].
pub(crate) fn open_to_write(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    openat(AT_FDCWD, path, flags, Mode::empty())
}

/// One write, repeated only if a signal came before anything was done.
pub(crate) fn write_once(file: BorrowedFd<'_>, data: &[u8]) -> Result<(), Errno> {
    loop {
        match nix::unistd::write(file, data) {
            Ok(n) if n == data.len() => return Ok(()),
            Ok(_) => return Err(Errno::EIO),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e),
        }
    }
}

/// Reads until nobody can write any more, or to the end of a regular file.
pub(crate) fn read_to_end(file: BorrowedFd<'_>) -> Result<Vec<u8>, Errno> {
    read_until(file, |n| n == 0)
}

/// Reads from a FIFO that was opened with O_NONBLOCK until nobody can write any more: ETIMEDOUT if somebody still
/// could, and has not written for so long.
pub(crate) fn read_to_end_within(
    fifo: BorrowedFd<'_>,
    patience: Duration,
) -> Result<Vec<u8>, Errno> {
    let limit = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    let mut data = Vec::new();
    let mut chunk = [0; CHUNK];
    loop {
        match nix::unistd::read(fifo, &mut chunk) {
            Ok(0) => return Ok(data),
            Ok(n) if data.len() + n <= MAX_LEN => data.extend(chunk.iter().take(n)),
            Ok(_) => return Err(Errno::EFBIG),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => match poll(&mut [PollFd::new(fifo, PollFlags::POLLIN)], limit) {
                Ok(0) => return Err(Errno::ETIMEDOUT),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(e) => return Err(e),
            },
            Err(e) => return Err(e),
        }
    }
}

const CHUNK: usize = 4096;

fn read_until(file: BorrowedFd<'_>, last: impl Fn(usize) -> bool) -> Result<Vec<u8>, Errno> {
    let mut data = Vec::new();
    let mut chunk = [0; CHUNK];
    loop {
        let n = match nix::unistd::read(file, &mut chunk) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        data.extend(chunk.iter().take(n));
        if last(n) {
            return Ok(data);
        }
        if data.len() > MAX_LEN {
            return Err(Errno::EFBIG);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_whose_writer_is_silent_is_not_read_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        let open =
            |flags| nix::fcntl::open(&path, flags | OFlag::O_NONBLOCK, Mode::empty()).unwrap();
        let (reader, writer) = (open(OFlag::O_RDONLY), open(OFlag::O_WRONLY));
        let read = || read_to_end_within(reader.as_fd(), Duration::from_millis(20));
        write_once(writer.as_fd(), b"x").unwrap();
        assert_eq!(read(), Err(Errno::ETIMEDOUT));
        write_once(writer.as_fd(), b"yz").unwrap();
        drop(writer);
        assert_eq!(read(), Ok(b"yz".to_vec()));
    }
}
