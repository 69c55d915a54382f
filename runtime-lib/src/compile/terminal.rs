//! process.terminal: a terminal of the container's own devpts, whose master end goes to the caller.

use oci_spec::runtime::Process;

use super::rootfs::{AT_EMPTY_PATH, OPEN_TREE_CLONE_CLOEXEC};
use super::{Compiler, Pinned};
use crate::plan::op::{Op, Slot, kind};
use crate::plan::{Builder, Source};

const DEVPTS: &str = "/dev/pts";
const CONSOLE: &str = "/dev/console";
const FIELD: &str = "process.terminal";

/// A terminal whose master end the runtime's caller keeps, to carry keys and output itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Foreground {
    /// Rows and columns to begin with, rather than `process.consoleSize`.
    pub size: Option<(u16, u16)>,
}

pub(super) fn wanted(process: Option<&Process>) -> bool {
    process.and_then(Process::terminal).unwrap_or(false)
}

/// The slot of the socket that the master end is sent to.
pub(super) fn input(plan: &mut Builder, process: Option<&Process>) -> Option<Slot> {
    wanted(process).then(|| {
        plan.origin(FIELD);
        let slot = plan.input(Source::Console);
        plan.origin("");
        slot
    })
}

/// For a new container: the terminal is /dev/console as well. Done by descriptor before the root is
/// switched; no path that the image could have prepared leads to the terminal (CVE-2025-52565), nor the
/// terminal elsewhere (CVE-2026-88264).
pub(super) fn set_up(c: &mut Compiler<'_>, pinned: &mut Pinned) {
    let process = c.request.spec.process().as_ref();
    let (Some(process), Some(socket)) = (process, pinned.console.take()) else { return };
    let peer = open(&mut c.plan, c.root, socket, process, c.request.foreground);
    pinned.stdio = (0..3).map(|stream| (peer, stream)).collect();
    if c.home.is_none() && !c.namespaces.has(super::namespaces::CLONE_NEWNS) {
        return;
    }
    c.plan.origin(CONSOLE);
    let mount = c.plan.slot();
    let (none, console) = (c.plan.text(""), c.plan.text(CONSOLE));
    let flags = OPEN_TREE_CLONE_CLOEXEC | AT_EMPTY_PATH;
    c.plan.push(Op::OpenTree { dir: peer, out: mount, path: none, flags });
    let target = c.plan.slot();
    let (root, like) = (c.root, Slot::NONE);
    c.plan.push(Op::Target { root, out: target, like, kind: kind::REAL_FILE, path: console });
    c.plan.push(Op::MoveMount { mount, target });
    c.plan.done(target);
    c.plan.done(mount);
    c.plan.origin("");
}

/// For a further process, from inside the container: its streams are in place afterwards.
pub(super) fn enter(
    plan: &mut Builder,
    socket: Slot,
    process: &Process,
    foreground: Option<Foreground>,
) {
    const O_PATH_DIRECTORY: u32 =
        (libc::O_PATH | libc::O_CLOEXEC | libc::O_DIRECTORY).cast_unsigned();
    plan.origin(FIELD);
    let root = plan.slot();
    let path = plan.text("/");
    plan.push(Op::Open { dir: Slot::CWD, out: root, path, flags: O_PATH_DIRECTORY });
    let peer = open(plan, root, socket, process, foreground);
    plan.origin(FIELD);
    for to in 0..3 {
        plan.push(Op::Dup { slot: peer, to });
    }
    for slot in [peer, root, socket] {
        plan.push(Op::Close { slot });
    }
    plan.origin("");
}

/// The peer end of a new terminal, whose master end is on its way to the caller.
fn open(
    plan: &mut Builder,
    root: Slot,
    socket: Slot,
    process: &Process,
    foreground: Option<Foreground>,
) -> Slot {
    plan.origin(FIELD);
    let master = plan.slot();
    let path = plan.text(DEVPTS);
    plan.push(Op::OpenTerminal { root, out: master, path });
    let peer = plan.slot();
    plan.push(Op::TerminalPeer { terminal: master, out: peer });
    if foreground.is_some() {
        // Whatever reads the output shall see plain line feeds; a terminal adds the rest itself.
        plan.push(Op::PlainLineFeeds { terminal: peer });
    }
    if let Some((rows, columns)) = foreground.and_then(|f| f.size).or_else(|| size(process)) {
        plan.origin("process.consoleSize");
        plan.push(Op::WindowSize { terminal: peer, rows, columns });
        plan.origin(FIELD);
    }
    plan.push(Op::ControllingTerminal { terminal: peer });
    // The name is for receivers that insist on some data (runc sends the same).
    let name = plan.bytes("/dev/ptmx");
    plan.push(Op::SendDescriptor { socket, descriptor: master, name });
    plan.push(Op::Close { slot: master });
    plan.origin("");
    peer
}

/// `validate` has refused sizes that a terminal cannot have.
fn size(process: &Process) -> Option<(u16, u16)> {
    let size = process.console_size()?;
    Some((u16::try_from(size.height()).ok()?, u16::try_from(size.width()).ok()?))
}
