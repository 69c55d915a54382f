//! The foreground of a process with a terminal: what is typed goes to its terminal, what it prints to
//! our standard output. Our own terminal is raw meanwhile, and gets its settings back at the end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use libteu::WindowSize;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::poll::PollFlags;
use nix::sys::stat::Mode;
use nix::unistd::{read, write};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::{
    OptionalActions, OutputModes, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize,
};

use crate::Error;

/// So much a pipe that poll(2) calls writable takes without blocking (PIPE_BUF).
const CHUNK: usize = 4096;

/// A descriptor is at its end, one way or the other.
const OVER: PollFlags = PollFlags::POLLHUP.union(PollFlags::POLLERR).union(PollFlags::POLLNVAL);

/// Our own terminal, raw; restored when dropped.
struct Host {
    terminal: OwnedFd,
    before: Termios,
}

impl Host {
    /// The terminal among the standard streams, else the controlling one. None at all is no error:
    /// then there is nothing to make raw, and no size to follow.
    fn find() -> Option<OwnedFd> {
        let stream = [stderr(), stdout(), stdin()].into_iter().find(|stream| isatty(stream));
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        match stream {
            Some(stream) => stream.try_clone_to_owned().ok(),
            None => open("/dev/tty", flags, Mode::empty()).ok(),
        }
    }

    /// Every key goes to the container's terminal, which echoes and edits. Output is still processed
    /// here: the container's terminal leaves line feeds as they are.
    fn make_raw(terminal: OwnedFd) -> Result<Self, Error> {
        let before = tcgetattr(&terminal).map_err(failed("tcgetattr"))?;
        let mut raw = before.clone();
        raw.make_raw();
        raw.output_modes.insert(OutputModes::OPOST);
        tcsetattr(&terminal, OptionalActions::Now, &raw).map_err(failed("tcsetattr"))?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}

fn failed(action: &'static str) -> impl Fn(rustix::io::Errno) -> Error {
    move |e| Error::System { action, errno: Errno::from_raw(e.raw_os_error()) }
}

/// Bytes on their way from one descriptor to another.
#[derive(Default)]
struct Pipe {
    bytes: Vec<u8>,
    sent: usize,
    /// Nothing more can come.
    ended: bool,
}

impl Pipe {
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    fn wants_input(&self) -> bool {
        !self.ended && self.is_empty()
    }

    /// Called when `from` has something, or has come to its end.
    fn fill(&mut self, from: BorrowedFd<'_>) {
        self.bytes.resize(CHUNK, 0);
        self.sent = 0;
        let got = match read(from, &mut self.bytes) {
            Ok(n) => n,
            Err(Errno::EINTR | Errno::EAGAIN) => return self.bytes.clear(),
            // EIO: nobody has the other end of the terminal open any more.
            Err(_) => 0,
        };
        self.bytes.truncate(got);
        self.ended = got == 0;
    }

    /// Called when `to` takes something. If nobody is there to read it, it is dropped with all that
    /// would follow.
    fn drain(&mut self, to: BorrowedFd<'_>) {
        match write(to, self.rest()) {
            Ok(n) => self.sent += n,
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => {
                self.bytes.clear();
                self.ended = true;
            }
        }
    }
}

/// The container's terminal in the foreground.
pub struct Console {
    master: OwnedFd,
    host: Option<Host>,
    input: Pipe,
    output: Pipe,
}

impl Console {
    /// Takes over the master end of a process's terminal.
    pub fn new(master: OwnedFd) -> Result<Self, Error> {
        let host = Host::find().map(Host::make_raw).transpose()?;
        Ok(Self { master, host, input: Pipe::default(), output: Pipe::default() })
    }

    /// The size of our own terminal.
    pub fn size() -> Option<WindowSize> {
        let size = tcgetwinsize(Host::find()?).ok()?;
        Some(WindowSize { rows: size.ws_row, columns: size.ws_col })
    }

    /// Gives the container's terminal the size of ours.
    pub fn resize(&self) {
        if let Some(host) = &self.host
            && let Ok(size) = tcgetwinsize(&host.terminal)
        {
            // A terminal that has just been hung up needs none.
            let _ = tcsetwinsize(&self.master, size);
        }
    }

    /// What there is to wait for. What nothing is wanted of must be left out, or its hang-up would
    /// wake us over and over.
    pub fn watched(&self) -> [(BorrowedFd<'_>, PollFlags); 3] {
        let when = |wanted, flag| if wanted { flag } else { PollFlags::empty() };
        let master = when(self.output.wants_input(), PollFlags::POLLIN)
            | when(!self.input.is_empty(), PollFlags::POLLOUT);
        [
            (self.master.as_fd(), master),
            (stdin(), when(self.input.wants_input(), PollFlags::POLLIN)),
            (stdout(), when(!self.output.is_empty(), PollFlags::POLLOUT)),
        ]
    }

    /// Moves what can be moved without waiting, given what became of [`Console::watched`].
    pub fn carry(&mut self, [master, input, output]: [PollFlags; 3]) {
        let (readable, writable) = (PollFlags::POLLIN | OVER, PollFlags::POLLOUT | OVER);
        if input.intersects(readable) && self.input.wants_input() {
            self.input.fill(stdin());
        }
        if master.intersects(writable) && !self.input.is_empty() {
            self.input.drain(self.master.as_fd());
        }
        if master.intersects(readable) && self.output.wants_input() {
            self.output.fill(self.master.as_fd());
        }
        if output.intersects(writable) && !self.output.is_empty() {
            self.output.drain(stdout());
        }
    }

    /// Output that waits for our reader.
    pub fn is_waiting(&self) -> bool {
        !self.output.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write, pipe};

    use super::*;

    #[test]
    fn bytes_arrive_in_order_and_the_end_is_noticed() {
        let ((from, mut typed), (mut seen, to)) = (pipe().unwrap(), pipe().unwrap());
        let mut way = Pipe::default();
        typed.write_all(b"hello").unwrap();
        way.fill(from.as_fd());
        assert!(!way.wants_input());
        way.drain(to.as_fd());
        assert!(way.wants_input());
        drop(typed);
        way.fill(from.as_fd());
        assert!(!way.wants_input() && way.is_empty());
        drop(to);
        let mut text = String::new();
        seen.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn without_a_reader_nothing_more_is_wanted() {
        let ((from, mut typed), (seen, to)) = (pipe().unwrap(), pipe().unwrap());
        let mut way = Pipe::default();
        typed.write_all(b"hello").unwrap();
        way.fill(from.as_fd());
        drop(seen);
        way.drain(to.as_fd());
        assert!(!way.wants_input() && way.is_empty());
    }
}
