//! What a process can set for itself alone, and every process of a container gets.

use oci_spec::runtime::{
    LinuxMemoryPolicy, LinuxPersonalityDomain, MemoryPolicyFlagType, MemoryPolicyModeType, Spec,
};

use crate::plan::Builder;
use crate::plan::op::Op;
use crate::spec::bit_mask;

const PER_LINUX: u32 = 0;
const PER_LINUX32: u32 = 8;

/// linux.personality and linux.memoryPolicy.
pub(super) fn apply(plan: &mut Builder, spec: &Spec) {
    let Some(linux) = spec.linux() else { return };
    if let Some(personality) = linux.personality() {
        plan.origin("linux.personality");
        let persona = match personality.domain() {
            LinuxPersonalityDomain::PerLinux => PER_LINUX,
            LinuxPersonalityDomain::PerLinux32 => PER_LINUX32,
        };
        plan.push(Op::Personality { persona });
    }
    if let Some(policy) = linux.memory_policy() {
        plan.origin("linux.memoryPolicy");
        // `validate` has refused wrong lists.
        let nodes = bit_mask(policy.nodes().as_deref().unwrap_or_default()).unwrap_or_default();
        let nodes = plan.bytes(nodes);
        plan.push(Op::MemoryPolicy { mode: mode(policy), nodes });
    }
    plan.origin("");
}

/// Numbers of include/uapi/linux/mempolicy.h.
fn mode(policy: &LinuxMemoryPolicy) -> u32 {
    let mode = match policy.mode() {
        MemoryPolicyModeType::MpolDefault => 0,
        MemoryPolicyModeType::MpolPreferred => 1,
        MemoryPolicyModeType::MpolBind => 2,
        MemoryPolicyModeType::MpolInterleave => 3,
        MemoryPolicyModeType::MpolLocal => 4,
        MemoryPolicyModeType::MpolPreferredMany => 5,
        MemoryPolicyModeType::MpolWeightedInterleave => 6,
    };
    let flag = |flag: &MemoryPolicyFlagType| match flag {
        MemoryPolicyFlagType::MpolFNumaBalancing => 1 << 13,
        MemoryPolicyFlagType::MpolFRelativeNodes => 1 << 14,
        MemoryPolicyFlagType::MpolFStaticNodes => 1 << 15,
    };
    let flags = policy.flags().as_deref().unwrap_or_default();
    flags.iter().map(flag).fold(mode, |all, bit| all | bit)
}
