//! Carries out a prepared plan: starts the executor and walks the runtime's own lane beside it.

mod birth;
mod clocks;
mod clone;
mod end;
mod hook;
mod idmap;
mod listener;
mod mounts;
mod netlink;
mod network;
mod packet;
mod priority;
mod procfiles;
mod reaped;
mod rlimit;
mod userns;

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};

pub(crate) use end::{End, wait_and_leave, wait_for};
pub(crate) use hook::{HookRun, run as run_hook};
pub(crate) use userns::user_namespaces;

use crate::error::{Error, Result};
use crate::plan::op::{Slot, signal as meeting};
use crate::plan::record::Record;
use crate::plan::{HookKind, Plan, RuntimeStep, clone_hint};
use crate::prepare::{Prepared, above_streams, executor, sealed};
use crate::signal::{self, Signal};
use crate::state::{INIT_COMM, ProcStat};
use crate::timings::Timer;
use clone::{Spawn, Spawned, spawn};
use end::{reap, reap_killed};
use packet::Packet;

/// A running executor or what it has become: killed and reaped when dropped, unless released.
#[derive(Debug)]
pub(crate) struct Child {
    pub pid: i32,
    pidfd: Option<OwnedFd>,
}

impl Child {
    /// The process lives on; the caller takes over the duty to reap it.
    pub fn release(mut self) -> Option<OwnedFd> {
        self.pidfd.take()
    }

    /// A child of the calling program, by the pid that another process tells: a child's pid cannot be
    /// reused before it is reaped.
    pub fn told(pid: i32) -> Result<Self> {
        let pidfd = signal::open_pidfd(pid).map_err(|e| Error::system("pidfd_open", pid, e))?;
        if !end::is_child(pidfd.as_fd()) {
            return Err(Error::ExecutorDied("told the pid of a process that is not ours".into()));
        }
        Ok(Self { pid, pidfd: Some(pidfd) })
    }

    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(pidfd) = &self.pidfd {
            let _ = signal::send(pidfd.as_fd(), Signal::KILL);
            reap_killed(pidfd.as_fd());
        }
    }
}

/// What the runtime's lane needs done by those who know the container.
pub(crate) trait Lane {
    /// Has systemd start the container's unit around the process, and applies its limits.
    fn start_unit(&mut self, _: &Child) -> Result<()> {
        Err(nobody("start a unit"))
    }
    /// Has systemd move the process into the container's unit.
    fn attach_to_unit(&mut self, _: &Child) -> Result<()> {
        Err(nobody("attach a process"))
    }
    /// Runs the hooks of a kind.
    fn hooks(&mut self, kind: HookKind, init: &Child) -> Result<()>;
    /// Writes down that the container is created.
    fn save(&mut self, init: &Child) -> Result<()>;
    /// Sends the listener of a seccomp filter to its agent.
    fn listener(&mut self, listener: OwnedFd, process: &Child) -> Result<()>;
}

fn nobody(what: &str) -> Error {
    Error::unsupported("internal: the plan", format!("has systemd {what}, and nobody asks it"))
}

/// For plans that need none of it.
pub(crate) struct NoLane;

impl Lane for NoLane {
    fn hooks(&mut self, _: HookKind, _: &Child) -> Result<()> {
        Ok(())
    }

    fn save(&mut self, _: &Child) -> Result<()> {
        Ok(())
    }

    fn listener(&mut self, _: OwnedFd, _: &Child) -> Result<()> {
        Err(Error::unsupported("linux.seccomp", "a listener has nowhere to go"))
    }
}

/// Carries out the plan to its end. The result is the container's init, or the process of an exec.
pub(crate) fn launch(
    plan: &Plan,
    prepared: Prepared,
    lane: &mut dyn Lane,
    timer: &mut Timer,
) -> Result<Child> {
    let mut drive = Drive::new(plan, lane, timer);
    let mut prepared = Some(prepared);
    for step in &plan.runtime {
        match step {
            RuntimeStep::Launch { flags, .. } => {
                if let Some(prepared) = prepared.take() {
                    drive.start(*flags, prepared)?;
                }
            }
            other => drive.step(other)?,
        }
        drive.timer.stage_of(|| step.to_string().into());
    }
    if let Some(RuntimeStep::AwaitExec) = plan.runtime.last() {
        drive.timer.executed();
    }
    if let Some(moved) = drive.moved.take() {
        moved.stay();
    }
    drive.child.take().ok_or_else(gone)
}

