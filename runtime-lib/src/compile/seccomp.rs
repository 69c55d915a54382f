//! The filter's place: as late as it can be.
//!
//! With no_new_privs anybody may load a filter; it is the last thing before the exec. Without, it
//! takes CAP_SYS_ADMIN (seccomp(2)), which is kept for it and given back right after. What follows is
//! therefore: a capset in that case, two writes and a close where `start` is awaited, a write and a
//! read where there is a listener, the exec. runc needs all of these, too, and many more.

use super::credentials;
use super::process::User;
use crate::host::HostFacts;
use crate::plan::op::{Op, Slot, signal};
use crate::plan::{Builder, RuntimeStep};

const CAP_SYS_ADMIN: u64 = 1 << 21;
const PR_SET_DUMPABLE: u32 = 4;

/// Capabilities that have to be there when the filter is loaded.
pub(super) fn capabilities_to_load(user: &User<'_>) -> u64 {
    let privileged = user.process.no_new_privileges() != Some(true);
    if user.filter.is_some() && privileged { CAP_SYS_ADMIN } else { 0 }
}

/// Loads the filter, if there is one, and hands over its listener.
pub(super) fn confine(plan: &mut Builder, user: &User<'_>, host: &HostFacts) {
    let Some(filter) = user.filter else { return };
    plan.origin("linux.seccomp");
    let program = plan.bytes(filter.to_bytes());
    let flags = filter.flags();
    if filter.has_listener() {
        load_with_listener(plan, flags, program, host);
    } else {
        plan.push(Op::Seccomp { out: Slot::NONE, flags, program });
    }
    let own = credentials::capset(user.process);
    if let Op::Capset { effective, permitted, .. } = own
        && capabilities_to_load(user) & !(effective & permitted) != 0
    {
        plan.origin("process.capabilities");
        plan.push(own);
    }
    plan.origin("");
}

/// The runtime takes the listener out of this process's table (pidfd_getfd(2)) and answers when the
/// agent has it: system calls from here on may be ones that the agent is to decide.
fn load_with_listener(
    plan: &mut Builder,
    flags: u32,
    program: crate::plan::op::Bytes,
    host: &HostFacts,
) {
    if !host.privileged() {
        // An ordinary user may not reach into what is not dumpable. The exec is near.
        plan.push(Op::Prctl { option: PR_SET_DUMPABLE, arg: 1, arg2: 0 });
    }
    let slot = plan.slot();
    plan.push(Op::Seccomp { out: slot, flags, program });
    plan.push(Op::Offer { number: signal::LISTENER, slot });
    plan.runtime(RuntimeStep::SendListener);
    plan.push(Op::Wait { number: signal::LISTENER });
    plan.runtime(RuntimeStep::Answer(signal::LISTENER));
    plan.push(Op::Close { slot });
}
