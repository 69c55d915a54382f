//! Writes the uid and gid maps of a new user namespace (user_namespaces(7)).

use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::error::{Error, Result};
use crate::fdio;
use crate::plan::{IdMap, IdMaps, MapMethod};
use crate::signal::{self, Signal};

/// `pid` is our child, which waits; `owner` is the part of the config that has the mappings. Should it have died and been reaped by somebody else, its pid may
/// be another process's: the pidfd tells.
pub(super) fn write(pid: i32, pidfd: BorrowedFd<'_>, maps: &IdMaps, owner: &str) -> Result<()> {
    let uids = format!("{owner}.uidMappings");
    let gids = format!("{owner}.gidMappings");
    let dir = PathBuf::from(format!("/proc/{pid}"));
    let files = File::open(&dir).map_err(|e| Error::io("open", &dir, &e))?;
    if signal::send(pidfd, Signal::PROBE).is_err() {
        return Err(Error::ExecutorDied("is gone before its ids were mapped".into()));
    }
    match maps.method {
        MapMethod::Helpers => {
            helper("newuidmap", &uids, pid, &maps.uid)?;
            helper("newgidmap", &gids, pid, &maps.gid)
        }
        method => {
            if method == MapMethod::DirectWithoutSetgroups {
                write_file(&files, "setgroups", &gids, "deny")?;
            }
            write_file(&files, "uid_map", &uids, &lines(&maps.uid))?;
            write_file(&files, "gid_map", &gids, &lines(&maps.gid))
        }
    }
}

fn lines(maps: &[IdMap]) -> String {
    maps.iter().fold(String::new(), |mut text, m| {
        let _ = writeln!(text, "{} {} {}", m.container, m.host, m.size);
        text
    })
}

/// Below the directory that was opened, which stays the same process's.
fn write_file(dir: &File, name: &str, field: &str, content: &str) -> Result<()> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let file = openat(dir, name, flags, Mode::empty());
    let written = file.and_then(|file| fdio::write_once(file.as_fd(), content.as_bytes()));
    written.map_err(|errno| {
        Error::system("write", format!("{field}: {name}"), errno)
            .with_hint("do the ranges overlap, or name ids that are not mapped here?")
    })
}

/// The setuid helpers of the shadow package know what /etc/subuid and /etc/subgid grant.
fn helper(program: &'static str, field: &str, pid: i32, maps: &[IdMap]) -> Result<()> {
    let mut command = Command::new(program);
    command.arg(pid.to_string());
    for m in maps {
        command.args([m.container, m.host, m.size].map(|n| n.to_string()));
    }
    let output = command.output().map_err(|e| {
        let errno = e.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        Error::system("run", format!("{field}: {program}"), errno)
            .with_hint("maps beyond one's own id need the uidmap package")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("no reason given");
    Err(Error::unsupported(
        field,
        format!("{program} refused: {said} (see /etc/subuid, /etc/subgid)"),
    ))
}
