//! The beginning and the end of every process that the executor becomes. Shared by create and exec,
//! so that the two cannot drift apart.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use oci_spec::runtime::{LinuxNamespaceType, Process, Spec};

use super::credentials::{self, Setgroups};
use super::{Compiler, Pinned, devices, limits, seccomp, terminal};
use crate::host::HostFacts;
use crate::plan::op::{List, Op, Slot, Text, signal};
use crate::plan::{Builder, HookKind, RuntimeStep, Source};
use crate::seccomp::Filter;
use crate::spec::{Namespace, namespace};

const PR_SET_DUMPABLE: u32 = 4;
const PR_SET_NAME: u32 = 15;
const PATH_MAX: usize = 4096;
const NAME_MAX: usize = 255;
/// Room for a home directory out of /etc/passwd.
const HOME_MAX: usize = 4096;

/// Slots for the caller's own streams, if it gave any.
pub(super) fn stdio_inputs(plan: &mut Builder, own: bool) -> Vec<(Slot, u32)> {
    plan.origin("stdio");
    let streams = if own { 0..3u32 } else { 0..0 };
    let slots = streams.map(|n| (plan.input(Source::Stdio(n as usize)), n)).collect();
    plan.origin("");
    slots
}

/// What comes before anything else, in every executor.
pub(super) fn prologue(plan: &mut Builder, oom_score_adj: Option<i32>, dumpable: Dumpable) {
    if let Some(adjustment) = oom_score_adj {
        write_oom_score_adj(plan, adjustment);
    }
    if dumpable == Dumpable::Never {
        undumpable(plan);
    }
    plan.push(Op::Prctl { option: PR_SET_NAME, arg: 0, arg2: 0 });
    plan.push(Op::ResetSignals {});
    plan.push(Op::Umask { mask: 0 });
    plan.push(Op::Setsid {});
}

pub(super) fn undumpable(plan: &mut Builder) {
    plan.push(Op::Prctl { option: PR_SET_DUMPABLE, arg: 0, arg2: 0 });
}

/// True if an ordinary user's runtime may now enter the container's namespaces (for hooks, and for an
/// exec before `start`) by way of this process. It belongs to the user namespace outside, and there the
/// kernel lets the user pass by a dumpable one only (ptrace(2), PTRACE_MODE_READ). From inside only
/// those get at it who have all its capabilities in the new user namespace: hooks and such an exec.
pub(super) fn admit_runtime(plan: &mut Builder, spec: &Spec, host: &HostFacts) -> bool {
    let closed = Dumpable::for_new_container(spec, host) == Dumpable::UntilMapped;
    if closed {
        plan.push(Op::Prctl { option: PR_SET_DUMPABLE, arg: 1, arg2: 0 });
    }
    closed
}

/// The caller's keyring may hold the host's secrets. A kernel without keys has nothing to hide.
pub(super) fn session_keyring(plan: &mut Builder, name: Option<&str>) {
    const ENOSYS: u8 = 38;
    if let Some(name) = name {
        plan.origin("session keyring");
        let name = plan.text(name);
        plan.push_or_skip(Op::SessionKeyring { name }, [ENOSYS, 0, 0]);
        plan.origin("");
    }
}

/// Whether an executor may be looked into by others of its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dumpable {
    /// No process inside may ptrace this one or open its descriptors while it enters
    /// (CVE-2016-9962).
    Never,
    /// Not before the maps are written: an ordinary user's runtime needs the files in /proc/PID to
    /// be the user's for that. Until then nobody else is in the new namespaces.
    UntilMapped,
}

impl Dumpable {
    pub fn for_new_container(spec: &Spec, host: &HostFacts) -> Self {
        let new_user = namespace(spec, LinuxNamespaceType::User) == Some(Namespace::New);
        if new_user && !host.privileged() { Self::UntilMapped } else { Self::Never }
    }
}

/// While the host's /proc is still the one in sight, and the file still the user's.
fn write_oom_score_adj(plan: &mut Builder, adjustment: i32) {
    plan.origin("process.oomScoreAdj");
    let path = plan.text("/proc/self/oom_score_adj");
    let data = plan.bytes(adjustment.to_string());
    plan.push(Op::WriteFile { dir: Slot::CWD, path, data });
    plan.origin("");
}

