//! Capabilities, and the home directory that belongs to a uid.

use crate::decimal;
use crate::machine::Machine;
use crate::op::Bytes;
use crate::sys::{self, Fd, Result, errno};

/// Drops what is not in `keep`, up to the last capability this kernel knows (EINVAL beyond it).
pub fn bounding_set(keep: u64) -> Result<()> {
    const PR_CAPBSET_DROP: u32 = 24;
    for capability in 0..64 {
        if keep >> capability & 1 == 1 {
            continue;
        }
        match sys::prctl(PR_CAPBSET_DROP, capability, 0) {
            Err(errno::EINVAL) => break,
            done => done?,
        }
    }
    Ok(())
}

/// Clears the ambient set, then raises `raise`.
pub fn ambient_set(raise: u64) -> Result<()> {
    const PR_CAP_AMBIENT: u32 = 47;
    const RAISE: u64 = 2;
    const CLEAR_ALL: u64 = 4;
    sys::prctl(PR_CAP_AMBIENT, CLEAR_ALL, 0)?;
    for capability in 0..64 {
        if raise >> capability & 1 == 1 {
            sys::prctl(PR_CAP_AMBIENT, RAISE, capability)?;
        }
    }
    Ok(())
}

/// Writes the home directory of `uid` into `value`, whose last byte stays NUL.
pub fn home(machine: &mut Machine, uid: u32, value: Bytes) -> Result<()> {
    const CLOEXEC_NONBLOCK: u32 = sys::O_CLOEXEC | sys::O_NONBLOCK; // a FIFO must not hang us
    let at = value.at as usize;
    let room = machine.plan.get_mut(at..at + value.len as usize).ok_or(errno::EINVAL)?;
    room.fill(0);
    let last = room.len().saturating_sub(1);
    let room = room.get_mut(..last).ok_or(errno::EINVAL)?;
    let found = match sys::openat(sys::CWD, c"/etc/passwd", CLOEXEC_NONBLOCK) {
        Ok(passwd) => {
            let found = scan_passwd(passwd, uid, room);
            sys::close(passwd);
            found
        }
        Err(_) => false,
    };
    if !found {
        room.fill(0);
        if let Some(first) = room.first_mut() {
            *first = b'/';
        }
    }
    Ok(())
}

/// Looks for the line of `uid` (name:password:uid:gid:gecos:home:shell) and copies its home.
/// A line longer than the buffer is passed over; so is a home that does not fit.
fn scan_passwd(passwd: Fd, uid: u32, home: &mut [u8]) -> bool {
    const LIMIT: usize = 4096; // reads: 16 MiB, and no endless file
    let mut buffer = [0u8; 4096];
    let mut held = 0;
    for _ in 0..LIMIT {
        let Some(free) = buffer.get_mut(held..) else { return false };
        let got = sys::read(passwd, free).unwrap_or(0);
        let filled = held + got;
        let mut start = 0;
        while let Some(rest) = buffer.get(start..filled) {
            let line = match rest.iter().position(|b| *b == b'\n') {
                Some(end) => rest.get(..end).unwrap_or(rest),
                None if got == 0 && !rest.is_empty() => rest,
                None => break,
            };
            if let Some(found) = home_in_line(line, uid) {
                return copy(found, home);
            }
            start += line.len() + 1;
        }
        if got == 0 {
            return false;
        }
        held = shift(&mut buffer, start, filled);
        if held == buffer.len() {
            held = 0;
        }
    }
    false
}

/// Moves what lies in [start, end) to the front; its length.
fn shift(buffer: &mut [u8], start: usize, end: usize) -> usize {
    let len = end.saturating_sub(start);
    for i in 0..len {
        let byte = buffer.get(start + i).copied().unwrap_or(0);
        if let Some(to) = buffer.get_mut(i) {
            *to = byte;
        }
    }
    len
}

fn home_in_line(line: &[u8], uid: u32) -> Option<&[u8]> {
    let mut fields = line.split(|b| *b == b':');
    if decimal(fields.nth(2)?) != Some(uid) {
        return None;
    }
    fields.nth(2).filter(|home| !home.is_empty())
}

fn copy(from: &[u8], to: &mut [u8]) -> bool {
    match to.get_mut(..from.len()) {
        Some(room) => {
            room.copy_from_slice(from);
            true
        }
        None => false,
    }
}
