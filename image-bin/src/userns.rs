//! Ordinary users work in a user namespace of their own, in which they are root: then layers can hold
//! files of several owners, and overlayfs can be mounted.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};

use nix::sched::{CloneFlags, unshare};

use crate::failure::Failure;

/// A range of ids that belongs to a user.
struct Range {
    start: u64,
    count: u64,
}

/// Enters the namespace; nothing for root. Has to be called while there is a single thread.
///
/// Of the ids, the user's own becomes 0; those that `/etc/subuid` and `/etc/subgid` grant follow, where
/// the helpers of the uidmap package are there to map them. Otherwise there is just the one.
pub fn enter() -> Result<(), Failure> {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let name = nix::unistd::User::from_uid(uid.into()).ok().flatten().map(|user| user.name);
    let granted = |file| range(file, uid, name.as_deref());
    let helper = match (granted("/etc/subuid"), granted("/etc/subgid")) {
        // It waits outside: inside, newuidmap is not setuid root any more.
        (Some(uids), Some(gids)) => Some(start(uid, gid, &uids, &gids)?),
        _ => None,
    };
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)
        .map_err(|e| Failure::Io { what: "make a user namespace".into(), error: e.into() })?;
    match helper {
        Some(helper) => finish(helper),
        None => map_one(uid, gid),
    }
}

/// `NAME:START:COUNT`, or the uid in place of the name.
fn range(file: &str, uid: u32, name: Option<&str>) -> Option<Range> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let owner = fields.next()?;
        let is_ours = Some(owner) == name || owner.parse() == Ok(uid);
        let range =
            Range { start: fields.next()?.parse().ok()?, count: fields.next()?.parse().ok()? };
        is_ours.then_some(range)
    })
}

/// A shell that maps our ids as soon as it is told to.
fn start(uid: u32, gid: u32, uids: &Range, gids: &Range) -> Result<Child, Failure> {
    let pid = std::process::id();
    let map = |program: &str, id: u32, range: &Range| {
        format!("{program} {pid} 0 {id} 1 1 {} {}", range.start, range.count)
    };
    let script =
        format!("read go && {} && {}", map("newuidmap", uid, uids), map("newgidmap", gid, gids));
    Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(Failure::io("start sh"))
}

fn finish(mut helper: Child) -> Result<(), Failure> {
    let go = helper.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(b"go\n"));
    let status = go.and_then(|()| helper.wait()).map_err(Failure::io("map ids"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Argument("newuidmap or newgidmap refused: see /etc/subuid and /etc/subgid".into()))
}

fn map_one(uid: u32, gid: u32) -> Result<(), Failure> {
    let write = |name: &str, text: String| {
        let path = format!("/proc/self/{name}");
        fs::write(&path, text).map_err(Failure::io(format!("write {path}")))
    };
    write("setgroups", "deny".into())?;
    write("uid_map", format!("0 {uid} 1\n"))?;
    write("gid_map", format!("0 {gid} 1\n"))
}
