//! Devices, propagation of the root, the cgroup path, personality, memory policy, labels of mounts.

use std::path::{Component, Path};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType, MemoryPolicyModeType as Mode, Spec};

use super::{Checked, HostLimits, absolute, c_string, invalid, linux_of, list, require, text};
use crate::spec::{bit_mask, clean};

/// The kernel's `dev_t`: 12 bits of major, 20 of minor. Larger numbers would be cut, not refused.
const MAJOR_MAX: i64 = (1 << 12) - 1;
const MINOR_MAX: i64 = (1 << 20) - 1;

/// Engines copy `st_mode` whole, so type bits are let through (and have no meaning).
const MODE_BITS: u32 = libc::S_IFMT | 0o7777;

const PROPAGATIONS: [&str; 8] =
    ["shared", "rshared", "slave", "rslave", "private", "rprivate", "unbindable", "runbindable"];

pub(super) fn devices(spec: &Spec, _: &HostLimits) -> Checked {
    let devices = linux_of(spec).map_or(&[][..], |linux| list(linux.devices()));
    devices.iter().enumerate().try_for_each(|(i, d)| {
        device(d).map_err(|problem| problem.within(&format!("linux.devices[{i}]")))
    })
}

fn device(device: &LinuxDevice) -> Checked {
    absolute(device.path(), || "path")?;
    require(clean(device.path()) != Path::new("/"), || "path", || "must not be the root")?;
    let typ = device.typ();
    require(
        typ != LinuxDeviceType::A,
        || "type",
        || r#"invalid device type "a": must be c, u, b or p"#,
    )?;
    if typ != LinuxDeviceType::P {
        number("major", device.major(), MAJOR_MAX)?;
        number("minor", device.minor(), MINOR_MAX)?;
    }
    let mode = device.file_mode().unwrap_or(0);
    require(mode & !MODE_BITS == 0, || "fileMode", || format!("{mode:#o} is not a file mode"))
}

fn number(field: &'static str, value: i64, max: i64) -> Checked {
    require((0..=max).contains(&value), || field, || format!("must be from 0 to {max}, is {value}"))
}

pub(super) fn rootfs_propagation(spec: &Spec, _: &HostLimits) -> Checked {
    let value = linux_of(spec).map_or("", |linux| text(linux.rootfs_propagation()));
    let known = value.is_empty() || PROPAGATIONS.contains(&value);
    require(
        known,
        || "linux.rootfsPropagation",
        || format!("rootfsPropagation={value} is not supported"),
    )
}

/// A path that climbs would name a cgroup outside of where the caller was sent.
pub(super) fn cgroups_path(spec: &Spec, _: &HostLimits) -> Checked {
    let field = || "linux.cgroupsPath";
    let path = linux_of(spec).and_then(|linux| linux.cgroups_path().as_deref());
    let path = path.unwrap_or(Path::new(""));
    c_string(path, field)?;
    let climbs = path.components().any(|component| component == Component::ParentDir);
    require(!climbs, field, || "must not have .. in it")
}

/// The specification has no flags yet; runc and crun ignore what is there.
pub(super) fn personality(spec: &Spec, _: &HostLimits) -> Checked {
    let personality = linux_of(spec).and_then(|linux| linux.personality().as_ref());
    let flags = personality.map_or(&[][..], |personality| list(personality.flags()));
    let field = || "linux.personality.flags[0]";
    require(flags.is_empty(), field, || format!("unknown flag {:?}: there are none", flags.first()))
}

/// What the kernel would call EINVAL without a reason (set_mempolicy(2)).
pub(super) fn memory_policy(spec: &Spec, _: &HostLimits) -> Checked {
    let Some(policy) = linux_of(spec).and_then(|linux| linux.memory_policy().as_ref()) else {
        return Ok(());
    };
    let field = || "linux.memoryPolicy.nodes";
    let problem = |problem| invalid(field(), format!("invalid memory policy nodes: {problem}"));
    let nodes = bit_mask(text(policy.nodes())).map_err(problem)?;
    match policy.mode() {
        Mode::MpolDefault | Mode::MpolLocal => {
            let count: u32 = nodes.iter().map(|byte| byte.count_ones()).sum();
            let problem = || format!("memory policy mode requires 0 nodes but got {count}");
            require(nodes.is_empty(), field, problem)
        }
        Mode::MpolPreferred => Ok(()),
        mode => {
            let problem = || format!("memory policy mode {mode} requires at least one node");
            require(!nodes.is_empty(), field, problem)
        }
    }
}

