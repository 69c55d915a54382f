//! What a config may say, by name: taken from the tables and types by which configs are read and carried
//! out, so that `teu features` cannot say anything else.
//!
//! All lists are sorted, but where an order has a meaning.

use oci_spec::runtime::{
    Arch as SpecArch, Capability, LinuxSeccompAction, LinuxSeccompFilterFlag, LinuxSeccompOperator,
    MemoryPolicyFlagType, MemoryPolicyModeType,
};
use serde::Deserialize;
use serde::de::value::StrDeserializer;

use crate::compile;
use crate::lifecycle::CRIU_CONFIG;
use crate::plan::HookKind;
use crate::seccomp;
use crate::spec::{self, KEEP_GROUPS, names_of};

pub use crate::spec::mount_options;

/// Kinds of hooks, in the order in which they run.
pub fn hooks() -> Vec<&'static str> {
    HookKind::ALL.map(HookKind::name).to_vec()
}

/// Types of namespaces.
pub fn namespaces() -> Vec<&'static str> {
    let known = compile::namespace_types();
    let is_known = |name: &&str| known.iter().any(|typ| spec::is_named(typ, name));
    sorted(names_of::<oci_spec::runtime::LinuxNamespaceType>().iter().copied().filter(is_known))
}

/// Capabilities by number; those that are in the types of the config and known to the crate that knows
/// their numbers.
pub fn capabilities() -> Vec<String> {
    let mut all: Vec<_> = caps::all().into_iter().collect();
    all.sort_unstable_by_key(caps::Capability::index);
    let reads = |name: &String| {
        let name: StrDeserializer<'_, serde::de::value::Error> = StrDeserializer::new(name);
        Capability::deserialize(name).is_ok()
    };
    all.iter().map(ToString::to_string).filter(reads).collect()
}

/// Modes of `linux.memoryPolicy`.
pub fn memory_policy_modes() -> Vec<&'static str> {
    sorted(names_of::<MemoryPolicyModeType>().iter().copied())
}

/// Flags of `linux.memoryPolicy`.
pub fn memory_policy_flags() -> Vec<&'static str> {
    sorted(names_of::<MemoryPolicyFlagType>().iter().copied())
}

/// Values of `action` and `defaultAction` of a seccomp profile.
pub fn seccomp_actions() -> Vec<&'static str> {
    sorted(names_of::<LinuxSeccompAction>().iter().copied())
}

/// Values of `op`.
pub fn seccomp_operators() -> Vec<&'static str> {
    sorted(names_of::<LinuxSeccompOperator>().iter().copied())
}

/// Values of `architectures` that the specification has and that are of this machine's byte order.
pub fn seccomp_architectures() -> Vec<&'static str> {
    let taken = |name: &&str| {
        let name: StrDeserializer<'_, serde::de::value::Error> = StrDeserializer::new(name);
        SpecArch::deserialize(name).is_ok_and(seccomp::is_taken)
    };
    sorted(names_of::<SpecArch>().iter().copied().filter(taken))
}

/// Values of `flags`.
pub fn seccomp_flags() -> Vec<&'static str> {
    sorted(names_of::<LinuxSeccompFilterFlag>().iter().copied())
}

/// Those of [`seccomp_flags`] that the running kernel takes.
pub fn supported_seccomp_flags() -> Vec<&'static str> {
    let supported = |name: &&str| {
        let name: StrDeserializer<'_, serde::de::value::Error> = StrDeserializer::new(name);
        LinuxSeccompFilterFlag::deserialize(name).is_ok_and(seccomp::is_supported)
    };
    seccomp_flags().into_iter().filter(supported).collect()
}

/// Annotations of a config that change what is done. A dot at the end: all that begin so.
pub fn acted_upon_annotations() -> Vec<&'static str> {
    sorted([crate::cgroup::systemd::ANNOTATION, CRIU_CONFIG, KEEP_GROUPS].into_iter())
}

fn sorted(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_what_the_specification_has() {
        assert_eq!(
            hooks(),
            [
                "prestart",
                "createRuntime",
                "createContainer",
                "startContainer",
                "poststart",
                "poststop"
            ]
        );
        let all = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];
        assert_eq!(namespaces(), all);
        assert_eq!(memory_policy_modes().len(), 7);
        assert_eq!(memory_policy_flags().len(), 3);
        assert_eq!(seccomp_operators().len(), 7);
        assert_eq!(seccomp_flags().len(), 4);
        let capabilities = capabilities();
        assert_eq!(capabilities.len(), 41);
        assert_eq!(
            (&*capabilities[0], &*capabilities[40]),
            ("CAP_CHOWN", "CAP_CHECKPOINT_RESTORE")
        );
    }

    #[test]
    fn lists_are_sorted_and_without_repeats() {
        for list in [
            namespaces(),
            memory_policy_modes(),
            memory_policy_flags(),
            seccomp_actions(),
            seccomp_operators(),
            seccomp_architectures(),
            seccomp_flags(),
            supported_seccomp_flags(),
            acted_upon_annotations(),
        ] {
            assert!(!list.is_empty() && list.windows(2).all(|pair| pair[0] < pair[1]), "{list:?}");
        }
    }

    #[test]
    fn the_other_byte_order_is_not_taken() {
        let architectures = seccomp_architectures();
        assert!(
            architectures.contains(&"SCMP_ARCH_X86_64")
                && architectures.contains(&"SCMP_ARCH_PPC64LE")
        );
        assert!(!architectures.contains(&"SCMP_ARCH_S390X"));
        assert!(!architectures.contains(&"SCMP_ARCH_NATIVE"), "not in the specification");
    }
}
