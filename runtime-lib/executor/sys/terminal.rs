//! The ioctls of terminals (ioctl_tty(2)).

use super::{Fd, Result, arch, fd, nr, plain, unit};

/// Lets the other end of a new terminal be opened.
pub fn unlock_terminal(master: Fd) -> Result<()> {
    const TIOCSPTLCK: usize = 0x4004_5431;
    let unlocked = 0i32;
    unit(call!(nr::IOCTL, master, TIOCSPTLCK, &raw const unlocked))
}

/// The other end of a terminal, not made the controlling one.
pub fn terminal_peer(master: Fd) -> Result<Fd> {
    const TIOCGPTPEER: usize = 0x5441;
    const O_RDWR_NOCTTY_CLOEXEC: usize = 2 | 0o400 | 0o2000000;
    fd(plain(nr::IOCTL, [master as usize, TIOCGPTPEER, O_RDWR_NOCTTY_CLOEXEC, 0, 0, 0]))
}

pub fn set_window_size(terminal: Fd, rows: u16, columns: u16) -> Result<()> {
    const TIOCSWINSZ: usize = 0x5414;
    let size = [rows, columns, 0, 0]; // struct winsize
    unit(call!(nr::IOCTL, terminal, TIOCSWINSZ, size.as_ptr()))
}

/// Clears ONLCR in the terminal's output modes.
pub fn plain_line_feeds(terminal: Fd) -> Result<()> {
    const TCGETS: usize = 0x5401;
    const TCSETS: usize = 0x5402;
    const ONLCR: u32 = 4;
    let mut modes = [0u32; 16]; // struct termios (36 bytes): c_iflag, c_oflag, ...
    unit(call!(nr::IOCTL, terminal, TCGETS, modes.as_mut_ptr()))?;
    modes[1] &= !ONLCR;
    unit(call!(nr::IOCTL, terminal, TCSETS, modes.as_ptr()))
}

/// Makes it the terminal of the session that the caller leads.
pub fn set_controlling_terminal(terminal: Fd) -> Result<()> {
    const TIOCSCTTY: usize = 0x540e;
    unit(plain(nr::IOCTL, [terminal as usize, TIOCSCTTY, 0, 0, 0, 0]))
}
