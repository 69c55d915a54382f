//! Plans for checkpoint and restore: how CRIU is started, and what is done before and beside it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::cgroup::{self, CgroupShape};
use super::mounts::{self, Entry, What};
use super::namespaces::{CLONE_NEWNET, CLONE_NEWNS, Namespaces};
use super::rootfs::{self, AT_RECURSIVE, OPEN_TREE_CLONE_CLOEXEC};
use super::{Compiler, Pinned, Request, affinity, process, resctrl};
use crate::error::Result;
use crate::plan::op::{Op, Slot, kind, signal};
use crate::plan::{Builder, Plan, RuntimeStep, Source};

const O_PATH_DIRECTORY: u32 = (libc::O_PATH | libc::O_CLOEXEC | libc::O_DIRECTORY).cast_unsigned();

/// How `criu swrk` is started.
#[derive(Debug)]
pub(crate) struct CriuRequest<'a> {
    /// `NAME=VALUE`: the runtime's own environment, whose PATH it is looked for in.
    pub env: &'a [OsString],
    /// Whether its standard streams are inputs; else they are the caller's.
    pub own_stdio: bool,
    /// So many descriptors it gets from 3 on; the first is its end of the connection.
    pub given: u32,
    /// It will be the parent of a container that is to come.
    pub restore: Option<Restoring<'a>>,
}

/// What CRIU hands on to the processes that it restores.
#[derive(Debug)]
pub(crate) struct Restoring<'a> {
    pub rootfs: &'a Path,
    /// An empty directory, where CRIU finds the root filesystem as a mount of its own.
    pub place: &'a Path,
    pub cgroup: &'a CgroupShape,
    /// Files of the container's resctrl group.
    pub resctrl: &'a [PathBuf],
    pub keyring: Option<&'a str>,
}

/// Compiles the start of `criu swrk 3`, one of the host's programs.
pub(crate) fn criu(request: &CriuRequest<'_>) -> Result<Plan> {
    let mut plan = Builder::new();
    let stdio = process::stdio_inputs(&mut plan, request.own_stdio);
    let given = plan.given(request.given);
    plan.runtime(RuntimeStep::Launch {
        flags: if request.restore.is_some() { CLONE_NEWNS } else { 0 },
        into_cgroup: request.restore.as_ref().is_some_and(|r| r.cgroup.into_cgroup),
    });
    plan.push(Op::ResetSignals {});
    if let Some(restoring) = &request.restore {
        precede(&mut plan, restoring);
    }
    for (slot, to) in given {
        plan.push(Op::Dup { slot, to });
    }
    process::seal(&mut plan, &Pinned { start: None, console: None, stdio }, None, request.given);
    plan.origin("criu");
    let argv = ["criu", "swrk", "3"].map(|word| plan.text(word));
    let argv = plan.texts(&argv);
    let candidates = process::candidates(&mut plan, "criu", &lossy(request.env));
    plan.push(Op::Lookup { candidates });
    plan.runtime(RuntimeStep::AwaitExec);
    let envp: Vec<_> = request.env.iter().map(|variable| plan.text(variable.as_bytes())).collect();
    let envp = plan.texts(&envp);
    plan.push(Op::Exec { argv, envp, tell: 0 });
    plan.finish()
}

/// The cgroup, for what CRIU does not put elsewhere stays where CRIU is; a keyring that holds none of
/// the host's secrets; and the root filesystem as a mount whose parent nothing covers, in a mount
/// namespace that ends with CRIU: nothing of it is ever seen on the host.
fn precede(plan: &mut Builder, restoring: &Restoring<'_>) {
    cgroup::join(plan, restoring.cgroup);
    resctrl::join(plan, restoring.resctrl, resctrl::Need::Create);
    affinity::reset(plan);
    process::session_keyring(plan, restoring.keyring);
    plan.origin("root.path");
    plan.push(Op::RootPropagation { propagation: libc::MS_SLAVE });
    let (mount, target) = (plan.slot(), plan.slot());
    let path = plan.text(restoring.rootfs.as_os_str().as_bytes());
    let flags = OPEN_TREE_CLONE_CLOEXEC | AT_RECURSIVE;
    plan.push(Op::OpenTree { dir: Slot::CWD, out: mount, path, flags });
    let path = plan.text(restoring.place.as_os_str().as_bytes());
    plan.push(Op::Open { dir: Slot::CWD, out: target, path, flags: O_PATH_DIRECTORY });
    plan.push(Op::MoveMount { mount, target });
    plan.origin("");
}

fn lossy(env: &[OsString]) -> Vec<String> {
    env.iter().map(OsString::as_os_str).map(OsStr::to_string_lossy).map(Into::into).collect()
}

/// Compiles what makes the mount points that a start would make, in a mount namespace that ends with
/// it: CRIU only mounts. A bind mount is made, too, for the next one may be inside of it.
pub(crate) fn mount_points(request: &Request<'_>) -> Result<Plan> {
    let namespaces = Namespaces::default();
    let plan = Builder::new();
    let user_namespaces = Vec::new();
    let mut c =
        Compiler { request, namespaces, plan, root: Slot::NONE, home: None, user_namespaces };
    let entries = mounts::read(&c)?;
    c.plan.runtime(RuntimeStep::Launch { flags: CLONE_NEWNS, into_cgroup: false });
    c.plan.push(Op::ResetSignals {});
    c.plan.push(Op::Umask { mask: 0 });
    rootfs::prepare_aside(&mut c);
    let tmpfs = |entry: &&Entry<'_>| entry.what == What::Filesystem("tmpfs");
    let covered: Vec<_> = entries.iter().filter(tmpfs).map(|e| e.destination.clone()).collect();
    for entry in entries {
        let inside = |of: &&PathBuf| entry.destination != **of && entry.destination.starts_with(of);
        if covered.iter().find(inside).is_none() {
            mount_point(&mut c, entry);
        }
    }
    c.plan.origin("");
    c.plan.push(Op::Signal { number: signal::READY });
    c.plan.runtime(RuntimeStep::Await(signal::READY));
    c.plan.push(Op::Exit {});
    c.plan.finish()
}

fn mount_point(c: &mut Compiler<'_>, mut entry: Entry<'_>) {
    c.plan.origin(entry.origin.clone());
    let wanted = match entry.what {
        What::Bind => return mounts::bind(c, &mut entry),
        What::Link(content) => return mounts::link(c, &entry, content),
        What::Remount | What::HostCgroup2 | What::CgroupV1 => return,
        What::Filesystem("cgroup2") => return,
        What::HostSysfs | What::Filesystem("proc" | "sysfs") => kind::REAL_DIRECTORY,
        What::Filesystem(_) => kind::DIRECTORY,
    };
    let made = mounts::target(c, &entry, Slot::NONE, wanted);
    c.plan.done(made);
}

/// Compiles what a start does in a new network namespace, for one that CRIU has made empty.
pub(crate) fn loopback() -> Result<Plan> {
    let mut plan = Builder::new();
    plan.runtime(RuntimeStep::Launch { flags: 0, into_cgroup: false });
    plan.origin("linux.namespaces");
    let ns = plan.input(Source::Pidfd);
    #[allow(clippy::cast_possible_truncation)] // all CLONE_NEW* are 32-bit
    plan.push(Op::Setns { ns, flags: CLONE_NEWNET as u32 });
    plan.push(Op::LoopbackUp {});
    plan.push(Op::Signal { number: signal::READY });
    plan.runtime(RuntimeStep::Await(signal::READY));
    plan.push(Op::Exit {});
    plan.finish()
}
