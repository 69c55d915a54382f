//! The foreground: signals sent to teu go to the container's process, whose end is teu's.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use libteu::Process;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};

use crate::{Console, Error, Log};

/// Whom signals are forwarded to. Its descriptor becomes readable when it ends.
pub trait Target: AsFd {
    /// Its pid, valid until it is reaped.
    fn pid(&self) -> i32;
    /// Sends it a signal.
    fn kill(&self, signal: libteu::Signal) -> libteu::Result<()>;
    /// Waits for its end and reaps it.
    fn wait(&self) -> libteu::Result<ExitStatus>;
}

impl Target for Process {
    fn pid(&self) -> i32 {
        self.pid()
    }

    fn kill(&self, signal: libteu::Signal) -> libteu::Result<()> {
        self.kill(signal)
    }

    fn wait(&self) -> libteu::Result<ExitStatus> {
        self.wait()
    }
}

/// Processes that the container's process leaves behind become children of teu, not of init.
pub fn adopt_orphans() -> Result<(), Error> {
    prctl::set_child_subreaper(true).map_err(Error::system("prctl(PR_SET_CHILD_SUBREAPER)"))
}

/// Holds back all signals from its making on, so that none is lost while a container starts.
pub struct Forwarder {
    signals: SignalFd,
}

impl Forwarder {
    /// Blocks every signal; a fault of the program's own ends it all the same (sigprocmask(2)). The container's
    /// process must not inherit that: the library starts it with an empty mask.
    pub fn new() -> Result<Self, Error> {
        let mask = SigSet::all();
        mask.thread_block().map_err(Error::system("block signals"))?;
        SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map(|signals| Self { signals })
            .map_err(Error::system("signalfd"))
    }

    /// Lets signals do what they do by default, as long as something takes that ends with the program.
    pub fn released<T>(what: impl FnOnce() -> T) -> Result<T, Error> {
        let mask = SigSet::all();
        mask.thread_unblock().map_err(Error::system("unblock signals"))?;
        let done = what();
        mask.thread_block().map_err(Error::system("block signals"))?;
        Ok(done)
    }

    /// Takes the signals that wait while there is no process to pass them on to: whether one of them
    /// says that the program shall go.
    pub fn told_to_end(&self) -> Result<bool, Error> {
        let mut told = false;
        while let Some(signal) = self.next()? {
            told |= ends(signal);
        }
        Ok(told)
    }

    /// Forwards signals, and what goes through its terminal, until the process has ended; reaps it
    /// and every orphan that ends before.
    pub fn wait(
        &self,
        process: &impl Target,
        mut console: Option<Console>,
        log: &dyn Log,
    ) -> Result<u8, Error> {
        loop {
            let woken = self.sleep(Some(process.as_fd()), console.as_mut(), PollTimeout::NONE)?;
            if woken == Woken::ProcessEnded {
                break;
            }
            while let Some(signal) = self.next()? {
                handle(signal, process, console.as_ref(), log);
            }
        }
        console.map_or(Ok(()), |console| self.flush(console))?;
        let status = exit_code(process.wait()?);
        log.debug(format_args!("process {} ended with status {status}", process.pid()));
        Ok(status)
    }

    /// What the process had printed when it ended. Others may still hold the terminal: they are not
    /// waited for. A reader who does not read is, until a signal says to go.
    fn flush(&self, mut console: Console) -> Result<(), Error> {
        loop {
            let waiting = console.is_waiting();
            let patience = if waiting { PollTimeout::NONE } else { PollTimeout::ZERO };
            let woken = self.sleep(None, Some(&mut console), patience)?;
            let told_to_go = self.next()?.is_some_and(ends);
            if told_to_go || woken == Woken::Late {
                return Ok(());
            }
        }
    }

    /// Sleeps until there is something to do, and does what the console needs.
    fn sleep(
        &self,
        process: Option<BorrowedFd<'_>>,
        console: Option<&mut Console>,
        patience: PollTimeout,
    ) -> Result<Woken, Error> {
        let nothing = (self.signals.as_fd(), PollFlags::empty());
        let process = process.map_or(nothing, |process| (process, PollFlags::POLLIN));
        let [master, input, output] = console.as_ref().map_or([nothing; 3], |c| c.watched());
        let watched = [process, (self.signals.as_fd(), PollFlags::POLLIN), master, input, output];
        let Some([ended, _, master, input, output]) = ready(watched, patience)? else {
            return Ok(Woken::Late);
        };
        if let Some(console) = console {
            console.carry([master, input, output]);
        }
        Ok(if ended.is_empty() { Woken::Busy } else { Woken::ProcessEnded })
    }

    /// The next signal that waits. A SIGPIPE of our own, from a write that nobody reads, is none.
    fn next(&self) -> Result<Option<libteu::Signal>, Error> {
        loop {
            let info = self.signals.read_signal().map_err(Error::system("read signalfd"))?;
            let Some(info) = info else { return Ok(None) };
            let number = i32::try_from(info.ssi_signo).unwrap_or_default();
            let own = number == libc::SIGPIPE && info.ssi_pid == std::process::id();
            if let Some(signal) = libteu::Signal::try_from(number).ok().filter(|_| !own) {
                return Ok(Some(signal));
            }
        }
    }
}

