//! What a compiled filter depends on, as bytes: two profiles with the same key have the same filter.

use oci_spec::runtime::LinuxSeccomp;

use super::Arch;

/// This compiler, its table of calls included: a hash of its source, by the build script.
const COMPILER: &str = env!("TEU_SECCOMP_COMPILER");

/// The compiler, the architecture that it compiles for, the profile. Nothing else goes in: no facts of
/// the running kernel. `None` for a profile that cannot be written down.
pub(super) fn key(profile: &LinuxSeccomp, native: Arch) -> Option<Vec<u8>> {
    let mut key = format!("{COMPILER} {native} ").into_bytes();
    serde_json::to_writer(&mut key, profile).ok()?;
    Some(key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(profile: serde_json::Value, native: Arch) -> Vec<u8> {
        key(&serde_json::from_value(profile).unwrap(), native).unwrap()
    }

    #[test]
    fn everything_that_counts_is_in_it() {
        let profile = json!({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [
                {"index": 0, "value": 1, "valueTwo": 0, "op": "SCMP_CMP_EQ"}]}]});
        let first = of(profile.clone(), Arch::X86_64);
        assert_eq!(first, of(profile.clone(), Arch::X86_64));
        assert_ne!(first, of(profile.clone(), Arch::Aarch64));
        for (field, value) in [
            ("/defaultAction", json!("SCMP_ACT_KILL")),
            ("/syscalls/0/names", json!(["read", "write"])),
            ("/syscalls/0/action", json!("SCMP_ACT_LOG")),
            ("/syscalls/0/args/0/index", json!(1)),
            ("/syscalls/0/args/0/value", json!(2)),
            ("/syscalls/0/args/0/valueTwo", json!(2)),
            ("/syscalls/0/args/0/op", json!("SCMP_CMP_NE")),
        ] {
            let mut other = profile.clone();
            *other.pointer_mut(field).unwrap() = value;
            assert_ne!(first, of(other, Arch::X86_64), "{field}");
        }
        for (field, value) in [
            ("defaultErrnoRet", json!(5)),
            ("architectures", json!(["SCMP_ARCH_X86"])),
            ("flags", json!(["SECCOMP_FILTER_FLAG_LOG"])),
        ] {
            let mut other = profile.clone();
            other[field] = value;
            assert_ne!(first, of(other, Arch::X86_64), "{field}");
        }
    }
}