struct Drive<'a> {
    plan: &'a Plan,
    control: Option<OwnedFd>,
    /// How long the executor may take from one meeting to the next.
    patience: Option<Duration>,
    child: Option<Child>,
    /// For mounts that the executor hands over, by slot.
    user_namespaces: Vec<(Slot, OwnedFd)>,
    /// Interfaces that the container has got: they come back if it fails after all.
    moved: Option<network::Moved>,
    lane: &'a mut dyn Lane,
    timer: &'a mut Timer,
}

impl<'a> Drive<'a> {
    fn new(plan: &'a Plan, lane: &'a mut dyn Lane, timer: &'a mut Timer) -> Self {
        let user_namespaces = Vec::new();
        let (control, patience) = (None, None);
        Self { plan, control, patience, child: None, user_namespaces, moved: None, lane, timer }
    }

    fn start(&mut self, namespaces: u64, prepared: Prepared) -> Result<()> {
        let fds = prepared.numbers();
        let encoded = self.plan.encode(&fds);
        let plan = above_streams(sealed("teu-plan", &encoded, false)?)?;
        let program = executor()?;
        let mut argv = vec![c"teu-init".into(), decimal(plan.as_raw_fd()), decimal(encoded.len())];
        let mut keep: Vec<_> = fds.iter().map(|(_, fd)| *fd).collect();
        keep.push(plan.as_raw_fd());
        if let Some((times, length)) = self.timer.file(self.plan.steps.len())? {
            argv.extend([decimal(times), decimal(length)]);
            keep.push(times);
        }
        let first = 3 + self.plan.preserve_fds;
        // Preserved ones too: the caller, if it has threads, cannot but mark them close-on-exec.
        keep.extend((3..first).filter_map(|number| i32::try_from(number).ok()));
        let into = |cgroup: Option<BorrowedFd<'_>>| {
            let program = program.as_fd();
            spawn(&Spawn { program, argv: &argv, namespaces, cgroup, first, keep: &keep })
        };
        let spawned = match (into(prepared.cgroup.as_ref().map(AsFd::as_fd)), &prepared.init_cgroup)
        {
            (Err(Errno::EBUSY), Some(init)) => into(Some(init.open()?.as_fd())),
            (other, _) => other,
        };
        let Spawned { pid, pidfd } = spawned.map_err(launch_error)?;
        self.child = Some(Child { pid, pidfd: Some(pidfd) });
        self.patience = prepared.patience;
        let (control, fds) = prepared.into_parts();
        self.control = Some(control);
        self.user_namespaces = mounts::kept(self.plan, fds);
        Ok(())
    }

    fn step(&mut self, step: &RuntimeStep) -> Result<()> {
        match step {
            RuntimeStep::Launch { .. } => Ok(()),
            RuntimeStep::Await(meeting::BORN) => self.await_birth(),
            RuntimeStep::Await(number) => self.await_signal(*number).map(drop),
            RuntimeStep::Answer(number) => self.answer(*number),
            RuntimeStep::MapIds { userns, recursive, origin } => {
                self.map_ids(*userns, *recursive, origin)
            }
            RuntimeStep::MoveInterfaces(devices) => {
                self.moved = Some(network::move_in(self.child()?, devices)?);
                Ok(())
            }
            RuntimeStep::WriteClockOffsets(offsets) => clocks::write(self.child()?, offsets),
            RuntimeStep::WriteIdMaps(maps) => idmap::write(self.child()?, maps, "linux"),
            RuntimeStep::StartUnit { .. } => {
                let child = self.child.as_ref().ok_or_else(gone)?;
                self.lane.start_unit(child)
            }
            RuntimeStep::AttachToUnit { .. } => {
                let child = self.child.as_ref().ok_or_else(gone)?;
                self.lane.attach_to_unit(child)
            }
            RuntimeStep::Hooks(kind) => {
                let child = self.child.as_ref().ok_or_else(gone)?;
                self.lane.hooks(*kind, child)
            }
            RuntimeStep::Rlimit { name, resource, soft, hard, index } => {
                let number = *resource;
                rlimit::set(self.child()?.pid, number, *soft, *hard).map_err(|errno| {
                    let object = format!("process.rlimits[{index}] ({name}={soft}:{hard})");
                    let hint = "raising a limit needs CAP_SYS_RESOURCE";
                    Error::system("prlimit", object, errno).with_hint(hint)
                })
            }
            RuntimeStep::Scheduler(attr) => priority::set_scheduler(self.child()?.pid, attr),
            RuntimeStep::IoPriority { name, value } => {
                priority::set_io(self.child()?.pid, *value, name)
            }
            RuntimeStep::SaveState => {
                let child = self.child.as_ref().ok_or_else(gone)?;
                self.lane.save(child)
            }
            RuntimeStep::SendListener => self.send_listener(),
            RuntimeStep::AwaitExec => self.await_exec(),
        }
    }

    fn child(&self) -> Result<&Child> {
        self.child.as_ref().ok_or_else(gone)
    }

    fn control(&self) -> Result<&OwnedFd> {
        self.control.as_ref().ok_or_else(gone)
    }

    fn await_signal(&self, expected: u16) -> Result<Record> {
        self.await_packet(expected).map(|packet| packet.record)
    }

    fn await_packet(&self, expected: u16) -> Result<Packet> {
        match self.receive()? {
            Some(packet) if packet.record.number == u32::from(expected) => Ok(packet),
            Some(Packet { record, .. }) => {
                let what = format!("sent signal {} where {expected} was due", record.number);
                Err(Error::ExecutorDied(what))
            }
            None => Err(self.obituary()),
        }
    }

    /// The next signal, or nothing because the other end is closed. Questions in between are answered.
    fn receive(&self) -> Result<Option<Packet>> {
        let control = self.control()?;
        loop {
            match packet::receive(control, self.plan)? {
                Some(packet) if packet.record.number == u32::from(meeting::SOURCE) => {
                    mounts::send_source(control, &self.plan.sources, &packet)?;
                }
                other => return Ok(other),
            }
        }
    }

    fn map_ids(&self, userns: Slot, recursive: bool, origin: &str) -> Result<()> {
        let mount = self.await_packet(meeting::IDS)?.descriptor;
        let userns = self.user_namespaces.iter().find(|(slot, _)| *slot == userns);
        let (Some(mount), Some((_, userns))) = (mount, userns) else {
            return Err(Error::ExecutorDied("handed over no mount".into()));
        };
        mounts::map_ids(mount.as_fd(), userns.as_fd(), recursive, origin)
    }

    /// The stage clones the init, tells its pid, and ends. Killed in between (out of memory), it
    /// leaves an init that waits for an answer and that nobody knows.
    fn await_birth(&mut self) -> Result<()> {
        let stage = self.child()?;
        let told = match stage.pidfd() {
            Some(pidfd) if !birth::is_told(self.control()?, pidfd, self.patience)? => {
                Err(self.end_of_child())
            }
            _ => self.await_signal(meeting::BORN),
        };
        match told {
            Ok(record) => self.adopt(record.aux),
            Err(e) => {
                birth::end_orphan(stage.pid);
                Err(e)
            }
        }
    }

    /// The stage has cloned the init and ends; the init is our child by CLONE_PARENT.
    fn adopt(&mut self, pid: u32) -> Result<()> {
        let pid = i32::try_from(pid).map_err(|_| Error::ExecutorDied("told a wrong pid".into()))?;
        let init = Child::told(pid)?;
        if let Some(stage) = self.child.replace(init).and_then(Child::release) {
            reap(stage.as_fd());
        }
        Ok(())
    }

    fn send_listener(&mut self) -> Result<()> {
        let number = self.await_signal(meeting::LISTENER)?.aux;
        let child = self.child.as_ref().ok_or_else(gone)?;
        let listener = listener::take(child.pidfd().ok_or_else(gone)?, number)?;
        self.lane.listener(listener, child)
    }

    fn answer(&self, number: u16) -> Result<()> {
        let control = self.control()?.as_raw_fd();
        loop {
            match send(control, &number.to_ne_bytes(), MsgFlags::MSG_NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(self.obituary()),
                // It lives and would never say why it does not go on.
                Err(e) => return Err(Error::system("send", "control socket", e)),
            }
        }
    }

    /// A successful exec closes the executor's end; so does its death, which is no success.
    fn await_exec(&self) -> Result<()> {
        match self.receive()? {
            Some(Packet { record, .. }) => {
                Err(Error::ExecutorDied(format!("sent signal {} unasked", record.number)))
            }
            None if died_as_executor(self.child()?.pid)? => Err(self.end_of_child()),
            None => Ok(()),
        }
    }

    /// Why the executor is gone: it may have left a report, or was killed.
    fn obituary(&self) -> Error {
        if let Ok(control) = self.control()
            && let Err(e) = packet::receive(control, self.plan)
        {
            return e;
        }
        self.end_of_child()
    }

    fn end_of_child(&self) -> Error {
        let end = self.child.as_ref().and_then(Child::pidfd).map(wait_and_leave);
        Error::ExecutorDied(match end {
            Some(Ok(End::Killed(signal))) => {
                format!(
                    "was killed by signal {signal} (out of memory? see its cgroup's memory.events)"
                )
            }
            Some(Ok(End::Exited(code))) => format!("exited with {code}"),
            _ => "is gone".into(),
        })
    }
}