/// Why [`Forwarder::sleep`] has returned.
#[derive(Debug, PartialEq, Eq)]
enum Woken {
    ProcessEnded,
    Busy,
    Late,
}

/// poll(2) on those of which something is wanted; `None` when the time is up.
fn ready<const N: usize>(
    watched: [(BorrowedFd<'_>, PollFlags); N],
    patience: PollTimeout,
) -> Result<Option<[PollFlags; N]>, Error> {
    let mut fds = Vec::with_capacity(N);
    fds.extend(
        watched
            .iter()
            .filter(|(_, flags)| !flags.is_empty())
            .map(|(fd, flags)| PollFd::new(*fd, *flags)),
    );
    match poll(&mut fds, patience) {
        Ok(0) => return Ok(None),
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(Error::System { action: "poll", errno }),
    }
    let mut events = fds.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
    let mut of = |flags: PollFlags| if flags.is_empty() { None } else { events.next() };
    Ok(Some(watched.map(|(_, flags)| of(flags).unwrap_or(PollFlags::empty()))))
}

/// Whether a signal to teu says that it shall go, once there is no process to pass it on to.
pub fn ends(signal: libteu::Signal) -> bool {
    matches!(signal.number(), libc::SIGHUP | libc::SIGINT | libc::SIGQUIT | libc::SIGTERM)
}

fn handle(signal: libteu::Signal, process: &impl Target, console: Option<&Console>, log: &dyn Log) {
    match signal.number() {
        libc::SIGCHLD => reap_orphans(process.pid()),
        // The kernel tells the container's processes itself. One without a terminal may still have ours.
        libc::SIGWINCH if console.is_some() => console.into_iter().for_each(Console::resize),
        _ => {
            log.debug(format_args!("forwarding {signal} to {}", process.pid()));
            if let Err(e) = process.kill(signal) {
                log.warn(&e);
            }
        }
    }
}

/// Reaps children that have ended, up to the container's process, which [`Target::wait`] reaps.
fn reap_orphans(main: i32) {
    let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Some(pid) = waitid(Id::All, peek).ok().as_ref().and_then(WaitStatus::pid) {
        if pid.as_raw() == main || waitpid(pid, Some(WaitPidFlag::WNOHANG)).is_err() {
            break;
        }
    }
}

/// A shell's view of a status: 128 and the signal's number for a process that was killed.
fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{PipeReader, PipeWriter, pipe};
    use std::os::fd::BorrowedFd;

    use nix::sys::signal::{Signal, raise};

    use super::*;

    struct Silent;

    impl Log for Silent {
        fn debug(&self, _: std::fmt::Arguments<'_>) {}
        fn warn(&self, _: &dyn std::fmt::Display) {}
    }

    /// Ends with status 7 when it gets SIGTERM: its descriptor is a pipe, closed at that moment.
    struct Fake {
        end: PipeReader,
        alive: RefCell<Option<PipeWriter>>,
        seen: RefCell<Vec<i32>>,
    }

    impl AsFd for Fake {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.end.as_fd()
        }
    }

    impl Target for Fake {
        fn pid(&self) -> i32 {
            i32::MAX
        }

        fn kill(&self, signal: libteu::Signal) -> libteu::Result<()> {
            self.seen.borrow_mut().push(signal.number());
            if signal == libteu::Signal::TERM {
                self.alive.borrow_mut().take();
            }
            Ok(())
        }

        fn wait(&self) -> libteu::Result<ExitStatus> {
            Ok(ExitStatus::from_raw(7 << 8))
        }
    }

    #[test]
    fn signals_are_forwarded_until_the_process_ends() {
        let forwarder = Forwarder::new().unwrap();
        for signal in [Signal::SIGWINCH, Signal::SIGPIPE, Signal::SIGHUP, Signal::SIGTERM] {
            raise(signal).unwrap();
        }
        let (end, alive) = pipe().unwrap();
        let fake = Fake { end, alive: RefCell::new(Some(alive)), seen: RefCell::default() };
        assert_eq!(forwarder.wait(&fake, None, &Silent).unwrap(), 7);
        let mut seen = fake.seen.into_inner();
        seen.sort_unstable();
        assert_eq!(seen, [libc::SIGHUP, libc::SIGTERM, libc::SIGWINCH]);
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "who reaps them is what is tested")]
    fn orphans_are_reaped_and_the_containers_process_is_not() {
        let peek = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        let zombie = || {
            let child = std::process::Command::new("true").spawn().unwrap();
            let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
            waitid(Id::Pid(pid), peek).unwrap();
            pid
        };
        let orphan = zombie();
        reap_orphans(i32::MAX);
        assert_eq!(waitid(Id::Pid(orphan), peek), Err(Errno::ECHILD));
        let main = zombie();
        reap_orphans(main.as_raw());
        assert_eq!(waitpid(main, None), Ok(WaitStatus::Exited(main, 0)));
    }

    #[test]
    fn a_killed_process_gives_128_and_the_signal() {
        assert_eq!(exit_code(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(exit_code(ExitStatus::from_raw(libc::SIGKILL)), 137);
        assert_eq!(exit_code(ExitStatus::from_raw(64)), 192);
    }
}