/// From the switched root to the exec. `process` may be unset: such a container can be created, and
/// started without effect.
pub(super) fn finish(c: &mut Compiler<'_>, pinned: &Pinned) {
    let process = c.request.spec.process().as_ref();
    seal(&mut c.plan, pinned, None, c.request.preserve_fds);
    reopen_null(&mut c.plan, c.request.spec, process);
    let setgroups = Setgroups::of_new(c.request.spec, c.request.host);
    super::settings::apply(&mut c.plan, c.request.spec);
    let user =
        process.map(|process| User { process, home: true, setgroups, filter: c.request.filter });
    let program = user.as_ref().map(|user| become_user(&mut c.plan, user, None));
    if let Some(program) = &program {
        lookup(&mut c.plan, program);
    }
    admit_runtime(&mut c.plan, c.request.spec, c.request.host);
    match pinned.start {
        Some(fifo) => wait_for_start(c, user.as_ref(), fifo),
        None => go_on(c, user.as_ref()),
    }
    match program {
        Some(program) => {
            // The master end of a terminal is carried nowhere before `run` is through.
            let tell = c.request.wait_for_start || !terminal::wanted(process);
            exec(&mut c.plan, &program, tell);
        }
        None => c.plan.push(Op::Exit {}),
    }
}

/// What can fail fails before `create` ends; behind the filter come a write or two and the exec. Until
/// the runtime has written down this process's pid it must not outlive the runtime: nobody would know
/// of it. Hence the first meeting is in front of the filter, which may forbid to hear of an answer.
fn wait_for_start(c: &mut Compiler<'_>, user: Option<&User<'_>>, fifo: Slot) {
    c.plan.push(Op::Signal { number: signal::READY });
    c.plan.push(Op::Wait { number: signal::READY });
    c.plan.runtime(RuntimeStep::Await(signal::READY));
    c.plan.runtime(RuntimeStep::SaveState);
    c.plan.runtime(RuntimeStep::Answer(signal::READY));
    c.plan.push(Op::EndBySignals {});
    if let Some(user) = user.filter(|user| user.filter.is_some()) {
        seccomp::confine(&mut c.plan, user, c.request.host);
        c.plan.push(Op::Signal { number: signal::CONFINED });
        c.plan.runtime(RuntimeStep::Await(signal::CONFINED));
    }
    c.plan.push(Op::AwaitStart { fifo });
}

/// The runtime has something to do before the exec; the filter comes after that, since it may forbid
/// to hear of it.
fn go_on(c: &mut Compiler<'_>, user: Option<&User<'_>>) {
    c.plan.push(Op::Signal { number: signal::READY });
    c.plan.push(Op::Wait { number: signal::READY });
    c.plan.runtime(RuntimeStep::Await(signal::READY));
    c.plan.runtime(RuntimeStep::SaveState);
    if !super::hooks(c.request.spec, HookKind::StartContainer).is_empty() {
        c.plan.runtime(RuntimeStep::Hooks(HookKind::StartContainer));
    }
    c.plan.runtime(RuntimeStep::Answer(signal::READY));
    if let Some(user) = user {
        seccomp::confine(&mut c.plan, user, c.request.host);
    }
    c.plan.runtime(RuntimeStep::AwaitExec);
}

/// What exec needs, collected before the ids change.
pub(super) struct Program {
    argv: List,
    envp: List,
    candidates: List,
}

/// Whom an executor becomes, and what that is then confined to.
pub(super) struct User<'a> {
    pub process: &'a Process,
    /// HOME is looked up inside if it is not given (runc does; images rely on it).
    pub home: bool,
    pub setgroups: Setgroups,
    pub filter: Option<&'a Filter>,
}

