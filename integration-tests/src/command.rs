//! Commands with a time limit and captured output.
#![allow(unsafe_code, reason = "Command::pre_exec")]

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::outcome::Outcome;
use nix::mount::{MntFlags, MsFlags};
use nix::sched::CloneFlags;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::{Gid, Pid, Uid};

const LIMIT: Duration = Duration::from_secs(30);

/// A command being put together.
#[derive(Debug)]
pub struct Cmd {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    stdin: Option<String>,
    terminal: Option<File>,
    cwd: Option<PathBuf>,
    user: Option<u32>,
    hidden: Option<PathBuf>,
    binds: Vec<(PathBuf, PathBuf)>,
    limit: Duration,
}

/// A command under way; killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: File,
    stderr: File,
    command: String,
    end: Instant,
}

impl Cmd {
    /// A program without arguments.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            stdin: None,
            terminal: None,
            cwd: None,
            user: None,
            hidden: None,
            binds: Vec::new(),
            limit: patience(LIMIT),
        }
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Adds one argument.
    pub fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        self.args([arg])
    }

    /// Sets an environment variable.
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.into(), value.as_ref().to_owned()));
        self
    }

    /// Gives it standard input; the default is `/dev/null`.
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Makes a terminal its standard input and that of a session of its own.
    pub(crate) fn on_terminal(mut self, terminal: File) -> Self {
        self.terminal = Some(terminal);
        self
    }

    /// Runs it in a directory.
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cwd = Some(dir.into());
        self
    }

    /// Runs it as an ordinary user: this uid and gid, no groups, no capabilities.
    pub fn user(mut self, uid: Option<u32>) -> Self {
        self.user = uid;
        self
    }

    /// Runs it in a mount namespace of its own in which this mount is gone.
    pub fn without(mut self, mountpoint: impl Into<PathBuf>) -> Self {
        self.hidden = Some(mountpoint.into());
        self
    }

    /// Runs it in a mount namespace of its own in which `file` stands in for `target`.
    pub fn bind(mut self, file: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        self.binds.push((file.into(), target.into()));
        self
    }

    /// Changes the time limit.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Puts a program and its arguments before it.
    pub fn wrapped<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        let mut words: Vec<OsString> = words.into_iter().map(|w| w.as_ref().to_owned()).collect();
        words.push(self.program);
        words.append(&mut self.args);
        self.program = words.remove(0);
        self.args = words;
        self
    }

    /// Lets a shell script run first, which must end in `exec "$@"`.
    pub fn through_shell(self, script: &str) -> Self {
        self.wrapped(["sh", "-c", script, "sh"])
    }

    /// The program and its arguments.
    pub fn words(&self) -> Vec<OsString> {
        std::iter::once(&self.program).chain(&self.args).cloned().collect()
    }

    /// Runs it to its end.
    pub fn run(self) -> Outcome {
        self.spawn().wait()
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn(self) -> Running {
        // Files, not pipes: a container outlives the command that made it, and would hold a pipe open.
        let (out, err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        self.spawn_into(out, err)
    }

    /// Starts it with these files as standard output and standard error.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn spawn_into(self, stdout: File, stderr: File) -> Running {
        let words = std::iter::once(&self.program).chain(&self.args);
        let line = words.map(|a| a.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ");
        let mut command = Command::new(&self.program);
        let on_terminal = self.terminal.is_some();
        let input = self.terminal.map_or_else(|| stdin(self.stdin), Stdio::from);
        command.args(&self.args).envs(self.env).stdin(input);
        command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        if let Some(dir) = &self.cwd {
            command.current_dir(dir);
        }
        let (user, hidden, binds) = (self.user, self.hidden, self.binds);
        // SAFETY: between fork and exec the closure makes system calls and nothing else: nix copies short paths to
        // the stack, and the vectors were built before.
        unsafe {
            command.pre_exec(move || {
                if on_terminal {
                    take_terminal()?;
                }
                heed_signals()?;
                prepare(user, hidden.as_ref(), &binds)
            })
        };
        let mut child = command.spawn();
        // A copy of the runtime that a child just forked by another test still has open for writing
        // cannot be executed yet.
        while matches!(&child, Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy) {
            std::thread::yield_now();
            child = command.spawn();
        }
        let child = child.unwrap_or_else(|e| panic!("{line}: {e}"));
        Running { child, stdout, stderr, command: line, end: Instant::now() + self.limit }
    }
}

/// Standard input becomes the terminal of a new session.
fn take_terminal() -> std::io::Result<()> {
    nix::unistd::setsid()?;
    // SAFETY: plain numbers.
    match unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn stdin(text: Option<String>) -> Stdio {
    let Some(text) = text else { return Stdio::null() };
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.into()
}

/// What nohup(1) and shells have their background jobs ignore is inherited by containers.
fn heed_signals() -> std::io::Result<()> {
    for ignored in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        // SAFETY: no handler of ours is set.
        unsafe { signal(ignored, SigHandler::SigDfl) }?;
    }
    Ok(())
}

fn prepare(
    user: Option<u32>,
    hidden: Option<&PathBuf>,
    binds: &[(PathBuf, PathBuf)],
) -> std::io::Result<()> {
    const NONE: Option<&str> = None;
    if hidden.is_some() || !binds.is_empty() {
        nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
        nix::mount::mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)?;
    }
    for (file, target) in binds {
        nix::mount::mount(Some(file), target, NONE, MsFlags::MS_BIND, NONE)?;
    }
    if let Some(hidden) = hidden {
        nix::mount::umount2(hidden, MntFlags::MNT_DETACH)?;
    }
    if let Some(id) = user {
        nix::unistd::setgroups(&[])?;
        let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
        nix::unistd::setresgid(gid, gid, gid)?;
        nix::unistd::setresuid(uid, uid, uid)?;
    }
    Ok(())
}

