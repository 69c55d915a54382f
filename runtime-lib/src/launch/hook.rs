//! Runs one hook: state on its stdin, a deadline, and what it says kept for the error.

use std::fs::File;
use std::io::Seek;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use oci_spec::runtime::Hook;

use super::{Child, End, Lane, launch, wait_and_leave};
use crate::error::{Error, Result};
use crate::plan::{HookKind, Plan};
use crate::prepare::{Prepare, memory_file, prepare, sealed};
use crate::timings::Timer;

/// One hook and where it runs.
pub(crate) struct HookRun<'a> {
    pub kind: HookKind,
    pub index: usize,
    pub hook: &'a Hook,
    /// The state as JSON.
    pub state: &'a [u8],
    pub plan: &'a Plan,
    /// What the plan's inputs are taken from; the streams are added here.
    pub from: Prepare<'a>,
}

/// Runs the hook to its end. Its streams are files in memory rather than pipes: a hook that does not
/// read its state, writes much, or leaves a daemon behind cannot block or signal us.
pub(crate) fn run(run: HookRun<'_>, lane: &mut dyn Lane) -> Result<()> {
    let failed = |problem: String| Error::Hook {
        kind: run.kind.name(),
        index: run.index,
        path: run.hook.path().clone(),
        problem,
    };
    let mut state = File::from(sealed("teu-hook-state", run.state, false)?);
    state.rewind().map_err(|e| failed(e.to_string()))?;
    let output = File::from(memory_file("teu-hook-output", false)?);
    let out = || output.try_clone().map(OwnedFd::from);
    let streams = out().and_then(|first| Ok([state.into(), first, out()?]));
    let mut from = run.from;
    from.stdio = Some(streams.map_err(|e| failed(e.to_string()))?);
    let prepared = prepare(run.plan, from)?;
    let started = launch(run.plan, prepared, lane, &mut Timer::off())
        .map_err(|e| failed(program_problem(e)))?;
    let status = wait(&started, run.hook.timeout());
    match status.map_err(&failed)? {
        End::Exited(0) => Ok(()),
        End::Exited(code) => Err(failed(format!("exit status {code}{}", said(&output)))),
        End::Killed(signal) => Err(failed(format!("{}{}", killed(signal), said(&output)))),
    }
}

/// In the words of Go's os/exec, where they are more than a number.
fn killed(signal: i32) -> String {
    let words = match signal {
        libc::SIGABRT => "aborted",
        libc::SIGKILL => "killed",
        libc::SIGSEGV => "segmentation fault",
        libc::SIGSYS => "bad system call",
        libc::SIGTERM => "terminated",
        number => return format!("killed by signal {number}"),
    };
    format!("signal: {words}")
}

/// What is said of a container's process is true of a hook, but for whose it is.
fn program_problem(e: Error) -> String {
    match e {
        Error::Step { what, .. } => what,
        other => other.to_string(),
    }
}

/// `timeout` in seconds. A hook that is late is killed, by the drop of `Child`.
fn wait(child: &Child, timeout: Option<i64>) -> std::result::Result<End, String> {
    let limit = timeout.and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0);
    let deadline = limit.map(|s| Instant::now() + Duration::from_secs(s));
    let pidfd = child.pidfd().ok_or("is gone")?;
    loop {
        let left = match deadline {
            None => PollTimeout::NONE,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(format!("no end after {} s", limit.unwrap_or_default()));
                }
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
        };
        match poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], left) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => break,
            Err(e) => return Err(e.to_string()),
        }
    }
    wait_and_leave(pidfd).map_err(|e| e.to_string())
}

/// The end of what the hook wrote, in one line.
fn said(output: &File) -> String {
    const LAST: u64 = 1024;
    let len = output.metadata().map(|m| m.len()).unwrap_or(0);
    let mut text = vec![0; usize::try_from(len.min(LAST)).unwrap_or(0)];
    if output.read_exact_at(&mut text, len.saturating_sub(LAST)).is_err() || text.is_empty() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    format!(", output: {}", lines.join("; "))
}
