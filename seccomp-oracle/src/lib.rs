//! What runc makes of a profile: libseccomp's program, behind the stub for new calls.

use std::io::Read;

use libseccomp::error::SeccompError;
use libseccomp::{
    ScmpAction, ScmpArch, ScmpArgCompare, ScmpCompareOp, ScmpFilterContext, ScmpSyscall,
};
use libteu::seccomp::Instruction;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompOperator,
};

/// How libseccomp arranges calls: one after the other (its default) or in a tree (runc's choice for
/// profiles of more than 32 names).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `SCMP_FLTATR_CTL_OPTIMIZE` 1.
    Linear,
    /// `SCMP_FLTATR_CTL_OPTIMIZE` 2.
    Tree,
}

/// A filter as runc builds it from a profile.
///
/// # Errors
/// Libseccomp's, as for rules that contradict each other.
pub fn filter(profile: &LinuxSeccomp, order: Order) -> Result<ScmpFilterContext, SeccompError> {
    let default = action(profile.default_action(), profile.default_errno_ret());
    let mut filter = ScmpFilterContext::new(default)?;
    for listed in architectures(profile) {
        filter.add_arch(listed)?;
    }
    filter.set_ctl_nnp(false)?;
    if order == Order::Tree {
        filter.set_ctl_optimize(2)?;
    }
    for entry in profile.syscalls().iter().flatten() {
        let action = action(entry.action(), entry.errno_ret());
        if action == default {
            continue;
        }
        let args = entry.args().as_deref().unwrap_or_default();
        for name in entry.names() {
            if let Ok(call) = ScmpSyscall::from_name(name) {
                add(&mut filter, action, call, args)?;
            }
        }
    }
    Ok(filter)
}

fn add(
    filter: &mut ScmpFilterContext,
    action: ScmpAction,
    call: ScmpSyscall,
    args: &[LinuxSeccompArg],
) -> Result<(), SeccompError> {
    let conditions: Vec<ScmpArgCompare> = args.iter().map(condition).collect();
    let repeated = (0..6).any(|i| args.iter().filter(|arg| arg.index() == i).count() > 1);
    if args.is_empty() {
        filter.add_rule(action, call)?;
    } else if repeated {
        for condition in conditions {
            filter.add_rule_conditional(action, call, &[condition])?;
        }
    } else {
        filter.add_rule_conditional(action, call, &conditions)?;
    }
    Ok(())
}

/// The program of a filter.
///
/// # Errors
/// Libseccomp's.
pub fn export(filter: &ScmpFilterContext) -> Result<Vec<Instruction>, SeccompError> {
    let (mut reader, writer) = std::io::pipe().expect("pipe");
    filter.export_bpf(&writer)?; // at most 32 KiB, which a pipe holds
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("read");
    let half = |at: &[u8]| u16::from_ne_bytes([at[0], at[1]]);
    let word = |at: &[u8]| u32::from_ne_bytes([at[0], at[1], at[2], at[3]]);
    let instruction =
        |b: &[u8]| Instruction { code: half(b), jt: b[2], jf: b[3], k: word(&b[4..]) };
    Ok(bytes.chunks_exact(8).map(instruction).collect())
}

/// Whether runc's stub answers a call of x86_64's family with ENOSYS before the filter sees it
/// (libcontainer/seccomp/patchbpf).
pub fn is_new(profile: &LinuxSeccomp, audit: u32, number: u32) -> bool {
    use LinuxSeccompAction as Spec;
    let permissive = [Spec::ScmpActAllow, Spec::ScmpActLog, Spec::ScmpActTrace];
    if permissive.contains(&profile.default_action()) {
        return false;
    }
    let arch = match audit {
        0x4000_0003 => ScmpArch::X86,
        0xc000_003e if number & 1 << 30 != 0 => ScmpArch::X32,
        0xc000_003e => ScmpArch::X8664,
        _ => return false,
    };
    let listed = arch == ScmpArch::X8664 || architectures(profile).contains(&arch);
    let names = profile.syscalls().iter().flatten().flat_map(|entry| entry.names());
    let numbers = names.filter_map(|name| ScmpSyscall::from_name_by_arch(name, arch).ok());
    let newest = numbers.map(i32::from).max().unwrap_or(0);
    listed && newest > 0 && number > newest as u32
}

/// Those that can occur on x86_64.
fn architectures(profile: &LinuxSeccomp) -> Vec<ScmpArch> {
    let known = |arch: &Arch| match arch {
        Arch::ScmpArchX86 => Some(ScmpArch::X86),
        Arch::ScmpArchX86_64 => Some(ScmpArch::X8664),
        Arch::ScmpArchX32 => Some(ScmpArch::X32),
        _ => None,
    };
    profile.architectures().iter().flatten().filter_map(known).collect()
}

fn condition(arg: &LinuxSeccompArg) -> ScmpArgCompare {
    let index = arg.index() as u32;
    let (op, datum) = match arg.op() {
        LinuxSeccompOperator::ScmpCmpNe => (ScmpCompareOp::NotEqual, arg.value()),
        LinuxSeccompOperator::ScmpCmpLt => (ScmpCompareOp::Less, arg.value()),
        LinuxSeccompOperator::ScmpCmpLe => (ScmpCompareOp::LessOrEqual, arg.value()),
        LinuxSeccompOperator::ScmpCmpEq => (ScmpCompareOp::Equal, arg.value()),
        LinuxSeccompOperator::ScmpCmpGe => (ScmpCompareOp::GreaterEqual, arg.value()),
        LinuxSeccompOperator::ScmpCmpGt => (ScmpCompareOp::Greater, arg.value()),
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            (ScmpCompareOp::MaskedEqual(arg.value()), arg.value_two().unwrap_or(0))
        }
    };
    ScmpArgCompare::new(index, op, datum)
}

fn action(action: LinuxSeccompAction, errno: Option<u32>) -> ScmpAction {
    let data = errno.unwrap_or(1);
    match action {
        LinuxSeccompAction::ScmpActKill | LinuxSeccompAction::ScmpActKillThread => {
            ScmpAction::KillThread
        }
        LinuxSeccompAction::ScmpActKillProcess => ScmpAction::KillProcess,
        LinuxSeccompAction::ScmpActTrap => ScmpAction::Trap,
        LinuxSeccompAction::ScmpActErrno => ScmpAction::Errno(data as i32),
        LinuxSeccompAction::ScmpActNotify => ScmpAction::Notify,
        LinuxSeccompAction::ScmpActTrace => ScmpAction::Trace(data as u16),
        LinuxSeccompAction::ScmpActLog => ScmpAction::Log,
        LinuxSeccompAction::ScmpActAllow => ScmpAction::Allow,
    }
}
