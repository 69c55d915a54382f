//! Runs one hook: state on its stdin, a deadline, and what it says kept for the error.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use oci_spec::runtime::Hook;

use super::{Child, End, NoLane, launch, wait_and_leave};
use crate::error::{Error, Result};
use crate::plan::{HookKind, Plan};
use crate::prepare::{Prepare, memory_file, prepare, sealed};
use crate::signal::open_pidfd;

/// One hook and where it runs.
pub(crate) struct HookRun<'a> {
    pub kind: HookKind,
    pub index: usize,
    pub hook: &'a Hook,
    /// Working directory of hooks in the runtime's namespaces, as runc has it.
    pub bundle: &'a Path,
    /// The state as JSON.
    pub state: &'a [u8],
    /// Into the container's namespaces, or `None` for the runtime's.
    pub inside: Option<(&'a Plan, Prepare<'a>)>,
}

/// Runs the hook to its end. Its streams are files in memory rather than pipes: a hook that does not
/// read its state, writes much, or leaves a daemon behind cannot block or signal us.
pub(crate) fn run(run: HookRun<'_>) -> Result<()> {
    let failed = |problem: String| Error::Hook {
        kind: run.kind.name(),
        index: run.index,
        path: run.hook.path().clone(),
        problem,
    };
    let state = sealed("teu-hook-state", run.state, false)?;
    let output = File::from(memory_file("teu-hook-output", false)?);
    let started = match run.inside {
        None => start(run.hook, run.bundle, state, &output).map_err(&failed)?,
        Some((plan, mut inside)) => {
            let out = || output.try_clone().map(OwnedFd::from);
            let streams = out().and_then(|o| Ok([state, o, out()?]));
            let streams = streams.map_err(|e| failed(e.to_string()))?;
            inside.stdio = Some(streams);
            launch(plan, prepare(plan, inside)?, &mut NoLane).map_err(|e| failed(e.to_string()))?
        }
    };
    let status = wait(&started, run.hook.timeout());
    match status.map_err(&failed)? {
        End::Exited(0) => Ok(()),
        End::Exited(code) => Err(failed(format!("exit status {code}{}", said(&output)))),
        End::Killed(signal) => Err(failed(format!("killed by signal {signal}{}", said(&output)))),
    }
}

/// In the runtime's namespaces. Without `env` the hook has the runtime's environment, as with runc.
fn start(
    hook: &Hook,
    bundle: &Path,
    state: OwnedFd,
    output: &File,
) -> std::result::Result<Child, String> {
    let mut command = Command::new(hook.path());
    command.current_dir(bundle);
    if let Some((first, rest)) = hook.args().as_deref().and_then(<[String]>::split_first) {
        command.arg0(first).args(rest);
    }
    if let Some(env) = hook.env() {
        command.env_clear();
        let pairs = env.iter().map(|v| v.split_once('=').unwrap_or((v.as_str(), "")));
        command.envs(pairs);
    }
    let stream = || output.try_clone().map(Stdio::from).map_err(|e| e.to_string());
    command.stdin(Stdio::from(state)).stdout(stream()?).stderr(stream()?);
    let child = command.spawn().map_err(|e| e.to_string())?;
    let pid = i32::try_from(child.id()).map_err(|e| e.to_string())?;
    let pidfd = open_pidfd(pid).map_err(|e| e.to_string())?;
    Ok(Child { pid, pidfd: Some(pidfd) })
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