/// Environment, ids and capabilities.
pub(super) fn become_user(plan: &mut Builder, user: &User<'_>, program: Option<&Path>) -> Program {
    let process = user.process;
    plan.origin("process.env");
    let envp = environment(plan, user);
    plan.origin("process.args");
    let args = process.args().as_deref().unwrap_or_default();
    let argv: Vec<Text> = args.iter().map(|arg| plan.text(arg)).collect();
    let argv = plan.texts(&argv);
    let name = args.first().map_or("", String::as_str);
    let candidates = match program {
        Some(path) => {
            let path = plan.text(path_bytes(path));
            plan.texts(&[path])
        }
        None => candidates(plan, name, process.env().as_deref().unwrap_or_default()),
    };
    limits::set_from_outside(plan, process);
    plan.origin("process.user");
    plan.push(Op::OwnStreams { uid: process.user().uid() });
    credentials::assume(plan, process, user.setgroups, seccomp::capabilities_to_load(user));
    Program { argv, envp, candidates }
}

fn environment(plan: &mut Builder, user: &User<'_>) -> List {
    let process = user.process;
    let env = process.env().as_deref().unwrap_or_default();
    let name = |variable: &String| variable.split('=').next().unwrap_or_default().to_owned();
    let last: HashMap<String, usize> = env.iter().map(name).zip(0..).collect();
    let counts = |(index, variable): &(usize, &String)| {
        last.get(&name(variable)) == Some(index) && *variable != "HOME="
    };
    let kept = || env.iter().enumerate().filter(counts).map(|(_, variable)| variable);
    let mut texts: Vec<Text> = kept().map(|variable| plan.text(variable)).collect();
    if user.home && !kept().any(|variable| variable.starts_with("HOME=")) {
        let (text, value) = plan.text_with_room("HOME=", HOME_MAX);
        plan.push(Op::Home { uid: process.user().uid(), value });
        texts.push(text);
    }
    plan.texts(&texts)
}

/// A name with a slash is a path; others are looked for in the PATH of the process's environment.
pub(super) fn candidates(plan: &mut Builder, name: &str, env: &[String]) -> List {
    if name.contains('/') {
        let path = plan.text(name);
        return plan.texts(&[path]);
    }
    let path = env.iter().rev().find_map(|variable| variable.strip_prefix("PATH="));
    let directories = path.unwrap_or_default().split(':').filter(|directory| !directory.is_empty());
    // What the kernel would not take as a path is not worth keeping: a long name times a long PATH
    // would be a plan of gigabytes.
    let fits = |directory: &&str| directory.len() + 1 + name.len() < PATH_MAX;
    let directories =
        directories.filter(|_| !name.is_empty() && name.len() <= NAME_MAX).filter(fits);
    let texts: Vec<Text> = directories.map(|d| plan.text(format!("{d}/{name}"))).collect();
    plan.texts(&texts)
}

/// Standard streams into place, everything else closed, but what is pinned and `third`. What is opened
/// after this is close-on-exec.
pub(super) fn seal(plan: &mut Builder, pinned: &Pinned, third: Option<Slot>, preserve_fds: u32) {
    plan.origin("stdio");
    for (slot, number) in &pinned.stdio {
        plan.push(Op::Dup { slot: *slot, to: *number });
    }
    plan.origin("");
    let second = pinned.start.or(pinned.console).unwrap_or(Slot::NONE);
    let (keep, third) = (Slot::CONTROL, third.unwrap_or(Slot::NONE));
    plan.push(Op::CloseRest { keep, second, third, from: 3 + preserve_fds });
}

/// A caller's /dev/null is the host's node. With a terminal there is none, and a container that has the
/// host's /dev has that one anyway.
pub(super) fn reopen_null(plan: &mut Builder, spec: &Spec, process: Option<&Process>) {
    if terminal::wanted(process) || devices::are_hosts(spec) {
        return;
    }
    plan.origin("stdio");
    let path = plan.text("/dev/null");
    plan.push(Op::ReopenNull { path });
    plan.origin("");
}

/// Found already before `start`: a missing program is an error of `create`, as engines expect.
pub(super) fn lookup(plan: &mut Builder, program: &Program) {
    plan.origin("process.args[0]");
    plan.push(Op::Lookup { candidates: program.candidates });
    plan.origin("");
}

/// `tell`: on the process's own standard error, should it be refused.
pub(super) fn exec(plan: &mut Builder, program: &Program, tell: bool) {
    let Program { argv, envp, .. } = *program;
    plan.origin("process.args");
    plan.push(Op::Exec { argv, envp, tell: tell.into() });
}

pub(super) fn path_bytes(path: &Path) -> &[u8] {
    OsStr::as_bytes(path.as_os_str())
}
