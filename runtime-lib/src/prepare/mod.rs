//! Effects before the start: opens what a plan's slots need. Everything is owned; dropping it undoes
//! it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};
use nix::sys::stat::Mode;
use nix::sys::time::{TimeVal, TimeValLike};

use crate::cgroup::InitCgroup;
use crate::error::{Error, Result};
use crate::plan::op::Slot;
use crate::plan::{Input, Plan, Source};
use crate::signal::{self, Signal};

/// The executor, as the build script has made it.
static EXECUTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/executor"));

/// How long the executor may take from one meeting to the next: a filesystem that it mounts may be far away, a tree
/// that it copies large. One that was stopped or frozen would never come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5 * 60);

/// What the inputs of a plan are taken from.
#[derive(Default)]
pub(crate) struct Prepare<'a> {
    /// The container's cgroup v2 directory.
    pub cgroup_dir: Option<OwnedFd>,
    /// Where to go if that takes no process.
    pub init_cgroup: Option<InitCgroup>,
    /// The FIFO that `start` empties.
    pub start: Option<OwnedFd>,
    /// Stdin, stdout, stderr.
    pub stdio: Option<[OwnedFd; 3]>,
    /// The socket that a terminal's master end is sent to.
    pub console: Option<OwnedFd>,
    /// The init of the container that is entered: its pid and a pidfd.
    pub init: Option<(i32, BorrowedFd<'a>)>,
    /// What a program of the host's is given beyond its streams.
    pub given: Vec<OwnedFd>,
    /// For the inputs that are user namespaces, in their order.
    pub user_namespaces: VecDeque<OwnedFd>,
    /// The executor may take as long as it likes: it enters a container that is paused.
    pub unhurried: bool,
}

/// Descriptors of a plan, ready for the executor.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The runtime's end of the control socket.
    pub control: OwnedFd,
    /// For CLONE_INTO_CGROUP, unless the executor has it.
    pub cgroup: Option<OwnedFd>,
    /// Its stand-in.
    pub init_cgroup: Option<InitCgroup>,
    /// How long to wait for the executor; the control socket knows it as well.
    pub patience: Option<Duration>,
    fds: Vec<(Slot, OwnedFd)>,
}

impl Prepared {
    /// The runtime's end of the control socket, and the executor's descriptors.
    pub fn into_parts(self) -> (OwnedFd, Vec<(Slot, OwnedFd)>) {
        (self.control, self.fds)
    }

    /// Slots and descriptor numbers.
    pub fn numbers(&self) -> Vec<(Slot, RawFd)> {
        self.fds.iter().map(|(slot, fd)| (*slot, fd.as_raw_fd())).collect()
    }
}

/// Opens everything that the plan's inputs name.
pub(crate) fn prepare(plan: &Plan, from: Prepare<'_>) -> Result<Prepared> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (control, executor) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
        .map_err(|e| Error::system("socketpair for", "the control socket", e))?;
    let patience = (!from.unhurried).then_some(PATIENCE);
    if let Some(patience) = patience {
        let limit = TimeVal::seconds(i64::try_from(patience.as_secs()).unwrap_or(i64::MAX));
        setsockopt(&control, sockopt::ReceiveTimeout, &limit)
            .map_err(|e| Error::system("setsockopt", "control socket", e))?;
    }
    let mut pool = Pool {
        executor: Some(executor),
        start: from.start,
        stdio: from.stdio.map(|streams| streams.map(Some)).unwrap_or_default(),
        console: from.console,
        cgroup: from.cgroup_dir,
        init: from.init,
        given: from.given.into_iter().map(Some).collect(),
        user_namespaces: from.user_namespaces,
    };
    let mut fds = Vec::with_capacity(plan.inputs.len());
    for input in &plan.inputs {
        fds.push((input.slot, above(3 + plan.given, pool.take(input)?)?));
    }
    let cgroup = pool.cgroup;
    Ok(Prepared { control, cgroup, init_cgroup: from.init_cgroup, patience, fds })
}

/// A caller that has closed its standard streams gets their numbers for whatever it opens; in the
/// executor they would be overwritten by the container's.
pub(crate) fn above_streams(fd: OwnedFd) -> Result<OwnedFd> {
    above(3, fd)
}

/// The same for all numbers that will be overwritten.
fn above(first: u32, fd: OwnedFd) -> Result<OwnedFd> {
    let first = i32::try_from(first).unwrap_or(RawFd::MAX);
    if fd.as_raw_fd() >= first {
        return Ok(fd);
    }
    let moved = rustix::io::fcntl_dupfd_cloexec(&fd, first);
    moved.map_err(|e| Error::system("dup", "descriptor", Errno::from_raw(e.raw_os_error())))
}

struct Pool<'a> {
    executor: Option<OwnedFd>,
    start: Option<OwnedFd>,
    stdio: [Option<OwnedFd>; 3],
    console: Option<OwnedFd>,
    cgroup: Option<OwnedFd>,
    init: Option<(i32, BorrowedFd<'a>)>,
    given: Vec<Option<OwnedFd>>,
    user_namespaces: VecDeque<OwnedFd>,
}

