//! A further process in a container, and hooks in the container's namespaces.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use oci_spec::runtime::{Hook, Process, Spec};

use super::Pinned;
use super::cgroup::{self, CgroupShape};
use super::credentials::Setgroups;
use super::namespaces::{
    self, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, Namespaces,
};
use super::process::{self, Dumpable};
use crate::error::{Error, Result};
use crate::host::HostFacts;
use crate::plan::op::{Op, Text};
use crate::plan::{Builder, Plan, RuntimeStep, Source};

/// What runs in a container that is there already.
#[derive(Debug)]
pub(crate) struct ExecRequest<'a> {
    /// The container's own config, as it was at create.
    pub spec: &'a Spec,
    pub process: &'a Process,
    /// What to execute, if it is not to be looked up by the first argument.
    pub program: Option<&'a Path>,
    pub host: &'a HostFacts,
    pub cgroup: &'a CgroupShape,
    pub own_stdio: bool,
    pub preserve_fds: u32,
    /// Name of the container's session keyring, if it has one.
    pub keyring: Option<String>,
}

/// Compiles an exec: the way in, then the same end as a container's own process.
pub(crate) fn exec(request: &ExecRequest<'_>) -> Result<Plan> {
    let mut plan = Builder::new();
    let pinned =
        Pinned { listener: None, stdio: process::stdio_inputs(&mut plan, request.own_stdio) };
    enter(&mut plan, request.spec, request.host, Some(request))?;
    process::session_keyring(&mut plan, request.keyring.as_deref());
    let setgroups = Setgroups::of(request.host);
    process::seal(&mut plan, &pinned, request.preserve_fds);
    let program = process::become_user(&mut plan, request.process, request.program, setgroups);
    process::lookup(&mut plan, &program);
    plan.runtime(RuntimeStep::AwaitExec);
    process::exec(&mut plan, &program);
    plan.preserve_fds(request.preserve_fds);
    plan.finish()
}

/// Compiles a createContainer hook: in the container's namespaces, with the runtime's privileges in
/// them, before the root is switched (the hook's path is one of the host's).
pub(crate) fn hook(spec: &Spec, host: &HostFacts, hook: &Hook) -> Result<Plan> {
    let mut plan = Builder::new();
    let pinned = Pinned { listener: None, stdio: process::stdio_inputs(&mut plan, true) };
    enter(&mut plan, spec, host, None)?;
    plan.push(Op::Umask { mask: 0o022 });
    let env: Vec<_> = hook.env().iter().flatten().map(|variable| plan.text(variable)).collect();
    run_hook(plan, &pinned, hook, &env)
}

/// Compiles a hook in the runtime's own namespaces: a child of the caller like others, in the bundle.
/// Without `env` it has the runtime's environment, as with runc.
pub(crate) fn host_hook(hook: &Hook, bundle: &Path, own_env: &[Vec<u8>]) -> Result<Plan> {
    let mut plan = Builder::new();
    let pinned = Pinned { listener: None, stdio: process::stdio_inputs(&mut plan, true) };
    plan.runtime(RuntimeStep::Launch { flags: 0, into_cgroup: false });
    plan.push(Op::ResetSignals {});
    plan.origin("bundle");
    let path = plan.text(bundle.as_os_str().as_bytes());
    plan.push(Op::Chdir { again: 1, path });
    plan.origin("");
    let env: Vec<_> = match hook.env() {
        Some(env) => env.iter().map(|variable| plan.text(variable)).collect(),
        None => own_env.iter().map(|variable| plan.text(variable)).collect(),
    };
    run_hook(plan, &pinned, hook, &env)
}

fn run_hook(mut plan: Builder, pinned: &Pinned, hook: &Hook, env: &[Text]) -> Result<Plan> {
    let path = plan.text(hook.path().as_os_str().as_bytes());
    let args: Vec<_> = hook.args().iter().flatten().map(|arg| plan.text(arg)).collect();
    let argv = if args.is_empty() { plan.texts(&[path]) } else { plan.texts(&args) };
    let envp = plan.texts(env);
    let candidates = plan.texts(&[path]);
    process::seal(&mut plan, pinned, 0);
    plan.push(Op::Lookup { candidates });
    plan.runtime(RuntimeStep::AwaitExec);
    plan.push(Op::Exec { argv, envp });
    plan.finish()
}

/// Into all of the container's namespaces with one call. The pidfd cannot be fooled by a reused pid.
fn enter(
    plan: &mut Builder,
    spec: &Spec,
    host: &HostFacts,
    exec: Option<&ExecRequest<'_>>,
) -> Result<()> {
    let flags = Namespaces::of(spec).all();
    if flags & CLONE_NEWNS == 0 {
        let reason = "a container without its own mount namespace cannot be entered";
        return Err(Error::unsupported("linux.namespaces", reason));
    }
    let into_cgroup = exec.is_some_and(|request| request.cgroup.into_cgroup);
    plan.runtime(RuntimeStep::Launch { flags: 0, into_cgroup });
    let oom_score_adj = exec.and_then(|request| request.process.oom_score_adj());
    process::prologue(plan, oom_score_adj, Dumpable::Never);
    if let Some(request) = exec {
        cgroup::join(plan, request.cgroup);
    }
    plan.origin("linux.namespaces");
    let ns = plan.input(Source::Pidfd);
    #[allow(clippy::cast_possible_truncation)] // all CLONE_NEW* are 32-bit
    plan.push(Op::Setns { ns, flags: flags as u32 });
    plan.done(ns);
    if flags & (CLONE_NEWPID | CLONE_NEWTIME) != 0 {
        namespaces::clone(plan, 0);
    }
    if flags & CLONE_NEWUSER != 0 {
        namespaces::root_ids(plan, Setgroups::of(host));
    }
    plan.origin("");
    Ok(())
}
