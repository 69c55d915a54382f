//! Runs a command under ptrace(2), counts the system calls of it and of its executors, and injects one fault.
//!
//! What is followed: the command and its threads, and each child until it executes something else than the sealed
//! executor; there it is let go, so that neither the container's program nor a hook is ever traced.
#![allow(unsafe_code, reason = "ptrace and fork")]

use std::collections::{HashMap, HashSet};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::calls;
use super::point::{Fault, Point};

/// How long a command may take under ptrace: more than any wait that teu has of its own.
const LIMIT: Duration = Duration::from_secs(40);

/// What a traced command did.
#[derive(Debug, Default)]
pub struct Trace {
    /// Its end; `None` if it had to be killed at the time limit.
    pub end: Option<End>,
    /// The calls of each process.
    pub calls: Vec<Vec<i64>>,
    /// The call that the fault struck.
    pub hit: Option<i64>,
    /// At the time limit: what each process was in.
    pub stuck: Vec<String>,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Killed(Signal),
}

struct Process {
    calls: Vec<i64>,
    /// What is done at the exit of the call that it is in.
    at_exit: Option<AtExit>,
}

enum AtExit {
    Give(Errno),
    /// The C library takes its first argument for unchanged.
    PutBack(u64),
}

struct Tracer {
    root: Pid,
    processes: Vec<Process>,
    of: HashMap<Pid, usize>,
    /// Stopped before anybody told whose child they are.
    newborn: HashSet<Pid>,
    /// Stopped until the root has ended.
    held: HashSet<Pid>,
    target: Option<Point>,
    hit: Option<i64>,
}

/// Runs a command that waits for `gate` (see `spawn`) to its end. No other child may be waited for meanwhile.
pub fn trace(root: Pid, gate: OwnedFd, target: Option<Point>) -> Trace {
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(root, options).expect("PTRACE_SEIZE");
    drop(gate);
    let mut tracer = Tracer {
        root,
        processes: vec![Process { calls: Vec::new(), at_exit: None }],
        of: [(root, 0)].into(),
        newborn: HashSet::new(),
        held: HashSet::new(),
        target,
        hit: None,
    };
    let end = tracer.follow();
    let stuck = if end.is_none() { tracer.kill_all() } else { Vec::new() };
    tracer.let_go();
    let calls = tracer.processes.into_iter().map(|process| process.calls).collect();
    Trace { end, calls, hit: tracer.hit, stuck }
}

/// Has waitpid return from time to time.
fn tick() {
    extern "C" fn nothing(_: i32) {}
    let action = SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGALRM, &action) }.expect("sigaction");
    nix::unistd::alarm::set(1);
}

fn wait(pid: Option<Pid>) -> Result<WaitStatus, Errno> {
    waitpid(pid, Some(WaitPidFlag::__WALL))
}