impl Pool<'_> {
    fn take(&mut self, input: &Input) -> Result<OwnedFd> {
        let missing =
            || Error::unsupported(&input.origin, format!("{:?} was not given", input.source));
        match &input.source {
            Source::Control => self.executor.take().ok_or_else(missing),
            Source::StartFifo => self.start.take().ok_or_else(missing),
            Source::Console => self.console.take().ok_or_else(missing),
            Source::Cgroup => self.cgroup.take().ok_or_else(missing),
            Source::Stdio(n) => self.stdio.get_mut(*n).and_then(Option::take).ok_or_else(missing),
            Source::Pidfd => {
                let (_, pidfd) = self.init.ok_or_else(missing)?;
                pidfd.try_clone_to_owned().map_err(|e| Error::io("dup", "pidfd", &e))
            }
            Source::InitRoot => {
                let (pid, pidfd) = self.init.ok_or_else(missing)?;
                root_of(pid, pidfd)
            }
            Source::Given(n) => self.given.get_mut(*n).and_then(Option::take).ok_or_else(missing),
            Source::Namespace { path, .. } => namespace(path, &input.origin),
            Source::UserNamespace(_) => self.user_namespaces.pop_front().ok_or_else(missing),
        }
    }
}

/// Should the init have died, its pid may be another process's by now: the pidfd tells.
fn root_of(pid: i32, pidfd: BorrowedFd<'_>) -> Result<OwnedFd> {
    let path = format!("/proc/{pid}/root");
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(path.as_str(), flags, Mode::empty());
    signal::send(pidfd, Signal::PROBE).map_err(|_| Error::NotRunning)?;
    root.map_err(|e| Error::system("open", path, e))
}

fn namespace(path: &Path, origin: &str) -> Result<OwnedFd> {
    // Not to hang on a FIFO.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    open(path, flags, Mode::empty()).map_err(|e| {
        let error = Error::system("open", format!("{origin}: namespace {}", path.display()), e);
        if e == Errno::ENOENT { error.with_hint("the namespace does not exist") } else { error }
    })
}

/// The executor in a sealed memfd: nobody can change what runs (CVE-2019-5736).
pub(crate) fn executor() -> Result<OwnedFd> {
    sealed("teu-init", EXECUTOR, true)
}

/// Bytes in a memfd that nobody can change any more, positioned at the end.
pub(crate) fn sealed(name: &str, content: &[u8], executable: bool) -> Result<OwnedFd> {
    let failed = |e: std::io::Error| Error::io("write to memfd", name, &e);
    let mut file = File::from(memory_file(name, executable)?);
    file.write_all(content).map_err(failed)?;
    let all = SealFlag::F_SEAL_SEAL
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_WRITE;
    fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(all))
        .map_err(|e| Error::system("seal memfd", name, e))?;
    Ok(file.into())
}

/// An empty memfd. MFD_EXEC and MFD_NOEXEC_SEAL are refused before Linux 6.3, where every memfd is
/// executable.
pub(crate) fn memory_file(name: &str, executable: bool) -> Result<OwnedFd> {
    let kind = if executable { libc::MFD_EXEC } else { libc::MFD_NOEXEC_SEAL };
    let base = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let file = match memfd_create(name, base | MFdFlags::from_bits_retain(kind)) {
        Err(Errno::EINVAL) => memfd_create(name, base),
        other => other,
    };
    file.map_err(|e| {
        let error = Error::system("memfd_create", name, e);
        if e == Errno::EACCES { error.with_hint("vm.memfd_noexec=2 forbids it") } else { error }
    })
}

/// Descriptors from 3 on that shall be preserved have to be there before any other is opened, or a
/// descriptor of the runtime's would be taken for one of the caller's.
pub(crate) fn check_preserved(count: u32) -> Result<()> {
    for number in 3..3u32.saturating_add(count) {
        let open = i32::try_from(number).is_ok_and(is_open);
        if !open {
            let reason = format!("descriptor {number} of --preserve-fds={count} is not open");
            return Err(Error::unsupported("preserve_fds", reason));
        }
    }
    Ok(())
}

fn is_open(number: RawFd) -> bool {
    // Only looked at through /proc: borrowing a number that may be closed would be unsound.
    nix::sys::stat::lstat(format!("/proc/thread-self/fd/{number}").as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executor_is_small_and_static() {
        const PT_INTERP: u32 = 3;
        assert!(EXECUTOR.len() < 64 << 10, "{} bytes", EXECUTOR.len());
        let half = |at: usize| u16::from_ne_bytes(EXECUTOR[at..at + 2].try_into().unwrap());
        let table = u64::from_ne_bytes(EXECUTOR[32..40].try_into().unwrap());
        let (size, count) = (usize::from(half(54)), usize::from(half(56)));
        for n in 0..count {
            let at = usize::try_from(table).unwrap() + n * size;
            let kind = u32::from_ne_bytes(EXECUTOR[at..at + 4].try_into().unwrap());
            assert_ne!(kind, PT_INTERP, "it wants a dynamic loader");
        }
    }

    #[test]
    fn sealed_files_cannot_be_changed() {
        let file = sealed("test", b"content", false).unwrap();
        assert_eq!(nix::unistd::write(&file, b"x"), Err(Errno::EPERM));
        assert_eq!(nix::unistd::ftruncate(&file, 0), Err(Errno::EPERM));
    }

    #[test]
    fn preserved_descriptors_have_to_be_open() {
        assert!(check_preserved(0).is_ok());
        let refused = check_preserved(100_000).unwrap_err().to_string();
        assert!(refused.contains("is not open"), "{refused}");
    }
}
