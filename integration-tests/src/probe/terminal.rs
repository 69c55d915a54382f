//! What a process knows of its terminal.
#![allow(unsafe_code, reason = "ioctl")]

use std::fs::File;
use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getpgrp, getpid, getsid, isatty, tcgetpgrp};
use serde_json::{Value, json};

use crate::dev;

/// Standard streams, session and size.
pub fn report() -> Value {
    let (input, output, error) = (stdin(), stdout(), stderr());
    let streams = [input.as_fd(), output.as_fd(), error.as_fd()];
    let names = [0, 1, 2].map(|n| std::fs::read_link(format!("/proc/self/fd/{n}")).ok());
    json!({
        "isatty": streams.map(|fd| isatty(fd).unwrap_or(false)),
        "names": names,
        "size": size(streams[0]),
        "session_leader": getsid(None) == Ok(getpid()),
        "foreground": tcgetpgrp(streams[0]).is_ok_and(|group| group == getpgrp()),
        "controlling": File::open("/dev/tty").is_ok(),
        "console": dev::stat(Path::new("/dev/console")).ok(),
        "console_is_ours": console_is(streams[0]),
    })
}

fn size(terminal: BorrowedFd<'_>) -> Option<[u16; 2]> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the kernel writes one winsize.
    let done = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) };
    (done == 0).then_some([size.ws_row, size.ws_col])
}

fn console_is(terminal: BorrowedFd<'_>) -> bool {
    let console = nix::sys::stat::stat("/dev/console").map(|s| s.st_rdev);
    let own = nix::sys::stat::fstat(terminal).map(|s| s.st_rdev);
    console.is_ok() && console == own
}

/// Prints the size now and whenever it changes, until SIGTERM.
pub fn winch() -> u8 {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGWINCH);
    signals.add(Signal::SIGTERM);
    if signals.thread_block().is_err() {
        return 1;
    }
    loop {
        let input = stdin();
        println!("size {:?}", size(input.as_fd()).unwrap_or_default());
        match signals.wait() {
            Ok(Signal::SIGWINCH) => {}
            _ => return 0,
        }
    }
}
