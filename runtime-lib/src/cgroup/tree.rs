//! Walks over a cgroup and everything below it.
//!
//! A container that may write to its cgroup filesystem can nest cgroups deeper than any path can
//! name, and hide processes there from whoever goes by paths. The walk therefore goes from
//! descriptor to descriptor, holds one at a time, and has a deadline.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Instant;

use nix::dir::{Dir, Type};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use crate::fdio;

const DIRECTORY: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// The names of the subdirectories that are yet to be visited, and the one being visited.
struct Level {
    pending: Vec<CString>,
    current: Option<CString>,
}

/// Visits `root` and all below it, parents first, then calls `leave(parent, name)` for each
/// descendant whose own descendants are done. What vanishes meanwhile is passed over.
fn walk(
    root: &Path,
    deadline: Instant,
    mut visit: impl FnMut(BorrowedFd<'_>) -> Result<(), Errno>,
    mut leave: impl FnMut(BorrowedFd<'_>, &CString) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut dir = openat(AT_FDCWD, root, DIRECTORY, Mode::empty())?;
    visit(dir.as_fd())?;
    let mut levels = vec![Level { pending: children(&dir)?, current: None }];
    while let Some(level) = levels.last_mut() {
        if Instant::now() > deadline {
            return Err(Errno::ETIMEDOUT);
        }
        level.current = level.pending.pop();
        if let Some(name) = &level.current {
            match enter(&dir, name, &mut visit) {
                Ok((child, pending)) => {
                    dir = child;
                    levels.push(Level { pending, current: None });
                }
                Err(e) if is_gone(e) => {}
                Err(e) => return Err(e),
            }
            continue;
        }
        levels.pop();
        if let Some(name) = levels.last().and_then(|parent| parent.current.as_ref()) {
            // A cgroup cannot be moved to another parent, so `..` is where we came from.
            // If this one was removed under us, the way back is lost: again from the root.
            let up = openat(&dir, "..", DIRECTORY, Mode::empty());
            dir = up.map_err(|e| if is_gone(e) { Errno::EAGAIN } else { e })?;
            leave(dir.as_fd(), name)?;
        }
    }
    Ok(())
}

fn enter(
    dir: &OwnedFd,
    name: &CString,
    visit: &mut impl FnMut(BorrowedFd<'_>) -> Result<(), Errno>,
) -> Result<(OwnedFd, Vec<CString>), Errno> {
    let child = openat(dir, name.as_c_str(), DIRECTORY, Mode::empty())?;
    visit(child.as_fd())?;
    let pending = children(&child)?;
    Ok((child, pending))
}

/// ENODEV is what the files of a removed cgroup answer.
pub(super) fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::ENODEV)
}

fn children(dir: &OwnedFd) -> Result<Vec<CString>, Errno> {
    // Cgroup filesystems count subdirectories in the link count, which saves listing a leaf's
    // many control files.
    if fstat(dir)?.st_nlink == 2 {
        return Ok(Vec::new());
    }
    let mut list = Dir::openat(dir, ".", DIRECTORY, Mode::empty())?;
    let mut names = Vec::new();
    for item in list.iter() {
        let item = item?;
        let name = item.file_name();
        if item.file_type() == Some(Type::Directory) && !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// The processes in the cgroup and below it, as seen from the caller's pid namespace. Empty if it
/// does not exist.
pub(super) fn pids(root: &Path, deadline: Instant) -> Result<Vec<i32>, Errno> {
    let mut pids = Vec::new();
    let mut visit = |dir: BorrowedFd<'_>| {
        let list = match fdio::read_at(dir, Path::new("cgroup.procs")) {
            // A threaded v2 cgroup names its threads only.
            Err(Errno::EOPNOTSUPP) => fdio::read_at(dir, Path::new("cgroup.threads"))?,
            other => other?,
        };
        pids.extend(parse_pids(&list));
        Ok(())
    };
    loop {
        match walk(root, deadline, &mut visit, |_, _| Ok(())) {
            Ok(()) => break,
            Err(e) if is_gone(e) => break,
            Err(Errno::EAGAIN) => {}
            Err(e) => return Err(e),
        }
    }
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

/// A process outside of the caller's pid namespace is listed as 0, which as an argument of kill(2)
/// would mean the caller's own process group.
fn parse_pids(list: &[u8]) -> impl Iterator<Item = i32> {
    let lines = list.split(|&b| b == b'\n');
    let numbers = lines.filter_map(|line| std::str::from_utf8(line).ok()?.parse().ok());
    numbers.filter(|&pid: &i32| pid > 0)
}

/// Removes everything below the cgroup, not itself. EBUSY: a process is still in one of them.
pub(super) fn remove_below(root: &Path, deadline: Instant) -> Result<(), Errno> {
    let leave = |parent: BorrowedFd<'_>, name: &CString| match unlinkat(
        parent,
        name.as_c_str(),
        UnlinkatFlags::RemoveDir,
    ) {
        Err(e) if !is_gone(e) => Err(e),
        _ => Ok(()),
    };
    match walk(root, deadline, |_| Ok(()), leave) {
        Err(Errno::EAGAIN) => Err(Errno::EBUSY),
        Err(e) if !is_gone(e) => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn collects_pids_of_all_levels_once_and_never_zero() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir_all(dir.path().join("d")).unwrap();
        for (at, list) in
            [("", "7\n"), ("a", "0\n-1\n"), ("a/b", ""), ("a/b/c", "3\n7\n"), ("d", "9\n")]
        {
            fs::write(dir.path().join(at).join("cgroup.procs"), list).unwrap();
        }
        assert_eq!(pids(dir.path(), soon()).unwrap(), [3, 7, 9]);
        assert!(pids(&dir.path().join("missing"), soon()).unwrap().is_empty());
    }

    #[test]
    fn removes_trees_that_are_deeper_than_a_path_can_be() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("r");
        fs::create_dir_all(root.join("side/x")).unwrap();
        let name = "n".repeat(200);
        let mut at = openat(AT_FDCWD, &root, DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..100 {
            nix::sys::stat::mkdirat(&at, name.as_str(), Mode::S_IRWXU).unwrap();
            at = openat(&at, name.as_str(), DIRECTORY, Mode::empty()).unwrap();
        }
        remove_below(&root, soon()).unwrap();
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn gives_up_at_the_deadline() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        let past = Instant::now() - Duration::from_secs(1);
        assert_eq!(remove_below(dir.path(), past), Err(Errno::ETIMEDOUT));
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (root, other) = (dir.path().join("r"), dir.path().join("other"));
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir_all(other.join("keep")).unwrap();
        std::os::unix::fs::symlink(&other, root.join("link")).unwrap();
        remove_below(&root, soon()).unwrap();
        assert!(other.join("keep").exists());
    }
}
