//! Small commands on files: each prints one line and gives an exit status.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags};
use nix::sys::stat::{Mode, SFlag, makedev};
use serde_json::json;

use crate::{dev, procfs};

/// Runs a file command, if it is one.
pub fn run(command: &str, args: &[&str]) -> Option<u8> {
    Some(match (command, args) {
        ("echo", words) => say(&words.join(" ")),
        ("exit", [n]) => n.parse().unwrap_or(64),
        ("env", [name]) => result(std::env::var(name).map_err(io::Error::other)),
        ("cat", []) => result(read_stdin()),
        ("read", [path]) => result(fs::read_to_string(path)),
        ("write", [path, text]) => done(fs::write(path, text)),
        ("append", [path, text]) => done(append(path, text)),
        ("open", [path, access]) => done(open(path, access)),
        ("mkdir", [path]) => done(fs::create_dir(path)),
        ("unlink", [path]) => done(fs::remove_file(path)),
        ("ls", [path]) => result(names(path)),
        ("stat", [path]) => result(dev::stat(Path::new(path)).map(|v| v.to_string())),
        ("xattrs", [path]) => result(crate::xattr::names(path)),
        ("mknod", [path, kind, major, minor]) => done(mknod(path, kind, major, minor)),
        ("mount", [source, target, fstype]) => done(mount(source, target, fstype)),
        ("umount", [path]) => {
            done(nix::mount::umount2(*path, MntFlags::MNT_DETACH).map_err(Into::into))
        }
        ("notify", lines) => done(notify(lines)),
        ("save-stdin", [path]) => done(save_stdin(path)),
        _ => return None,
    })
}

fn say(text: &str) -> u8 {
    println!("{text}");
    0
}

fn result(value: io::Result<String>) -> u8 {
    match value {
        Ok(text) => say(text.trim_end_matches('\n')),
        Err(error) => fail(&error),
    }
}

fn done(value: io::Result<()>) -> u8 {
    result(value.map(|()| "ok".to_owned()))
}

/// Prints the errno's name, to stdout, so that a test can compare it.
pub fn fail(error: &io::Error) -> u8 {
    match error.raw_os_error() {
        Some(errno) => println!("{:?}", Errno::from_raw(errno)),
        None => println!("{error}"),
    }
    1
}

fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn append(path: &str, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())
}

fn open(path: &str, access: &str) -> io::Result<()> {
    let (read, write) = (access.contains('r'), access.contains('w'));
    fs::OpenOptions::new().read(read).write(write).open(path).map(drop)
}

fn names(path: &str) -> io::Result<String> {
    let mut names: Vec<String> = fs::read_dir(path)?
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names.join(" "))
}

fn mknod(path: &str, kind: &str, major: &str, minor: &str) -> io::Result<()> {
    let kind = if kind == "b" { SFlag::S_IFBLK } else { SFlag::S_IFCHR };
    let number = |s: &str| s.parse().map_err(io::Error::other);
    let device = makedev(number(major)?, number(minor)?);
    nix::sys::stat::mknod(path, kind, Mode::from_bits_truncate(0o666), device).map_err(Into::into)
}

fn mount(source: &str, target: &str, fstype: &str) -> io::Result<()> {
    nix::mount::mount(Some(source), target, Some(fstype), MsFlags::empty(), None::<&str>)
        .map_err(Into::into)
}

fn notify(lines: &[&str]) -> io::Result<()> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.connect(std::env::var_os("NOTIFY_SOCKET").unwrap_or_default())?;
    lines.iter().try_for_each(|line| socket.send(line.as_bytes()).map(drop))
}

/// One JSON object a line, appended: hooks of one kind run several times into one file.
fn save_stdin(path: &str) -> io::Result<()> {
    let line = json!({
        "stdin": read_stdin()?,
        "args": std::env::args().collect::<Vec<_>>(),
        "cwd": std::env::current_dir().ok(),
        "env": std::env::vars().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(),
        "namespaces": procfs::namespaces(),
        "cgroup": fs::read_to_string("/proc/self/cgroup").ok(),
        "status": fs::read_to_string("/proc/self/status").ok(),
        "fds": procfs::fds(),
    });
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}