impl Tracer {
    fn follow(&mut self) -> Option<End> {
        let deadline = Instant::now() + LIMIT;
        loop {
            tick();
            match wait(None) {
                Err(Errno::EINTR) if Instant::now() > deadline => return None,
                Err(Errno::EINTR) => {}
                Err(e) => panic!("waitpid: {e}"),
                Ok(WaitStatus::Exited(pid, status)) if pid == self.root => {
                    self.of.remove(&pid);
                    return Some(End::Exited(status));
                }
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.root => {
                    self.of.remove(&pid);
                    return Some(End::Killed(signal));
                }
                Ok(WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..)) => {
                    self.of.remove(&pid);
                    self.newborn.remove(&pid);
                }
                Ok(stop) => self.stopped(stop),
            }
        }
    }

    fn stopped(&mut self, stop: WaitStatus) {
        let Some(pid) = stop.pid() else { return };
        let Some(&process) = self.of.get(&pid) else {
            self.newborn.insert(pid);
            return;
        };
        let mut pass_on = None;
        match stop {
            WaitStatus::PtraceSyscall(_) => self.at_call(pid, process),
            WaitStatus::PtraceEvent(_, _, event)
                if event == Event::PTRACE_EVENT_EXEC as i32
                    && pid != self.root
                    && !is_executor(pid) =>
            {
                self.of.remove(&pid);
                let _ = ptrace::detach(pid, None);
                return;
            }
            WaitStatus::PtraceEvent(_, _, event) if is_birth(event) => self.birth(pid, process),
            WaitStatus::Stopped(_, signal) => pass_on = Some(signal),
            _ => {}
        }
        if !self.held.contains(&pid) {
            let _ = ptrace::syscall(pid, pass_on);
        }
    }

    fn birth(&mut self, parent: Pid, process: usize) {
        let Ok(child) = ptrace::getevent(parent) else { return };
        let child = Pid::from_raw(i32::try_from(child).expect("a pid"));
        let number = if is_thread_of(child, parent) {
            process
        } else {
            self.processes.push(Process { calls: Vec::new(), at_exit: None });
            self.processes.len() - 1
        };
        self.of.insert(child, number);
        if self.newborn.remove(&child) {
            let _ = ptrace::syscall(child, None);
        }
    }

    fn at_call(&mut self, pid: Pid, number: usize) {
        let Ok(info) = ptrace::syscall_info(pid) else { return };
        let process = &mut self.processes[number];
        match info.op {
            libc::PTRACE_SYSCALL_INFO_ENTRY => {
                // SAFETY: the kernel has said that it is an entry.
                let call = unsafe { info.u.entry.nr }.cast_signed();
                let index = process.calls.len();
                process.calls.push(call);
                let here = |t: &Point| t.process == number && t.index == index;
                if let Some(target) = self.target.filter(here) {
                    self.strike(pid, number, call, target.fault);
                }
            }
            libc::PTRACE_SYSCALL_INFO_EXIT => match process.at_exit.take() {
                Some(AtExit::Give(errno)) => {
                    let result = i64::from(-(errno as i32)).cast_unsigned();
                    change(pid, |registers| registers.rax = result);
                }
                Some(AtExit::PutBack(first)) => change(pid, |registers| registers.rdi = first),
                None => {}
            },
            _ => {}
        }
    }

    fn strike(&mut self, pid: Pid, number: usize, call: i64, fault: Fault) {
        match fault {
            Fault::Kill => {
                let _ = kill(pid, Signal::SIGKILL);
            }
            Fault::KillTeu => {
                self.held.insert(pid);
                let _ = kill(self.root, Signal::SIGKILL);
            }
            Fault::Fail(errno) => {
                if !calls::errors(call).is_some_and(|list| list.contains(&errno)) {
                    return;
                }
                match call {
                    // Where it fails it gives the end of the heap as it is, which is what 0 asks for.
                    libc::SYS_brk => change(pid, |registers| {
                        let asked = std::mem::take(&mut registers.rdi);
                        self.processes[number].at_exit = Some(AtExit::PutBack(asked));
                    }),
                    // One that fails has closed (close(2)).
                    libc::SYS_close => self.processes[number].at_exit = Some(AtExit::Give(errno)),
                    _ => {
                        self.processes[number].at_exit = Some(AtExit::Give(errno));
                        change(pid, |registers| registers.orig_rax = u64::MAX);
                    }
                }
            }
        }
        self.hit = Some(call);
    }

    /// Says what they are in.
    fn kill_all(&mut self) -> Vec<String> {
        let stuck = self.of.iter().map(|(pid, number)| {
            let calls = &self.processes[*number].calls;
            let last = calls.last().map(|call| calls::name(*call)).unwrap_or_default();
            let file = |name: &str| {
                std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default()
            };
            let (wchan, call) = (file("wchan"), file("syscall"));
            format!(
                "process {number} in its call {} ({last}), {wchan}: {}",
                calls.len(),
                call.trim()
            )
        });
        let stuck = stuck.collect();
        let pids = self.of.keys().chain(&self.newborn);
        for pid in pids {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        stuck
    }

    /// The root has ended: what still lives goes on by itself.
    fn let_go(&mut self) {
        let mut loose = HashSet::new();
        for pid in self.held.drain().chain(self.newborn.drain()) {
            let _ = ptrace::detach(pid, None);
            self.of.remove(&pid);
            loose.insert(pid);
        }
        for pid in self.of.keys() {
            let _ = ptrace::interrupt(*pid);
        }
        let deadline = Instant::now() + LIMIT;
        while !self.of.is_empty() && Instant::now() < deadline {
            tick();
            let Ok(stop) = wait(None) else { continue };
            let Some(pid) = stop.pid() else { continue };
            match stop {
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {}
                WaitStatus::PtraceEvent(_, _, event) if is_birth(event) => {
                    if let Ok(child) = ptrace::getevent(pid) {
                        let child = Pid::from_raw(i32::try_from(child).expect("a pid"));
                        if !loose.contains(&child) {
                            self.of.insert(child, 0);
                        }
                    }
                    let _ = ptrace::detach(pid, None);
                }
                WaitStatus::Stopped(_, signal) => drop(ptrace::detach(pid, signal)),
                _ => drop(ptrace::detach(pid, None)),
            }
            loose.insert(pid);
            self.of.remove(&pid);
        }
        nix::unistd::alarm::cancel();
    }
}

fn is_birth(event: i32) -> bool {
    [Event::PTRACE_EVENT_CLONE, Event::PTRACE_EVENT_FORK, Event::PTRACE_EVENT_VFORK]
        .into_iter()
        .any(|birth| birth as i32 == event)
}

fn is_executor(pid: Pid) -> bool {
    let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
    exe.is_ok_and(|exe| exe.to_string_lossy().starts_with("/memfd:teu-init"))
}

fn is_thread_of(child: Pid, parent: Pid) -> bool {
    std::path::Path::new(&format!("/proc/{parent}/task/{child}")).exists()
}

fn change(pid: Pid, change: impl FnOnce(&mut libc::user_regs_struct)) {
    if let Ok(mut registers) = ptrace::getregs(pid) {
        change(&mut registers);
        let _ = ptrace::setregs(pid, registers);
    }
}
