//! Terminals: one for the runtime to run on, and the socket that a container's is sent to.

use std::fs::File;
use std::io::{IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};

use crate::command::{Cmd, Running, wait_until};
use crate::outcome::Outcome;

/// The end of a terminal at which a person would sit.
#[derive(Debug)]
pub struct Terminal {
    master: File,
    /// Kept open, so that what was printed can be read after the last process has gone.
    slave: Option<File>,
    seen: String,
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Terminal {
    /// A new terminal of 30 rows and 100 columns.
    ///
    /// # Panics
    /// When there is none.
    pub fn new() -> Self {
        let size = Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        Self { slave: Some(slave.into()), ..Self::of(master) }
    }

    /// A container's, by its master end.
    pub fn of(master: OwnedFd) -> Self {
        nonblocking(&master);
        Self { master: master.into(), slave: None, seen: String::new() }
    }

    /// Starts a command in the foreground of this terminal.
    pub fn spawn(&self, cmd: Cmd) -> Running {
        let slave = || self.slave.as_ref().unwrap().try_clone().unwrap();
        cmd.on_terminal(slave()).spawn_into(slave(), slave())
    }

    /// Runs a command to its end with this as its terminal, its output going elsewhere.
    pub fn run_redirected(&self, cmd: Cmd) -> Outcome {
        cmd.on_terminal(self.slave.as_ref().unwrap().try_clone().unwrap()).run()
    }

    /// Settings as they are now.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.master).unwrap()
    }

    /// Whether keys go to the program as they are typed.
    pub fn is_raw(&self) -> bool {
        !self.settings().local_flags.intersects(LocalFlags::ICANON | LocalFlags::ECHO)
    }

    /// Types something.
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Changes the size, which sends SIGWINCH to whoever is in the foreground.
    #[allow(unsafe_code)]
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the kernel reads one winsize behind the pointer.
        let done =
            unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(done, 0);
    }

    /// What has been printed so far.
    pub fn seen(&mut self) -> &str {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = self.master.read(&mut buffer) {
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        &self.seen
    }

    /// Types something again and again until something has been printed.
    #[track_caller]
    pub fn type_until(&mut self, typed: &str, text: &str) {
        let mut last = 0;
        wait_until(&format!("{text:?} on the terminal"), || {
            if last % 20 == 0 {
                self.type_in(typed);
            }
            last += 1;
            self.seen().contains(text)
        });
    }

    /// Waits until something has been printed.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        let mut last = String::new();
        wait_until(&format!("{text:?} on the terminal"), || {
            self.seen().clone_into(&mut last);
            last.contains(text)
        });
    }
}

#[allow(unsafe_code)]
fn nonblocking(fd: &OwnedFd) {
    // SAFETY: plain numbers.
    let done =
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, libc::O_RDWR | libc::O_NONBLOCK) };
    assert_eq!(done, 0);
}

/// A Unix socket that waits for a descriptor, as an engine's does.
#[derive(Debug)]
pub struct Receiver {
    path: PathBuf,
    listener: UnixListener,
}

impl Receiver {
    /// Listens at a path.
    ///
    /// # Panics
    /// When it cannot.
    pub fn at(path: PathBuf) -> Self {
        let listener = UnixListener::bind(&path).unwrap();
        Self { path, listener }
    }

    /// For the command line.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The descriptor that was sent.
    ///
    /// # Panics
    /// When none was.
    #[track_caller]
    pub fn receive(&self) -> OwnedFd {
        self.listener.set_nonblocking(true).unwrap();
        let (connection, _) = self.listener.accept().expect("nobody has connected");
        let mut name = [0; 256];
        let mut parts = [IoSliceMut::new(&mut name)];
        let mut room = nix::cmsg_space!(RawFd);
        let message = recvmsg::<()>(
            connection.as_raw_fd(),
            &mut parts,
            Some(&mut room),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )
        .unwrap();
        assert!(message.bytes > 0, "some receivers want data beside the descriptor");
        let number = message.cmsgs().unwrap().find_map(|message| match message {
            ControlMessageOwned::ScmRights(numbers) => numbers.first().copied(),
            _ => None,
        });
        owned(number.expect("no descriptor"))
    }
}

#[allow(unsafe_code)]
fn owned(number: RawFd) -> OwnedFd {
    // SAFETY: recvmsg has just made it, for this process alone.
    unsafe { OwnedFd::from_raw_fd(number) }
}
