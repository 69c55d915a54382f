//! Writes the uid and gid maps of a new user namespace (user_namespaces(7)).

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::plan::{IdMap, IdMaps, MapMethod};

/// `pid` is our child, which waits; its files in /proc are the right ones.
pub(super) fn write(pid: i32, maps: &IdMaps) -> Result<()> {
    match maps.method {
        MapMethod::Helpers => {
            helper("newuidmap", "linux.uidMappings", pid, &maps.uid)?;
            helper("newgidmap", "linux.gidMappings", pid, &maps.gid)
        }
        method => {
            if method == MapMethod::DirectWithoutSetgroups {
                write_file(pid, "setgroups", "linux.gidMappings", "deny")?;
            }
            write_file(pid, "uid_map", "linux.uidMappings", &lines(&maps.uid))?;
            write_file(pid, "gid_map", "linux.gidMappings", &lines(&maps.gid))
        }
    }
}

fn lines(maps: &[IdMap]) -> String {
    maps.iter().fold(String::new(), |mut text, m| {
        let _ = writeln!(text, "{} {} {}", m.container, m.host, m.size);
        text
    })
}

fn write_file(pid: i32, name: &str, field: &'static str, content: &str) -> Result<()> {
    let path = PathBuf::from(format!("/proc/{pid}/{name}"));
    fs::write(&path, content).map_err(|e| {
        let errno = e.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        let object = format!("{field}: {}", path.display());
        Error::system("write", object, errno)
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
