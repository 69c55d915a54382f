//! Commands about the root: they run another command with a different one, on the host or in a container.
#![allow(unsafe_code, reason = "system calls without a wrapper, fork")]

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, chdir, chroot, fork, getgid, getuid};

use crate::actions::fail;

/// Runs a root command, if it is one.
pub fn run(command: &str, args: &[&str]) -> Option<u8> {
    let done = match (command, args) {
        ("on-ramdisk", [program, rest @ ..]) => {
            on_ramdisk().map(|()| become_program(program, rest))
        }
        ("in-chroot", [dir, program, rest @ ..]) => {
            in_chroot(Path::new(dir)).map(|()| become_program(program, rest))
        }
        ("nested", words) => nested(words),
        ("break-out", [dir, words @ ..]) => break_out(dir).map(|()| crate::run(words)),
        _ => return None,
    };
    Some(done.unwrap_or_else(|e| fail(&e)))
}

fn become_program(program: &str, args: &[&str]) -> u8 {
    fail(&Command::new(program).args(args).exec())
}

/// The root of this mount namespace becomes the initial one, which has nothing below it: that of a host
/// that never left its initramfs. What was there is mounted there as before.
fn on_ramdisk() -> io::Result<()> {
    let trees = take_along()?;
    let own = fs::File::open("/proc/self/ns/mnt")?;
    while umount2("/", MntFlags::MNT_DETACH).is_ok() {
        setns(&own, CloneFlags::CLONE_NEWNS)?;
    }
    attach(trees, Path::new("/"))
}

/// The root becomes a directory with a mount of its own, as a runtime needs it.
fn in_chroot(dir: &Path) -> io::Result<()> {
    const NONE: Option<&str> = None;
    let trees = take_along()?;
    fs::create_dir_all(dir)?;
    mount(Some(dir), dir, NONE, MsFlags::MS_BIND, NONE)?;
    attach(trees, dir)?;
    chroot(dir)?;
    Ok(chdir("/")?)
}

/// Clones of everything that is mounted below the directories of the root, in a mount namespace of our
/// own that tells nobody.
fn take_along() -> io::Result<Vec<(String, OwnedFd)>> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let entries = fs::read_dir("/")?.flatten().filter(|entry| entry.path().is_dir());
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.map(|name| Ok((name.clone(), open_tree(&format!("/{name}"))?))).collect()
}

fn attach(trees: Vec<(String, OwnedFd)>, root: &Path) -> io::Result<()> {
    for (name, tree) in trees {
        let dir = root.join(name);
        fs::create_dir_all(&dir)?;
        move_mount(&tree, &dir)?;
    }
    Ok(())
}

fn open_tree(path: &str) -> io::Result<OwnedFd> {
    const CLONE_RECURSIVE_CLOEXEC: libc::c_int = 1 | 0x8000 | libc::O_CLOEXEC;
    let path = CString::new(path)?;
    // SAFETY: the path is NUL-terminated and outlives the call, which returns a new descriptor.
    unsafe {
        let fd = libc::syscall(
            libc::SYS_open_tree,
            libc::AT_FDCWD,
            path.as_ptr(),
            CLONE_RECURSIVE_CLOEXEC,
        );
        match i32::try_from(fd) {
            Ok(fd @ 0..) => Ok(OwnedFd::from_raw_fd(fd)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn move_mount(tree: &OwnedFd, dir: &Path) -> io::Result<()> {
    const FROM_EMPTY_PATH: libc::c_int = 4;
    let dir = CString::new(dir.as_os_str().as_encoded_bytes())?;
    // SAFETY: the paths are NUL-terminated and outlive the call.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            dir.as_ptr(),
            FROM_EMPTY_PATH,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs a command as root of new user, mount and pid namespaces.
fn nested(words: &[&str]) -> io::Result<u8> {
    let (uid, gid) = (getuid(), getgid());
    let new = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    unshare(new)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))?;
    // SAFETY: this program has one thread, so the child may go on as if nothing had happened.
    match unsafe { fork() }? {
        ForkResult::Child => std::process::exit(i32::from(crate::run(words))),
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, status) => Ok(u8::try_from(status).unwrap_or(u8::MAX)),
            _ => Ok(u8::MAX),
        },
    }
}

/// The oldest way out of a chroot: one step into another, and up from where that does not hold.
fn break_out(dir: &str) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    chroot(dir)?;
    for _ in 0..64 {
        chdir("..")?;
    }
    Ok(chroot(".")?)
}
