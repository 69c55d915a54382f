//! Writes the uid and gid maps of a new user namespace (user_namespaces(7)).

use std::fmt::Write as _;
use std::process::Command;

use nix::errno::Errno;

use super::Child;
use super::procfiles::ProcFiles;
use crate::error::{Error, Result};
use crate::plan::{IdMap, IdMaps, MapMethod};

/// The child waits for them; `owner` is the part of the config that has the mappings.
pub(super) fn write(child: &Child, maps: &IdMaps, owner: &str) -> Result<()> {
    let uids = format!("{owner}.uidMappings");
    let gids = format!("{owner}.gidMappings");
    let files = ProcFiles::of(child)?;
    match maps.method {
        MapMethod::Helpers => {
            helper("newuidmap", &uids, child.pid, &maps.uid)?;
            helper("newgidmap", &gids, child.pid, &maps.gid)
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

fn write_file(files: &ProcFiles, name: &str, field: &str, content: &str) -> Result<()> {
    files.write(name, content).map_err(|errno| {
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
