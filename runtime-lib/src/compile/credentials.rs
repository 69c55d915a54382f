//! Ids and capabilities of the user's process. Shared by create and exec.

use oci_spec::runtime::{Capabilities, LinuxCapabilities, Process, Spec};

use crate::host::HostFacts;
use crate::plan::Builder;
use crate::plan::op::Op;
use crate::spec::keeps_groups;

const PR_SET_KEEPCAPS: u32 = 8;
const PR_SET_NO_NEW_PRIVS: u32 = 38;

/// The five sets as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sets {
    bounding: u64,
    effective: u64,
    permitted: u64,
    inheritable: u64,
    ambient: u64,
}

impl Sets {
    /// Without `process.capabilities` a process has none.
    pub fn of(capabilities: Option<&LinuxCapabilities>) -> Self {
        let Some(capabilities) = capabilities else { return Self::default() };
        let permitted = bits(capabilities.permitted().as_ref());
        let inheritable = bits(capabilities.inheritable().as_ref());
        Self {
            bounding: bits(capabilities.bounding().as_ref()),
            effective: bits(capabilities.effective().as_ref()),
            permitted,
            inheritable,
            // The kernel grants no others (capabilities(7)); runc's own template asks for more, so
            // runc and crun pass over them, too.
            ambient: bits(capabilities.ambient().as_ref()) & permitted & inheritable,
        }
    }
}

/// Warnings of ambient capabilities that the process will not have, in runc's words.
pub(crate) fn not_raised(process: &Process) -> Vec<String> {
    let capabilities = process.capabilities().as_ref();
    let raised = Sets::of(capabilities).ambient;
    let wanted = bits(capabilities.and_then(|sets| sets.ambient().as_ref()));
    let missing = caps::all().into_iter().filter(|known| known.bitmask() & wanted & !raised != 0);
    let reason = "operation not permitted (it has to be permitted and inheritable)";
    let mut missing: Vec<_> =
        missing.map(|c| format!("can't raise ambient capability {c}: {reason}")).collect();
    missing.sort();
    missing
}

/// The process's sets, exactly.
pub(super) fn capset(process: &Process) -> Op {
    let Sets { effective, permitted, inheritable, .. } = Sets::of(process.capabilities().as_ref());
    Op::Capset { effective, permitted, inheritable }
}

fn bits(set: Option<&Capabilities>) -> u64 {
    set.into_iter().flatten().fold(0, |bits, capability| {
        let name = format!("CAP_{capability}");
        bits | name.parse::<caps::Capability>().map_or(0, |known| known.bitmask())
    })
}

/// From the runtime's ids to the user's. The bounding set first, it needs CAP_SETPCAP; chdir before
/// and, if root may not, after the change of ids; the sets last, for setuid clears them. `and` is kept
/// beyond the process's own sets, for a last step that needs it.
pub(super) fn assume(plan: &mut Builder, process: &Process, setgroups: Setgroups, and: u64) {
    let sets = Sets::of(process.capabilities().as_ref());
    let user = process.user();
    plan.origin("process.capabilities");
    plan.push(Op::BoundingSet { keep: sets.bounding });
    plan.push(Op::Prctl { option: PR_SET_KEEPCAPS, arg: 1, arg2: 0 });
    plan.origin("process.cwd");
    let cwd = plan.text(super::process::path_bytes(process.cwd()));
    plan.push(Op::Chdir { again: 0, path: cwd });
    plan.origin("process.user");
    set_groups(plan, user.additional_gids().as_deref().unwrap_or_default(), setgroups);
    plan.push(Op::Setresgid { gid: user.gid() });
    plan.push(Op::Setresuid { uid: user.uid() });
    plan.origin("process.cwd");
    plan.push(Op::Chdir { again: 1, path: cwd });
    plan.origin("process.capabilities");
    let Sets { effective, permitted, inheritable, ambient, .. } = sets;
    let (effective, permitted) = (effective | and, permitted | and);
    plan.push(Op::Capset { effective, permitted, inheritable });
    plan.push(Op::AmbientSet { raise: ambient });
    // See `root_ids`; the user may be able to ptrace others of its own.
    super::process::undumpable(plan);
    if process.no_new_privileges().unwrap_or(false) {
        plan.origin("process.noNewPrivileges");
        plan.push(Op::Prctl { option: PR_SET_NO_NEW_PRIVS, arg: 1, arg2: 0 });
    }
    plan.origin("process.user.umask");
    plan.push(Op::Umask { mask: user.umask().unwrap_or(0o022) });
    plan.origin("");
}

/// What setgroups(2) may do in the process's user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setgroups {
    /// It works.
    Allowed,
    /// It is denied, known beforehand.
    Denied,
    /// It is not called: the caller's groups are wanted.
    Kept,
    /// It may be denied: then the supplementary groups stay the ordinary user's own, which is
    /// acceptable only if none are asked for.
    Unknown,
}

impl Setgroups {
    /// Where nothing more is known than who runs the runtime.
    pub fn of(host: &HostFacts) -> Self {
        match host.privileged() {
            _ if host.setgroups_denied => Self::Denied,
            true => Self::Allowed,
            false => Self::Unknown,
        }
    }

    /// For a new container.
    pub fn of_new(spec: &Spec, host: &HostFacts) -> Self {
        match Self::of_exec(spec, host) {
            Self::Kept => Self::Kept,
            _ if super::namespaces::setgroups_denied(spec, host) => Self::Denied,
            other => other,
        }
    }

    /// For a further process of a container.
    pub fn of_exec(spec: &Spec, host: &HostFacts) -> Self {
        if keeps_groups(spec) { Self::Kept } else { Self::of(host) }
    }
}

/// Replaces the supplementary groups.
pub(super) fn set_groups(plan: &mut Builder, gids: &[u32], setgroups: Setgroups) {
    const EPERM: u8 = 1;
    let groups = plan.words(gids.iter().map(|gid| u64::from(*gid)));
    match setgroups {
        Setgroups::Kept => {}
        Setgroups::Denied if gids.is_empty() => {}
        Setgroups::Unknown if gids.is_empty() => {
            plan.push_or_skip(Op::Setgroups { groups }, [EPERM, 0, 0]);
        }
        _ => plan.push(Op::Setgroups { groups }),
    }
}
