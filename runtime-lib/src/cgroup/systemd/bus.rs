//! A conversation in D-Bus over a Unix socket, on the calling thread and with a deadline for every wait.
//!
//! The wire format is zbus's. Its connection is not used: that leaves a helper thread behind when a
//! call is given up, and needs an event loop where one question after the other is asked
//! (`docs/design-notes.md`). What is left is the handshake (D-Bus specification, "Authentication
//! Protocol") and the framing of messages.

use std::collections::VecDeque;
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{ReceiveTimeout, SendTimeout};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt, socket,
};
use nix::sys::time::TimeVal;
use serde::Serialize;
use zbus::wire::Type;

use super::message::{ERROR, FIXED_HEADER, Frame, Message, Method, RETURN, SIGNAL, decode, encode};
use crate::error::ErrnoText;
use crate::spec::one_line;

/// Why a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing came in time.
    TimedOut(Duration),
    /// The other side is gone.
    Closed,
    /// The kernel refused.
    Kernel(Errno),
    /// The other side does not let us in.
    Rejected,
    /// It answered with an error: its name and its words.
    Refused { name: String, text: String },
    /// It does not speak D-Bus.
    Garbled(String),
}

/// What calls give back.
pub(super) type Result<T> = std::result::Result<T, Trouble>;

/// Longest line of the handshake that is read.
const LONGEST_LINE: usize = 1024;

/// An open connection. What is not a reply is kept until it is asked for.
#[derive(Debug)]
pub(super) struct Bus {
    socket: OwnedFd,
    patience: Duration,
    serial: u32,
    received: Vec<u8>,
    signals: VecDeque<Message>,
}

impl Bus {
    /// Connects and authenticates; each of the two may take `patience`, and so may every call.
    pub(super) fn connect(address: &UnixAddr, patience: Duration) -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        let signals = VecDeque::new();
        let mut bus = Self { socket, patience, serial: 0, received: Vec::new(), signals };
        bus.limit_sends(patience)?;
        // Waits while the listener's backlog is full, as long as a send may (unix(7)).
        match connect(bus.socket.as_raw_fd(), address) {
            Err(Errno::EAGAIN | Errno::EINTR) => return Err(Trouble::TimedOut(patience)),
            other => other?,
        }
        bus.authenticate()?;
        Ok(bus)
    }

    /// By the credentials of the socket, without naming an id: that would have to be the one that
    /// the other side sees, which in a user namespace is not ours.
    ///
    /// All at once, as sd-bus does: systemd leaves a message that comes together with BEGIN lying until
    /// there is more to read. Each of the first two lines is answered; old versions answer the first
    /// with OK, and the second with an error.
    fn authenticate(&mut self) -> Result<()> {
        let deadline = Instant::now() + self.patience;
        self.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n", deadline)?;
        let mut accepted = false;
        for _ in 0..2 {
            let answer = self.line(deadline)?;
            match answer.split_ascii_whitespace().next() {
                Some("OK") => accepted = true,
                Some("REJECTED") => return Err(Trouble::Rejected),
                Some("DATA" | "ERROR") => {}
                _ => return Err(Trouble::Garbled(format!("{answer:?} in the handshake"))),
            }
        }
        if accepted { Ok(()) } else { Err(Trouble::Rejected) }
    }

    /// Calls a method and waits for its reply.
    pub(super) fn call<B>(&mut self, method: Method, arguments: &B) -> Result<Message>
    where
        B: Serialize + Type,
    {
        let deadline = Instant::now() + self.patience;
        self.serial = self.serial.wrapping_add(1).max(1);
        let serial = self.serial;
        let bytes = encode(method, serial, arguments)?;
        self.send(&bytes, deadline)?;
        loop {
            let message = self.receive(deadline)?;
            match message.kind {
                RETURN if message.reply_to == serial => return Ok(message),
                ERROR if message.reply_to == serial => return Err(message.into_refusal()),
                SIGNAL => self.signals.push_back(message),
                _ => {}
            }
        }
    }

    /// The next signal, also one that came while a reply was awaited.
    pub(super) fn next_signal(&mut self, deadline: Instant) -> Result<Message> {
        if let Some(message) = self.signals.pop_front() {
            return Ok(message);
        }
        loop {
            let message = self.receive(deadline)?;
            if message.kind == SIGNAL {
                return Ok(message);
            }
        }
    }

    /// For how long a call may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    fn receive(&mut self, deadline: Instant) -> Result<Message> {
        self.fill(FIXED_HEADER, deadline)?;
        let whole = Frame::of(&self.received)?;
        self.fill(whole.len, deadline)?;
        let bytes: Vec<u8> = self.received.drain(..whole.len).collect();
        decode(&bytes, &whole)
    }

    fn line(&mut self, deadline: Instant) -> Result<String> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.received.drain(..end + 2).collect();
                return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            if self.received.len() > LONGEST_LINE {
                return Err(Trouble::Garbled("a line without end in the handshake".into()));
            }
            self.fill(self.received.len() + 1, deadline)?;
        }
    }

    /// Reads until there are `len` bytes; more may come.
    fn fill(&mut self, len: usize, deadline: Instant) -> Result<()> {
        let mut chunk = [0; 4096];
        while self.received.len() < len {
            let left = self.left(deadline)?;
            setsockopt(&self.socket, ReceiveTimeout, &time_value(left))?;
            match recv(self.socket.as_raw_fd(), &mut chunk, MsgFlags::empty()) {
                Ok(0) | Err(Errno::ECONNRESET) => return Err(Trouble::Closed),
                Ok(n) => self.received.extend(chunk.iter().take(n)),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<()> {
        while !bytes.is_empty() {
            let left = self.left(deadline)?;
            self.limit_sends(left)?;
            match send(self.socket.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL) {
                Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(Trouble::Closed),
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn limit_sends(&self, left: Duration) -> Result<()> {
        Ok(setsockopt(&self.socket, SendTimeout, &time_value(left))?)
    }

    fn left(&self, deadline: Instant) -> Result<Duration> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Trouble::TimedOut(self.patience)) } else { Ok(left) }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(patience) => {
                write!(f, "no answer within {patience:?} (is systemd, or the bus, overloaded?)")
            }
            Self::Closed => f.write_str("the connection was closed"),
            Self::Kernel(errno) => ErrnoText(*errno).fmt(f),
            Self::Rejected => f.write_str("access denied"),
            Self::Refused { name, text } if text.is_empty() => f.write_str(&one_line(name)),
            Self::Refused { text, .. } => f.write_str(&one_line(text)),
            Self::Garbled(what) => write!(f, "not in the form of D-Bus: {}", one_line(what)),
        }
    }
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

/// Never zero, which would mean for ever.
fn time_value(left: Duration) -> TimeVal {
    let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
    TimeVal::new(seconds, i64::from(left.subsec_micros()).max(1))
}
