//! Signals to everything in a cgroup.

use std::os::fd::AsFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::unistd::getpid;

use super::freezer;
use super::layout::Mode;
use super::manager::list;
use super::paths::{Paths, Place};
use super::tree::is_gone;
use crate::error::{Error, Result};
use crate::fdio;
use crate::signal::{self, Signal};

/// How long freezing is tried before processes are killed on the run.
const FREEZE_PATIENCE: Duration = Duration::from_millis(500);
/// How long processes that multiply are hunted.
const HUNT: Duration = Duration::from_secs(2);

/// SIGKILL for every process in the cgroup and below it, also for those that appear while it is at
/// work. The processes need not have ended when it returns.
pub(super) fn kill_all(paths: &Paths) -> Result<()> {
    let Some(main) = paths.main() else { return Ok(()) };
    let alone = !holds_caller(main);
    if alone && kill_unified(paths)? && paths.mode == Mode::V2 {
        return Ok(());
    }
    // Without a freezer (rootless), or where freezing fails, the hunt must do.
    let frozen = alone && freezer::freeze(paths, FREEZE_PATIENCE).is_ok();
    let hunted = hunt(main, frozen);
    // A frozen process of v1 dies only when it is thawed, also if it was frozen before.
    freezer::thaw(paths).and(hunted)
}

/// Signals every process in the cgroup and below it once. Where it `may_freeze`, nobody runs
/// meanwhile: a process that is listed but not yet signalled could fork one that goes without.
pub(super) fn signal_all(paths: &Paths, signal: Signal, may_freeze: bool) -> Result<()> {
    let Some(main) = paths.main() else { return Ok(()) };
    let may_freeze = may_freeze && !holds_caller(main) && !paths.is_frozen()?;
    let frozen = may_freeze && freezer::freeze(paths, FREEZE_PATIENCE).is_ok();
    let signalled = signal_once(main, signal).map(drop);
    if frozen { freezer::thaw(paths).and(signalled) } else { signalled }
}

/// What takes all at once would kill the caller too, or stop it half way.
fn holds_caller(main: &Place) -> bool {
    list(main).is_ok_and(|pids| pids.contains(&getpid().as_raw()))
}

/// `cgroup.kill` takes all at once, with those being forked. False where that is not possible: the
/// cgroup is threaded, or there is none in the v2 hierarchy.
fn kill_unified(paths: &Paths) -> Result<bool> {
    let Some(place) = &paths.unified else { return Ok(false) };
    let file = place.dir.join("cgroup.kill");
    match fdio::write(&file, b"1") {
        Ok(()) => Ok(true),
        Err(e) if is_gone(e) || e == Errno::EOPNOTSUPP => Ok(false),
        Err(e) => Err(Error::system("write", file.display(), e)),
    }
}

fn hunt(main: &Place, frozen: bool) -> Result<()> {
    let deadline = Instant::now() + HUNT;
    while signal_once(main, Signal::KILL)? > 0 && !frozen && Instant::now() < deadline {
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Signals each process, all of them even if one refuses, and tells how many there were. The
/// caller itself is left out: a library must not kill its program because that was put here. The
/// oldest, as a rule init, comes last: when it ends, the kernel kills the others
/// (pid_namespaces(7)), also those that have not had their signal.
fn signal_once(main: &Place, signal: Signal) -> Result<usize> {
    let mut pids = list(main)?;
    pids.retain(|&pid| pid != getpid().as_raw());
    let mut refused = None;
    for &pid in pids.iter().rev() {
        match signal::open_pidfd(pid).and_then(|process| signal::send(process.as_fd(), signal)) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(e) => refused = refused.or(Some(Error::system("kill", pid, e))),
        }
    }
    refused.map_or(Ok(pids.len()), Err)
}
