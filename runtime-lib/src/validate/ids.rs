//! User namespace mappings, and the ids that must be in them.

use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType, Process, Spec};

use super::{Checked, HostLimits, linux_of, list, require};
use crate::spec::{Namespace, keeps_groups, namespace};

/// `UID_GID_MAP_MAX_EXTENTS` of the kernel.
const MAX_MAPPINGS: usize = 340;

/// (uid_t) -1 means "leave it" to the set*id calls: nobody can be that user.
const NO_ID: u32 = u32::MAX;

/// uid and gid mappings as they are listed, empty if unset.
pub(super) fn of(spec: &Spec) -> (&[LinuxIdMapping], &[LinuxIdMapping]) {
    linux_of(spec).map_or((&[], &[]), |l| (list(l.uid_mappings()), list(l.gid_mappings())))
}

/// Mappings beside a namespace path are let through, since containerd and CRIU write both; that they
/// are the same can only be seen when the namespace is opened.
pub(super) fn mappings(spec: &Spec, _: &HostLimits) -> Checked {
    let user = namespace(spec, LinuxNamespaceType::User);
    let (uids, gids) = of(spec);
    require(
        !(user == Some(Namespace::New) && uids.is_empty() && gids.is_empty()),
        || "linux",
        || "user namespaces enabled, but no namespace path to join nor mappings to apply specified",
    )?;
    for (name, kind, mappings) in [("uidMappings", "uid", uids), ("gidMappings", "gid", gids)] {
        let field = format!("linux.{name}");
        require(
            user.is_some() || mappings.is_empty(),
            || &*field,
            || "user namespace mappings specified, but user namespace isn't enabled in the config",
        )?;
        well_formed(mappings, &field)?;
        if user == Some(Namespace::New) {
            require(
                !mappings.is_empty(),
                || &*field,
                || format!("user namespaces enabled, but no {kind} mappings found"),
            )?;
            require(
                is_mapped(mappings, 0),
                || &*field,
                || format!("user namespaces enabled, but no mapping found for {kind} 0"),
            )?;
        }
    }
    Ok(())
}

/// What the kernel would refuse with one EINVAL for all of it.
pub(super) fn well_formed(mappings: &[LinuxIdMapping], field: &str) -> Checked {
    require(
        mappings.len() <= MAX_MAPPINGS,
        || field,
        || format!("the kernel takes at most {MAX_MAPPINGS} mappings, not {}", mappings.len()),
    )?;
    mappings.iter().enumerate().try_for_each(|(i, mapping)| {
        let field = || format!("{field}[{i}]");
        require(mapping.size() > 0, field, || "size must not be 0")?;
        let fits = |start: u32| start.checked_add(mapping.size()).is_some();
        require(
            fits(mapping.container_id()) && fits(mapping.host_id()),
            field,
            || "reaches beyond the last id",
        )?;
        let earlier = mappings.iter().take(i);
        let clash = earlier.clone().position(|other| overlap(mapping, other));
        require(clash.is_none(), field, || {
            format!("overlaps with the mapping at position {}", clash.unwrap_or_default())
        })
    })
}

fn overlap(a: &LinuxIdMapping, b: &LinuxIdMapping) -> bool {
    let meet = |x: u32, y: u32| {
        let (x, y) = (u64::from(x), u64::from(y));
        x < y + u64::from(b.size()) && y < x + u64::from(a.size())
    };
    meet(a.container_id(), b.container_id()) || meet(a.host_id(), b.host_id())
}

/// Whether an id of the container exists outside.
pub(super) fn is_mapped(mappings: &[LinuxIdMapping], id: u32) -> bool {
    mappings.iter().any(|m| id.checked_sub(m.container_id()).is_some_and(|at| at < m.size()))
}

/// runc's words; by the effective uid alone, as there (mount and network setup need privilege).
pub(super) fn rootless(spec: &Spec, host: &HostLimits) -> Checked {
    let user = namespace(spec, LinuxNamespaceType::User);
    require(
        host.euid == 0 || user.is_some(),
        || "linux.namespaces",
        || "rootless container requires user namespaces",
    )
}

