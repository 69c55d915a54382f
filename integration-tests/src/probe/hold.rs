//! What a checkpoint has to be told of: held by a process while it counts.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;

use nix::fcntl::{Flock, FlockArg};

use crate::process::count_while;

/// Counts in /count as long as what is held is there.
pub fn run(words: &[&str]) -> Option<u8> {
    let held: io::Result<Box<dyn FnMut() -> bool>> = match words {
        ["lock", path] => lock(path),
        ["connection"] => connection(),
        ["unlinked", path, other] => unlinked(path, other),
        ["socket", path] => socket(path),
        _ => return None,
    };
    Some(held.map_or(1, |held| count_while("/count", held)))
}

/// Nobody else gets it; that it is still locked is for others to try.
fn lock(path: &str) -> io::Result<Box<dyn FnMut() -> bool>> {
    let file = Flock::lock(File::create(path)?, FlockArg::LockExclusive).map_err(|(_, e)| e)?;
    Ok(Box::new(move || file.metadata().is_ok()))
}

/// To ourselves, over the loopback interface.
fn connection() -> io::Result<Box<dyn FnMut() -> bool>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    Ok(Box::new(move || {
        let mut byte = [0];
        near.write_all(b"x").and_then(|()| far.read_exact(&mut byte)).is_ok() && byte == *b"x"
    }))
}

/// A file that was opened by a name that is gone, and has another.
fn unlinked(path: &str, other: &str) -> io::Result<Box<dyn FnMut() -> bool>> {
    let mut file = File::create(path)?;
    fs::hard_link(path, other)?;
    fs::remove_file(path)?;
    Ok(Box::new(move || file.write_all(b"x").is_ok()))
}

/// Connected to one of somebody outside.
fn socket(path: &str) -> io::Result<Box<dyn FnMut() -> bool>> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(Box::new(move || match socket.send(b"x") {
        Err(e) => e.kind() == io::ErrorKind::WouldBlock,
        Ok(_) => true,
    }))
}
