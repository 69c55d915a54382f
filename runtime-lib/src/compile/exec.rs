//! A further process in a container, and hooks in the container's namespaces.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Hook, Process, Spec};

use super::cgroup::{CgroupShape, Handed};
use super::credentials::Setgroups;
use super::namespaces::{self, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, Namespaces};
use super::process::{self, Dumpable, User};
use super::seccomp;
use super::terminal::{self, Foreground};
use super::{Pinned, affinity, host_mounts, lsm, resctrl};
use crate::error::Result;
use crate::host::HostFacts;
use crate::plan::op::{List, Op, Slot};
use crate::plan::{Builder, Plan, RuntimeStep, Source};
use crate::seccomp::Filter;

/// What runs in a container that is there already.
#[derive(Debug)]
pub(crate) struct ExecRequest<'a> {
    /// The container's own config, as it was at create.
    pub spec: &'a Spec,
    pub process: &'a Process,
    /// What to execute, if it is not to be looked up by the first argument.
    pub program: Option<&'a Path>,
    /// HOME is looked up if the environment has none.
    pub home: bool,
    pub host: &'a HostFacts,
    pub cgroup: &'a CgroupShape,
    /// Files of the container's resctrl group.
    pub resctrl: &'a [PathBuf],
    pub own_stdio: bool,
    /// The caller keeps the terminal, if there is one.
    pub foreground: Option<Foreground>,
    pub preserve_fds: u32,
    /// Name of the container's session keyring, if it has one.
    pub keyring: Option<String>,
    /// The container's own filter.
    pub filter: Option<&'a Filter>,
}

/// Compiles an exec: the way in, then the same end as a container's own process.
pub(crate) fn exec(request: &ExecRequest<'_>) -> Result<Plan> {
    lsm::check(request.spec, Some(request.process), request.host)?;
    let mut plan = Builder::new();
    let console = terminal::input(&mut plan, Some(request.process));
    let own_stdio = request.own_stdio && console.is_none();
    let stdio = process::stdio_inputs(&mut plan, own_stdio);
    let pinned = Pinned { start: None, console, stdio };
    enter(&mut plan, request.spec, request.host, &pinned, Some(request))?;
    process::reopen_null(&mut plan, request.spec, Some(request.process));
    if let Some(socket) = console {
        terminal::enter(&mut plan, socket, request.process, request.foreground);
    }
    process::session_keyring(&mut plan, request.keyring.as_deref());
    let setgroups = Setgroups::of_exec(request.spec, request.host);
    super::settings::apply(&mut plan, request.spec);
    let user =
        User { process: request.process, home: request.home, setgroups, filter: request.filter };
    let program = process::become_user(&mut plan, &user, request.program);
    process::lookup(&mut plan, &program);
    seccomp::confine(&mut plan, &user, request.host);
    plan.runtime(RuntimeStep::AwaitExec);
    process::exec(&mut plan, &program, false);
    plan.preserve_fds(request.preserve_fds);
    plan.finish()
}

/// Where a hook runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum HookPlace<'a> {
    /// In the runtime's namespaces, with this working directory.
    Runtime { bundle: &'a Path, env: &'a [OsString] },
    /// In the container's namespaces, with the runtime's privileges in them, before the root is
    /// switched: the path is one of the host's, the working directory is the rootfs.
    Container { spec: &'a Spec, host: &'a HostFacts, rootfs: &'a Path },
}

