//! Starts a command that waits, before its exec, until it is told to go on: a tracer takes it in between.
#![allow(unsafe_code, reason = "fork")]

use std::ffi::{CString, OsString};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::fcntl::OFlag;
use nix::libc;
use nix::unistd::{ForkResult, Pid, fork, pipe2};

/// The child, and what has to be dropped to let it go on.
pub fn spawn(words: Vec<OsString>, user: Option<u32>, out: &File, err: &File) -> (Pid, OwnedFd) {
    let text = |word: OsString| CString::new(word.into_vec()).expect("no NUL");
    let words: Vec<CString> = words.into_iter().map(text).collect();
    let env = [c"PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
    let pointers = |list: &[CString]| {
        list.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>()
    };
    let (argv, envp) = (pointers(&words), pointers(&env));
    let null = File::open("/dev/null").expect("/dev/null");
    let (waits, gate) = pipe2(OFlag::O_CLOEXEC).expect("pipe");
    let streams = [null.as_raw_fd(), out.as_raw_fd(), err.as_raw_fd()];
    let own_gate = gate.as_raw_fd();
    // SAFETY: there is one thread, and the child makes system calls only.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => (child, gate),
        // SAFETY: descriptors that are open here, and pointers to what was made before the fork.
        ForkResult::Child => unsafe {
            libc::close(own_gate);
            let mut byte = 0u8;
            libc::read(waits.as_raw_fd(), (&raw mut byte).cast(), 1);
            for (number, stream) in (0..).zip(streams) {
                libc::dup2(stream, number);
            }
            if let Some(id) = user {
                libc::setgroups(0, std::ptr::null());
                libc::setresgid(id, id, id);
                libc::setresuid(id, id, id);
            }
            libc::execve(argv[0], argv.as_ptr(), envp.as_ptr());
            libc::_exit(127)
        },
    }
}
