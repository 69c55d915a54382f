//! Puts a device program onto a cgroup, in one step where one is there already.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode as FileMode;

use super::program::Insn;
use super::{FIELD, bpf};
use crate::error::{Error, Result};

/// How often somebody else may replace the program between looking and replacing.
const ATTEMPTS: u32 = 16;
/// Enough for the verifier's words on some ten thousand instructions.
const LOG_LEN: usize = 1 << 20;

/// Makes `program` the only device program of the cgroup; `None` leaves none.
///
/// One that is there (an earlier one of the container's, or systemd's) is replaced in one step; more
/// than one are detached after that. What a process may do is thus what the old programs allow, then
/// what the new one allows; in between, if there are several, no more than the latter. If it fails,
/// the old ones stay.
pub(super) fn replace(dir: &Path, program: Option<&[Insn]>) -> Result<()> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let cgroup =
        open(dir, flags, FileMode::empty()).map_err(|e| Error::system("open", dir.display(), e))?;
    let program = program.map(load).transpose()?;
    let program = program.as_ref().map(AsFd::as_fd);
    let mut attempts = 0..ATTEMPTS;
    loop {
        match put(cgroup.as_fd(), program) {
            Err((_, Errno::ENOENT)) if attempts.next().is_some() => {}
            Err((action, errno)) => return Err(failed(action, dir.display(), errno)),
            Ok(()) => return Ok(()),
        }
    }
}

type Failure = (&'static str, Errno);

/// ENOENT: the program that was to be replaced is not there any more; nothing was changed.
fn put(cgroup: BorrowedFd<'_>, new: Option<BorrowedFd<'_>>) -> Result<(), Failure> {
    let found = programs(cgroup)?;
    let mut old = found.iter().map(AsFd::as_fd);
    if let Some(new) = new {
        bpf::attach(cgroup, new, old.next()).map_err(|e| ("bpf(BPF_PROG_ATTACH)", e))?;
    }
    for rest in old {
        match bpf::detach(cgroup, rest) {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(e) => return Err(("bpf(BPF_PROG_DETACH)", e)),
        }
    }
    Ok(())
}

/// What can be replaced. A program that a security module keeps from us (systemd's under SELinux)
/// is left where it is, as runc does: it can only deny more.
fn programs(cgroup: BorrowedFd<'_>) -> Result<Vec<OwnedFd>, Failure> {
    let ids = bpf::attached(cgroup).map_err(|e| ("bpf(BPF_PROG_QUERY)", e))?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        match bpf::open(id) {
            Ok(program) => found.push(program),
            Err(Errno::ENOENT | Errno::EPERM | Errno::EACCES) => {}
            Err(e) => return Err(("bpf(BPF_PROG_GET_FD_BY_ID)", e)),
        }
    }
    Ok(found)
}

fn load(program: &[Insn]) -> Result<OwnedFd> {
    const ACTION: &str = "bpf(BPF_PROG_LOAD)";
    const NAME: &std::ffi::CStr = c"teu_devices";
    match bpf::load(program, NAME, None) {
        Ok(program) => Ok(program),
        Err(e @ (Errno::EPERM | Errno::ENOSYS)) => Err(failed(ACTION, FIELD, e)),
        Err(e) => {
            let mut log = vec![0; LOG_LEN];
            let again = bpf::load(program, NAME, Some(&mut log));
            match again {
                Ok(program) => Ok(program),
                Err(_) => Err(failed(ACTION, explained(&log), e)),
            }
        }
    }
}

/// The field and the verifier's last word, which is the reason.
fn explained(log: &[u8]) -> String {
    let log = log.split(|b| *b == 0).next().unwrap_or_default();
    let log = String::from_utf8_lossy(log);
    let reason = log.lines().rev().find(|line| !line.starts_with("processed "));
    match reason.unwrap_or_default().trim() {
        "" => FIELD.to_owned(),
        text => format!("{FIELD} (the verifier: {text})"),
    }
}

fn failed(action: &'static str, object: impl std::fmt::Display, errno: Errno) -> Error {
    let hint = match (action, errno) {
        ("bpf(BPF_PROG_LOAD)", Errno::EPERM) => {
            "device rules on cgroup v2 need CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN"
        }
        ("bpf(BPF_PROG_LOAD)", Errno::ENOSYS | Errno::EINVAL) => {
            "device rules on cgroup v2 need a kernel with CONFIG_CGROUP_BPF"
        }
        // EFAULT: more branches than the verifier keeps in mind (8192).
        ("bpf(BPF_PROG_LOAD)", Errno::E2BIG | Errno::EFAULT) => "there are too many device rules",
        ("bpf(BPF_PROG_ATTACH)", Errno::EPERM) => {
            "a program of this cgroup or of a parent does not allow others beside it"
        }
        (_, Errno::ENOENT) => "something else replaces the cgroup's device program all the time",
        _ => return Error::system(action, object, errno),
    };
    Error::system(action, object, errno).with_hint(hint)
}

#[cfg(test)]
#[path = "attach_tests.rs"]
mod tests;
