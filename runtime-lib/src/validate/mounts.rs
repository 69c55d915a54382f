//! Mounts. Fields are relative to the mount until they are reported.

use std::path::Path;

use oci_spec::runtime::{LinuxNamespaceType, Mount, Spec};

use super::{Checked, HostLimits, Problem, c_string, ids, invalid, list, require, text};
use crate::spec::{MountOptions, Namespace, clean, destination, is_bind, namespace};

/// What may be mounted inside /proc: files that lxcfs and the like stand in for (runc's list).
/// Anything else could hide the files that the runtime trusts there (CVE-2019-16884).
const INSIDE_PROC: [&str; 10] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

type MountCheck = fn(&Mount, &MountOptions) -> Checked;

const CHECKS: &[(&str, MountCheck)] =
    &[("fields", fields), ("bind", bind), ("type", filesystem), ("proc", proc)];

pub(super) fn check(spec: &Spec, _: &HostLimits) -> Checked {
    each(spec, |mount, options| CHECKS.iter().try_for_each(|(_, check)| check(mount, options)))
}

/// An unprivileged caller's filesystems can only belong to ids that it has mapped.
pub(super) fn owners(spec: &Spec, host: &HostLimits) -> Checked {
    let new = namespace(spec, LinuxNamespaceType::User) == Some(Namespace::New);
    if host.euid == 0 || !new {
        return Ok(());
    }
    let (uids, gids) = ids::of(spec);
    each(spec, |_, options| {
        options.data.iter().try_for_each(|(key, value)| {
            let mappings = match key.as_str() {
                "uid" => uids,
                "gid" => gids,
                _ => return Ok(()),
            };
            let id = value.as_ref().and_then(|value| value.parse().ok());
            let known = id.is_none_or(|id| ids::is_mapped(mappings, id));
            require(
                known,
                || "options",
                || {
                    let id = id.unwrap_or_default();
                    format!(
                        "cannot specify {key}={id} mount option for rootless container: \
                     user namespaces enabled, but no mapping found for {key} {id}"
                    )
                },
            )
        })
    })
}

/// Runs a check over all mounts with their options read.
pub(super) fn each(
    spec: &Spec,
    mut check: impl FnMut(&Mount, &MountOptions) -> Checked,
) -> Checked {
    let mounts = list(spec.mounts());
    mounts.iter().enumerate().try_for_each(|(i, mount)| {
        let within = |problem: Problem| problem.within(&format!("mounts[{i}]"));
        MountOptions::parse(list(mount.options()))
            .map_err(|e| invalid(format!("options[{}]", e.index), e.problem))
            .and_then(|options| check(mount, &options))
            .map_err(within)
    })
}

fn fields(mount: &Mount, _: &MountOptions) -> Checked {
    let empty = mount.destination().as_os_str().is_empty();
    require(!empty, || "destination", || "must not be empty")?;
    c_string(mount.destination(), || "destination")?;
    c_string(mount.source().as_deref().unwrap_or(Path::new("")), || "source")?;
    c_string(text(mount.typ()), || "type")
}

/// The kernel ignores a filesystem's own options on a bind mount, so they must not seem to work. An
/// empty source would be the bundle.
fn bind(mount: &Mount, options: &MountOptions) -> Checked {
    if !is_bind(mount, options) {
        return Ok(());
    }
    let source = mount.source().as_ref().is_some_and(|source| !source.as_os_str().is_empty());
    require(source, || "source", || "a bind mount needs a source")?;
    require(
        options.data.is_empty(),
        || "options",
        || {
            let names = options.data.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>();
            let names = names.join(", ");
            format!("bind mounts cannot have any filesystem-specific options applied: {names}")
        },
    )
}

/// Which types exist is for the kernel to say; none at all is a forgotten `bind`.
fn filesystem(mount: &Mount, options: &MountOptions) -> Checked {
    let changes = options.remount || options.propagation.is_some();
    let named = !text(mount.typ()).is_empty();
    require(
        named || changes || is_bind(mount, options),
        || "type",
        || "must not be empty unless the options have bind or rbind",
    )
}