/// The ids of a process; which ids a joined user namespace has is not known here.
pub(super) fn process(process: &Process, spec: &Spec, host: &HostLimits) -> Checked {
    let user = process.user();
    // Kept ones are the caller's, in the place of those that are listed.
    let groups = if keeps_groups(spec) { &[] } else { list(user.additional_gids()) };
    let (uids, gids) = of(spec);
    let new = namespace(spec, LinuxNamespaceType::User) == Some(Namespace::New);
    let exists = |ids: &[LinuxIdMapping], id| id != NO_ID && (!new || is_mapped(ids, id));
    require(
        exists(uids, user.uid()),
        || "user.uid",
        || format!("cannot setuid to unmapped uid {} in user namespace", user.uid()),
    )?;
    require(
        exists(gids, user.gid()),
        || "user.gid",
        || format!("cannot setgid to unmapped gid {} in user namespace", user.gid()),
    )?;
    // One's own id can be mapped without privilege, but only after giving up setgroups for good.
    let own_only = matches!(gids, [one] if one.size() == 1);
    require(
        host.euid == 0 || !new || groups.is_empty() || !own_only,
        || "user.additionalGids",
        || "cannot set any additional groups in a rootless container",
    )?;
    groups.iter().enumerate().try_for_each(|(i, gid)| {
        require(
            exists(gids, *gid),
            || format!("user.additionalGids[{i}]"),
            || format!("cannot set unmapped group {gid} in user namespace"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse, refuse_as};
    use super::*;

    const ONE: &str = r#"{"containerID": 0, "hostID": 1000, "size": 1}"#;
    const NEW: &str = r#"{"type": "user"}"#;
    const ROOTLESS: HostLimits = HostLimits { euid: 1000 };

    fn with(namespaces: &str, uids: &str, gids: &str, user: &str) -> String {
        format!(
            r#"{{"process": {{"cwd": "/", "args": ["a"], "user": {{{user}}}}}, "linux": {{
            "namespaces": [{namespaces}], "uidMappings": [{uids}], "gidMappings": [{gids}]}}}}"#
        )
    }

    fn map(container: u32, host: u32, size: u32) -> String {
        format!(r#"{{"containerID": {container}, "hostID": {host}, "size": {size}}}"#)
    }

    #[test]
    fn mappings_and_user_namespace_go_together() {
        accept(mappings, &with("", "", "", ""));
        accept(mappings, &with(NEW, ONE, ONE, ""));
        accept(mappings, &with(r#"{"type": "user", "path": "/x"}"#, "", "", ""));
        accept(mappings, &with(r#"{"type": "user", "path": "/x"}"#, ONE, ONE, ""));
        let neither = with(NEW, "", "", "");
        refuse(mappings, &neither, "linux", "no namespace path to join nor mappings");
        refuse(mappings, &with(NEW, ONE, "", ""), "linux.gidMappings", "no gid mappings found");
        refuse(mappings, &with(NEW, "", ONE, ""), "linux.uidMappings", "no uid mappings found");
        refuse(mappings, &with("", "", ONE, ""), "linux.gidMappings", "isn't enabled");
        let no_root = with(NEW, ONE, &map(1, 0, 5), "");
        refuse(mappings, &no_root, "linux.gidMappings", "no mapping found for gid 0");
    }

    #[test]
    fn mappings_are_what_the_kernel_takes() {
        let max = u32::MAX;
        for (second, problem) in [
            (map(1, 5000, 0), "size must not be 0"),
            (map(1, max, 1), "beyond the last id"),
            (map(max, 1, 1), "beyond the last id"),
            (map(2, 2, max), "beyond the last id"),
            (map(0, 5000, 1), "overlaps with the mapping at position 0"),
            (map(1, 1000, 1), "overlaps with the mapping at position 0"),
            (map(5, 900, 200), "overlaps with the mapping at position 0"),
        ] {
            let json = with(NEW, &format!("{ONE}, {second}"), ONE, "");
            refuse(mappings, &json, "linux.uidMappings[1]", problem);
        }
        let all = map(0, 0, max);
        accept(mappings, &with(NEW, &all, &all, ""));
        let many = |n| (0..n).map(|i| map(i, i + 5, 1)).collect::<Vec<_>>().join(",");
        accept(mappings, &with(NEW, &many(340), ONE, ""));
        let json = with(NEW, &many(341), ONE, "");
        refuse(mappings, &json, "linux.uidMappings", "at most 340 mappings, not 341");
    }

    #[test]
    fn an_unprivileged_caller_needs_a_user_namespace() {
        accept(rootless, "{}");
        let text = "rootless container requires user namespaces";
        refuse_as(ROOTLESS, rootless, "{}", "linux.namespaces", text);
        let json = with(NEW, ONE, ONE, "");
        assert_eq!(rootless(&super::super::tests::spec(&json), &ROOTLESS), Ok(()));
    }

    #[test]
    fn process_ids_exist_in_the_container() {
        let check = super::super::process::check;
        let range = map(0, 1000, 10);
        accept(
            check,
            &with(NEW, &range, &range, r#""uid": 9, "gid": 9, "additionalGids": [0, 9]"#),
        );
        accept(check, &with("", "", "", r#""uid": 4294967294, "additionalGids": [1000]"#));
        accept(check, &with(r#"{"type": "user", "path": "/x"}"#, "", "", r#""uid": 77"#));
        for (user, field, problem) in [
            (r#""uid": 10"#, "uid", "unmapped uid 10"),
            (r#""gid": 10"#, "gid", "unmapped gid 10"),
            (r#""additionalGids": [1, 10]"#, "additionalGids[1]", "unmapped group 10"),
        ] {
            let json = with(NEW, &range, &range, user);
            refuse(check, &json, &format!("process.user.{field}"), problem);
        }
        refuse(check, &with("", "", "", r#""uid": 4294967295"#), "process.user.uid", "4294967295");
    }

    #[test]
    fn groups_need_more_than_ones_own_id() {
        let check = super::super::process::check;
        let (groups, field) = (r#""additionalGids": [0]"#, "process.user.additionalGids");
        let json = with(NEW, ONE, ONE, groups);
        accept(check, &json);
        refuse_as(ROOTLESS, check, &json, field, "cannot set any additional groups in a rootless");
    }
}