/// Compiles a hook that is one of the host's programs. It gets its three streams and no other
/// descriptor of the runtime's or its caller's.
pub(crate) fn hook(hook: &Hook, place: HookPlace<'_>) -> Result<Plan> {
    let mut plan = Builder::new();
    let stdio = process::stdio_inputs(&mut plan, true);
    let pinned = Pinned { start: None, console: None, stdio };
    match place {
        HookPlace::Container { spec, host, rootfs } => {
            enter(&mut plan, spec, host, &pinned, None)?;
            let path = plan.text(rootfs.as_os_str().as_bytes());
            plan.push(Op::Chdir { again: 1, path });
            plan.push(Op::Umask { mask: 0o022 });
        }
        HookPlace::Runtime { bundle, .. } => {
            plan.runtime(RuntimeStep::Launch { flags: 0, into_cgroup: false });
            plan.push(Op::ResetSignals {});
            let path = plan.text(bundle.as_os_str().as_bytes());
            plan.push(Op::Chdir { again: 1, path });
            process::seal(&mut plan, &pinned, None, 0);
        }
    }
    let path = plan.text(hook.path().as_os_str().as_bytes());
    let args: Vec<_> = hook.args().iter().flatten().map(|arg| plan.text(arg)).collect();
    let argv = if args.is_empty() { plan.texts(&[path]) } else { plan.texts(&args) };
    let envp = hook_environment(&mut plan, hook, place);
    let candidates = plan.texts(&[path]);
    plan.push(Op::Lookup { candidates });
    plan.runtime(RuntimeStep::AwaitExec);
    plan.push(Op::Exec { argv, envp, tell: 0 });
    plan.finish()
}

/// Without `env` a hook in the runtime's namespaces has the runtime's environment, as with runc.
fn hook_environment(plan: &mut Builder, hook: &Hook, place: HookPlace<'_>) -> List {
    let texts: Vec<_> = match (hook.env(), place) {
        (None, HookPlace::Runtime { env, .. }) => {
            env.iter().map(|variable| plan.text(variable.as_bytes())).collect()
        }
        (env, _) => env.iter().flatten().map(|variable| plan.text(variable)).collect(),
    };
    plan.texts(&texts)
}

/// Into all of the container's namespaces with one call. The pidfd cannot be fooled by a reused pid.
fn enter(
    plan: &mut Builder,
    spec: &Spec,
    host: &HostFacts,
    pinned: &Pinned,
    exec: Option<&ExecRequest<'_>>,
) -> Result<()> {
    let namespaces = Namespaces::of(spec);
    let mut flags = namespaces.all();
    // An init that makes mounts for the runtime's mount namespace is not in that one as it waits for a hook.
    if exec.is_none() && host_mounts::wanted(spec, &namespaces) {
        flags |= CLONE_NEWNS;
    }
    let stage_needed = flags & CLONE_NEWPID != 0;
    let into_cgroup = exec.is_some_and(|request| request.cgroup.into_cgroup);
    plan.runtime(RuntimeStep::Launch { flags: 0, into_cgroup });
    let oom_score_adj = exec.and_then(|request| request.process.oom_score_adj());
    process::prologue(plan, oom_score_adj, Dumpable::Never);
    let mut handed = None;
    if let Some(request) = exec {
        let affinity = request.process.exec_cpu_affinity().as_ref();
        lsm::label_next_exec(plan, Some(request.process));
        handed = affinity::around_join(plan, affinity, request.cgroup, stage_needed);
        resctrl::join(plan, request.resctrl, resctrl::Need::Exec);
    }
    plan.origin("linux.namespaces");
    let chroot = exec.is_some() && !namespaces.has(CLONE_NEWNS);
    let root = chroot.then(|| plan.input(Source::InitRoot));
    if flags != 0 {
        let ns = plan.input(Source::Pidfd);
        #[allow(clippy::cast_possible_truncation)] // all CLONE_NEW* are 32-bit
        plan.push(Op::Setns { ns, flags: flags as u32 });
    }
    root.into_iter().for_each(|root| plan.push(Op::Chroot { root }));
    // Before the clone: what will be seen inside holds no descriptor of the host's.
    let third = handed.as_ref().and_then(Handed::file);
    process::seal(plan, pinned, third, exec.map_or(0, |request| request.preserve_fds));
    plan.origin("linux.namespaces");
    if stage_needed {
        namespaces::clone(plan, 0, Slot::NONE, handed);
    }
    if flags & CLONE_NEWUSER != 0 {
        let setgroups = match exec {
            Some(_) => Setgroups::of_exec(spec, host),
            None => Setgroups::of(host),
        };
        namespaces::root_ids(plan, setgroups);
    }
    plan.origin("");
    Ok(())
}