/// Only by name: a bind mount's source, and where symlinks of the rootfs lead, are looked at when
/// the mount is made.
fn proc(mount: &Mount, options: &MountOptions) -> Checked {
    let target = clean(&destination(mount));
    if target == Path::new("/proc") {
        let fits = is_bind(mount, options) || mount.typ().as_deref() == Some("proc");
        return require(
            fits,
            || "destination",
            || r#""/proc" cannot be mounted because it is not of type proc"#,
        );
    }
    let allowed = INSIDE_PROC.iter().any(|path| target == Path::new(path));
    require(
        !target.starts_with("/proc") || allowed,
        || "destination",
        || {
            format!(
                "{:?} cannot be mounted because it is inside /proc",
                target.display().to_string()
            )
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse, refuse_as, spec};
    use super::*;

    fn with(mount: &str) -> String {
        format!(r#"{{"mounts": [{{"destination": "/ok", "type": "tmpfs"}}, {{{mount}}}]}}"#)
    }

    fn bad(mount: &str, field: &str, problem: &str) {
        refuse(check, &with(mount), &format!("mounts[1].{field}"), problem);
    }

    #[test]
    fn destinations_are_paths_and_relative_ones_count_from_the_root() {
        accept(check, &with(r#""destination": "data", "type": "tmpfs""#));
        accept(check, &with(r#""destination": "/", "type": "tmpfs""#));
        bad(r#""destination": "", "type": "tmpfs""#, "destination", "must not be empty");
        bad(r#""destination": "proc/x", "type": "tmpfs""#, "destination", "inside /proc");
    }

    #[test]
    fn no_field_has_a_nul() {
        bad(r#""destination": "/a\u0000", "type": "tmpfs""#, "destination", "NUL");
        bad(r#""destination": "/a", "type": "tmpfs\u0000""#, "type", "NUL");
        bad(r#""destination": "/a", "type": "t", "source": "\u0000""#, "source", "NUL");
        let options = r#""destination": "/a", "type": "t", "options": ["ro", "\u0000"]"#;
        bad(options, "options[1]", "NUL");
        let quote = r#""destination": "/a", "type": "t", "options": ["context=\"a"]"#;
        bad(quote, "options[0]", "quote");
    }

    #[test]
    fn binds_have_a_source_and_no_data() {
        let bind = |typ, source, option| {
            format!(
                r#""destination": "/a", "type": "{typ}", "source": "{source}", "options": [{option}]"#
            )
        };
        accept(check, &with(&bind("", "rel/path", r#""rbind", "ro", "rprivate""#)));
        accept(check, &with(&bind("bind", "/x", "")));
        accept(check, &with(&bind("tmpfs", "", r#""mode=755""#)));
        bad(&bind("none", "", r#""bind""#), "source", "a bind mount needs a source");
        bad(&bind("bind", "", ""), "source", "a bind mount needs a source");
        bad(r#""destination": "/a", "options": ["bind"]"#, "source", "needs a source");
        let text = "bind mounts cannot have any filesystem-specific options applied: mode, x";
        bad(&bind("none", "/x", r#""mode=755", "bind", "x""#), "options", text);
        bad(&bind("bind", "/x", r#""mode=755,x""#), "options", text);
    }

    #[test]
    fn a_type_is_needed_where_a_filesystem_is_made() {
        accept(check, &with(r#""destination": "/a", "options": ["rshared"]"#));
        accept(check, &with(r#""destination": "/a", "options": ["remount", "ro"]"#));
        accept(check, &with(r#""destination": "/a", "type": "no-such-filesystem""#));
        bad(r#""destination": "/a""#, "type", "must not be empty");
        bad(r#""destination": "/a", "type": "", "options": ["ro"]"#, "type", "must not be empty");
    }

    #[test]
    fn proc_is_only_for_proc() {
        let at = |destination, rest| format!(r#""destination": "{destination}", {rest}"#);
        let (proc, tmpfs, bind) = (
            r#""type": "proc""#,
            r#""type": "tmpfs""#,
            r#""source": "/proc", "options": ["rbind"]"#,
        );
        for path in ["/proc", "proc", "/proc/", "/x/..//proc/.", "/../proc"] {
            accept(check, &with(&at(path, proc)));
            accept(check, &with(&at(path, bind)));
            bad(&at(path, tmpfs), "destination", r#""/proc" cannot be mounted"#);
        }
        for path in ["/proc/self", "/proc/1/attr", "/proc/sys", "/proc/./x", "proc/cpuinfo/x"] {
            for how in [proc, tmpfs, bind] {
                bad(&at(path, how), "destination", "cannot be mounted because it is inside /proc");
            }
        }
        for path in INSIDE_PROC.iter().chain(&["/proc/../etc", "/process", "/proc2/x"]) {
            accept(check, &with(&at(path, bind)));
        }
    }

    #[test]
    fn rootless_owners_are_mapped() {
        let json = |option| {
            format!(
                r#"{{"mounts": [{{"destination": "/a", "type": "tmpfs", "options": ["{option}"]}}],
                "linux": {{"namespaces": [{{"type": "user"}}],
                "uidMappings": [{{"containerID": 0, "hostID": 1, "size": 2}}],
                "gidMappings": [{{"containerID": 0, "hostID": 1, "size": 6}}]}}}}"#
            )
        };
        let rootless = HostLimits { euid: 1000 };
        for option in ["uid=1", "gid=5", "mode=755", "uid=x", "ro", "uid"] {
            assert_eq!(owners(&spec(&json(option)), &rootless), Ok(()), "{option}");
        }
        let text = "cannot specify uid=2 mount option for rootless container: user namespaces \
                    enabled, but no mapping found for uid 2";
        refuse_as(rootless, owners, &json("mode=1,uid=2"), "mounts[0].options", text);
        refuse_as(rootless, owners, &json("gid=6"), "mounts[0].options", "gid=6");
        accept(owners, &json("gid=6"));
    }
}