/// Whether a process whose connection is closed has ended before its exec, which changes the name: a
/// moment after it has closed descriptors, while one that dies is a zombie a moment after that. Hence
/// the second looks.
pub(crate) fn died_as_executor(pid: i32) -> Result<bool> {
    // On a busy machine the moment can take as long as the scheduler likes.
    const PATIENCE: Duration = Duration::from_secs(2);
    const QUICK_LOOKS: u32 = 100;
    let deadline = Instant::now() + PATIENCE;
    for look in 0u32.. {
        match ProcStat::read(pid)? {
            Some(stat) if stat.comm == INIT_COMM.as_bytes() => {
                if !stat.is_alive() {
                    return Ok(true);
                }
            }
            _ => return Ok(false),
        }
        if Instant::now() > deadline {
            break;
        }
        if look < QUICK_LOOKS {
            std::thread::yield_now();
        } else {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    Ok(false)
}

/// What a started executor says: nothing (it has exec'd), or the errno of its exec.
pub(crate) fn start_failure(said: &[u8]) -> Option<i32> {
    let record = Record::from_bytes(said);
    record.filter(|record| record.kind == Record::FAILURE).map(|record| record.errno)
}

fn gone() -> Error {
    Error::ExecutorDied("was never started".into())
}

fn decimal(number: impl ToString) -> CString {
    CString::new(number.to_string()).unwrap_or_default()
}

fn errno(e: rustix::io::Errno) -> Errno {
    Errno::from_raw(e.raw_os_error())
}

fn launch_error(e: Errno) -> Error {
    let error = match e {
        // runc's words.
        Errno::EBUSY => Error::system("adding pid of", "the process to cgroups", e),
        _ => Error::system("clone3 and execveat of", "the container's init", e),
    };
    match e {
        Errno::EACCES => error.with_hint("is vm.memfd_noexec=2 set?"),
        Errno::ENOSYS => error.with_hint("Linux 5.14 or newer is needed"),
        _ => match clone_hint(e) {
            Some(hint) => error.with_hint(hint),
            None => error,
        },
    }
}
