//! Signals, working directory, the program to run.

use core::ffi::CStr;

use crate::machine::Machine;
use crate::op::{List, Text};
use crate::sys::{self, Result, errno};

/// prctl; PR_SET_NAME always sets the executor's own name. Only options that take numbers: others
/// would have the kernel write to an address of the plan's choice.
pub fn prctl(option: u32, arg: u64, arg2: u64) -> Result<()> {
    const PR_SET_NAME: u32 = 15;
    const DUMPABLE_KEEPCAPS_NO_NEW_PRIVS: [u32; 3] = [4, 8, 38];
    match option {
        PR_SET_NAME => sys::set_name(b"teu-init\0\0\0\0\0\0\0\0"),
        known if DUMPABLE_KEEPCAPS_NO_NEW_PRIVS.contains(&known) => sys::prctl(option, arg, arg2),
        _ => Err(errno::EINVAL),
    }
}

/// What a Rust or Go caller ignores would stay ignored across exec (signal(7)).
pub fn reset_signals() -> Result<()> {
    const SIGPIPE: usize = 13;
    const SIGCHLD: usize = 17;
    sys::default_action(SIGPIPE)?;
    sys::default_action(SIGCHLD)?;
    sys::empty_signal_mask()
}

/// exec takes it back (signal(7)).
pub fn end_by_signals() -> Result<()> {
    const HUP_INT_QUIT_TERM: [usize; 4] = [1, 2, 3, 15];
    HUP_INT_QUIT_TERM.into_iter().try_for_each(sys::end_by)
}

/// chdir in two tries: as root, which a root-squashing file system may refuse, then as the user,
/// who may lack permissions that root has.
pub fn chdir(machine: &mut Machine, again: bool, path: Text) -> Result<()> {
    if machine.cwd_set {
        return Ok(());
    }
    match sys::chdir(machine.text(path)?) {
        Err(errno::EACCES | errno::EPERM) if !again => return Ok(()),
        done => done?,
    }
    // CVE-2024-21626: a path such as /proc/self/fd/N may lead to a directory outside of the root,
    // which getcwd then shows as "(unreachable)".
    if sys::cwd_first_byte()? != b'/' {
        return Err(errno::ENOENT);
    }
    machine.cwd_set = true;
    Ok(())
}

/// Keeps the offset of the first candidate that is an executable file. If none is, the first error
/// other than "not there" is told, as a shell does.
pub fn lookup(machine: &mut Machine, candidates: List) -> Result<()> {
    let mut failure = errno::ENOENT;
    for i in 0..candidates.len as usize {
        let at = candidates.at as usize + i * 8;
        let word = machine.plan.get(at..at + 8).ok_or(errno::EINVAL)?;
        let offset = usize::from_ne_bytes(word.try_into().map_err(|_| errno::EINVAL)?);
        let tail = machine.plan.get(offset..).ok_or(errno::EINVAL)?;
        match program(CStr::from_bytes_until_nul(tail).map_err(|_| errno::EINVAL)?) {
            Ok(()) => {
                machine.program = offset;
                return Ok(());
            }
            Err(e) if failure == errno::ENOENT && e != errno::ENOTDIR => failure = e,
            Err(_) => {}
        }
    }
    Err(failure)
}

fn program(path: &CStr) -> Result<()> {
    const S_IFDIR: u32 = 0o040000;
    if sys::file_type(path)? == S_IFDIR {
        return Err(errno::EISDIR);
    }
    sys::executable(path)
}

/// Where the program's own messages would be, in runc's words: that is where people and engines look for it.
/// Before the failure is reported, for that may be the end of this process. Nobody can be told if it fails.
pub fn tell_refusal(machine: &Machine, errno: i32) {
    const STDERR: i32 = 2;
    let tail = machine.plan.get(machine.program..).unwrap_or_default();
    let program = CStr::from_bytes_until_nul(tail).unwrap_or_default();
    let mut line = [0; 4096];
    let mut len = 0;
    let parts = [b"exec ", program.to_bytes(), b": ", words(errno), b"\n"];
    for (to, from) in line.iter_mut().zip(parts.into_iter().flatten()) {
        *to = *from;
        len += 1;
    }
    let _ = sys::write(STDERR, line.get(..len).unwrap_or_default());
}

/// Of what execve(2) may answer.
fn words(errno: i32) -> &'static [u8] {
    match errno {
        errno::EPERM => b"operation not permitted",
        errno::ENOENT => b"no such file or directory",
        5 => b"input/output error",
        7 => b"argument list too long",
        8 => b"exec format error",
        errno::EAGAIN => b"resource temporarily unavailable",
        12 => b"cannot allocate memory",
        errno::EACCES => b"permission denied",
        errno::ENOTDIR => b"not a directory",
        errno::EISDIR => b"is a directory",
        errno::EINVAL => b"invalid argument",
        24 => b"too many open files",
        26 => b"text file busy",
        errno::ELOOP => b"too many levels of symbolic links",
        80 => b"accessing a corrupted shared library",
        _ => b"refused by the kernel",
    }
}
