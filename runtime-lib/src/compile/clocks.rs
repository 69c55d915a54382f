//! A new time namespace, and how far its clocks are off the host's.

use oci_spec::runtime::{LinuxTimeOffset, Spec};

use super::namespaces::{CLONE_NEWTIME, Namespaces};
use crate::plan::op::{Op, Slot, signal};
use crate::plan::{Builder, ClockOffset, RuntimeStep};

const O_RDONLY_CLOEXEC: u32 = libc::O_CLOEXEC.cast_unsigned();

/// Offsets can be written until the first process is in the namespace (time_namespaces(7)). Hence not
/// by clone3, whose child is in at once, nor by its vfork form, whose child is in at its exec, and
/// only from Linux 6.0 on: unshare gives the namespace to later children alone, the runtime writes
/// the offsets, and setns takes a process of one thread in. While the host's /proc is in sight.
pub(super) fn enter(plan: &mut Builder, spec: &Spec, namespaces: &Namespaces<'_>) {
    if !namespaces.is_new(CLONE_NEWTIME) {
        return;
    }
    #[allow(clippy::cast_possible_truncation)] // all CLONE_NEW* are 32-bit
    let flags = CLONE_NEWTIME as u32;
    plan.origin("linux.namespaces");
    plan.push(Op::Unshare { flags });
    let offsets = offsets(spec);
    if !offsets.is_empty() {
        plan.origin("linux.timeOffsets");
        plan.meet(signal::CLOCKS, [RuntimeStep::WriteClockOffsets(offsets)]);
    }
    plan.origin("linux.namespaces");
    let ns = plan.slot();
    let path = plan.text("/proc/self/ns/time_for_children");
    plan.push(Op::Open { dir: Slot::CWD, out: ns, path, flags: O_RDONLY_CLOEXEC });
    plan.push(Op::Setns { ns, flags });
    plan.done(ns);
    plan.origin("");
}

fn offsets(spec: &Spec) -> Vec<ClockOffset> {
    let offsets = spec.linux().as_ref().and_then(|linux| linux.time_offsets().as_ref());
    let mut offsets: Vec<_> = offsets.into_iter().flatten().map(offset).collect();
    offsets.sort_by(|a, b| a.clock.cmp(&b.clock));
    offsets
}

fn offset((clock, offset): (&String, &LinuxTimeOffset)) -> ClockOffset {
    ClockOffset {
        clock: clock.clone(),
        secs: offset.secs().unwrap_or(0),
        nanosecs: offset.nanosecs().unwrap_or(0),
    }
}