pub(super) fn mount_label(spec: &Spec, _: &HostLimits) -> Checked {
    let label = linux_of(spec).map_or("", |linux| text(linux.mount_label()));
    c_string(label, || "linux.mountLabel")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse};
    use super::*;

    fn with_device(fields: &str) -> String {
        let good = r#"{"path": "/dev/a", "type": "p"}"#;
        format!(r#"{{"linux": {{"devices": [{good}, {{{fields}}}]}}}}"#)
    }

    #[test]
    fn devices_are_what_mknod_takes() {
        for fields in [
            r#""path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 438"#,
            r#""path": "/x/../dev/a", "type": "b", "major": 4095, "minor": 1048575, "fileMode": 8624"#,
            r#""path": "/dev/u", "type": "u", "major": 0, "minor": 0, "fileMode": 4095"#,
            r#""path": "/dev/p", "type": "p", "major": -1, "minor": -1"#,
        ] {
            accept(devices, &with_device(fields));
        }
        for (fields, field, problem) in [
            (r#""path": "dev/a", "type": "p""#, "path", "absolute"),
            (r#""path": "", "type": "p""#, "path", "absolute"),
            (r#""path": "/dev/\u0000", "type": "p""#, "path", "NUL"),
            (r#""path": "/dev/..", "type": "p""#, "path", "root"),
            (r#""path": "/dev/a", "type": "a""#, "type", "invalid device type \"a\""),
            (r#""path": "/dev/a", "type": "c", "major": -1"#, "major", "0 to 4095, is -1"),
            (r#""path": "/dev/a", "type": "b", "major": 4096"#, "major", "0 to 4095"),
            (r#""path": "/dev/a", "type": "u", "minor": 1048576"#, "minor", "0 to 1048575"),
            (r#""path": "/dev/a", "type": "p", "fileMode": 65536"#, "fileMode", "0o200000"),
        ] {
            refuse(devices, &with_device(fields), &format!("linux.devices[1].{field}"), problem);
        }
    }

    #[test]
    fn propagation_has_eight_names() {
        let with = |value: &str| format!(r#"{{"linux": {{"rootfsPropagation": "{value}"}}}}"#);
        for value in PROPAGATIONS.iter().chain(&[""]) {
            accept(rootfs_propagation, &with(value));
        }
        accept(rootfs_propagation, "{}");
        let (field, text) =
            ("linux.rootfsPropagation", "rootfsPropagation=rshare is not supported");
        refuse(rootfs_propagation, &with("rshare"), field, text);
    }

    #[test]
    fn the_cgroup_path_does_not_climb() {
        let with = |value| format!(r#"{{"linux": {{"cgroupsPath": "{value}"}}}}"#);
        for path in ["", "/a/b", "a", "system.slice:docker:abc", "/a/..b/c..", "/"] {
            accept(cgroups_path, &with(path));
        }
        for (path, problem) in [("..", "must not"), ("/a/../b", "must not"), (r"/\u0000", "NUL")] {
            refuse(cgroups_path, &with(path), "linux.cgroupsPath", problem);
        }
    }

    #[test]
    fn personalities_have_no_flags() {
        let json = |flags: &str| {
            format!(r#"{{"linux": {{"personality": {{"domain": "LINUX32", "flags": {flags}}}}}}}"#)
        };
        accept(personality, &json("[]"));
        accept(personality, &json("null"));
        refuse(personality, &json(r#"["X"]"#), "linux.personality.flags[0]", "unknown flag");
    }

    #[test]
    fn memory_policies_have_the_nodes_of_their_mode() {
        let json = |mode: &str, nodes: &str| {
            let policy = format!(r#"{{"mode": "MPOL_{mode}", "nodes": "{nodes}"}}"#);
            format!(r#"{{"linux": {{"memoryPolicy": {policy}}}}}"#)
        };
        let field = "linux.memoryPolicy.nodes";
        for (mode, nodes) in [("DEFAULT", ""), ("LOCAL", ""), ("PREFERRED", ""), ("BIND", "0-3,7")]
        {
            accept(memory_policy, &json(mode, nodes));
        }
        for mode in ["DEFAULT", "LOCAL"] {
            refuse(memory_policy, &json(mode, "0"), field, "requires 0 nodes");
        }
        for mode in ["BIND", "INTERLEAVE", "PREFERRED_MANY", "WEIGHTED_INTERLEAVE"] {
            refuse(memory_policy, &json(mode, ""), field, "at least one node");
        }
        refuse(memory_policy, &json("BIND", "0-"), field, "not a number");
    }
}