impl Running {
    /// Waits for the end.
    ///
    /// # Panics
    /// When the time limit passes.
    pub fn wait(mut self) -> Outcome {
        let status = self.status();
        self.outcome(status)
    }

    /// Waits for its end, successful, and leaves alone what it has printed: that may be in a pipe which its container
    /// holds open.
    ///
    /// # Panics
    /// When the time limit passes, or it fails.
    #[track_caller]
    pub fn succeeds(mut self) {
        let status = self.status();
        assert!(status.success(), "{status}: {}", self.command);
    }

    fn status(&mut self) -> ExitStatus {
        let mut pause = Duration::from_micros(500);
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            if Instant::now() > self.end {
                panic!("time limit: {}\n{}", self.command, self.printed());
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
        }
    }

    /// To read a pipe could take for ever.
    fn printed(&self) -> String {
        if !self.stdout.metadata().is_ok_and(|file| file.is_file()) {
            return String::new();
        }
        format!("stdout: {}\nstderr: {}", self.stdout(), text(&self.stderr))
    }

    fn outcome(&self, status: ExitStatus) -> Outcome {
        Outcome {
            status: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: self.stdout(),
            stderr: text(&self.stderr),
            command: self.command.clone(),
        }
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> bool {
        // Not reaped yet is not alive.
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Sends it a signal that may have no name.
    pub fn signal_number(&self, number: i32) {
        // SAFETY: plain numbers; the process is a child that is not reaped yet.
        assert_eq!(unsafe { libc::kill(self.pid().as_raw(), number) }, 0);
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// Waits until it has printed something.
    pub fn wait_for(&self, what: &str) {
        wait_until(&format!("{}: {what:?} on stdout", self.command), || {
            self.stdout().contains(what)
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(file: &File) -> String {
    // What went to a terminal is read at its other end.
    if nix::unistd::isatty(file).unwrap_or(false) {
        return String::new();
    }
    // A second open file description: the command's own offset must not move.
    let mut bytes = Vec::new();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    File::open(path).and_then(|mut f| f.read_to_end(&mut bytes)).expect("output file");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A time limit of the harness on this machine: `TEU_TEST_PATIENCE=3` makes each three times as long, for an
/// emulated or a busy one.
///
/// # Panics
/// When the variable is not a number.
pub fn patience(limit: Duration) -> Duration {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    let factor = FACTOR.get_or_init(|| match std::env::var("TEU_TEST_PATIENCE") {
        Ok(text) if !text.is_empty() => text.parse().expect("TEU_TEST_PATIENCE: a number"),
        _ => 1,
    });
    limit * *factor
}

/// Polls for ten seconds (see [`patience`]).
///
/// # Panics
/// When it never becomes true.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + patience(Duration::from_secs(10));
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
