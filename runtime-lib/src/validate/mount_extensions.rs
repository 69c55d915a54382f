//! What the specification, runc and crun have added to mounts: id mappings, tmpcopyup, symlinks.

use std::path::Path;

use oci_spec::runtime::{Mount, Spec};

use super::mounts::each;
use super::{Checked, HostLimits, ids, invalid, require, text};
use crate::spec::{self, Mapping, MountOptions, clean, destination, is_bind};

/// Mappings that the kernel would take, on mounts that are made here.
pub(super) fn id_mapped(spec: &Spec, _: &HostLimits) -> Checked {
    each(spec, |mount, options| {
        let mapped = spec::id_mapped(spec, mount, options);
        let Some(mapped) = mapped.map_err(|(field, problem)| invalid(field, problem))? else {
            return Ok(());
        };
        if let Mapping::Ranges { uids, gids } = &mapped.by {
            ids::well_formed(uids, "uidMappings")?;
            ids::well_formed(gids, "gidMappings")?;
        }
        let hierarchy = matches!(text(mount.typ()), "cgroup" | "cgroup2");
        require(
            !options.remount && (!hierarchy || is_bind(mount, options)),
            || "options",
            || "neither a remount nor a cgroup mount can be id-mapped",
        )
    })
}

pub(super) fn check(spec: &Spec, _: &HostLimits) -> Checked {
    each(spec, |mount, options| copy_up(mount, options).and_then(|()| links(mount, options)))
}

fn copy_up(mount: &Mount, options: &MountOptions) -> Checked {
    let tmpfs = text(mount.typ()) == "tmpfs" && !is_bind(mount, options) && !options.remount;
    require(
        tmpfs || !options.copy_up,
        || "options",
        || "tmpcopyup can be used only with a new tmpfs",
    )?;
    let root = clean(&destination(mount)) == Path::new("/");
    require(!root || !options.copy_up, || "destination", || "tmpcopyup on / is not supported")
}

fn links(mount: &Mount, options: &MountOptions) -> Checked {
    let links = options.links;
    let nofollow = links.keep_source || links.keep_destination;
    require(
        !(links.copy || nofollow) || is_bind(mount, options) && !options.remount,
        || "options",
        || "copy-symlink, src-nofollow and dest-nofollow are for bind mounts",
    )?;
    require(
        !(links.copy && nofollow),
        || "options",
        || "copy-symlink and src-nofollow or dest-nofollow exclude each other",
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse};
    use super::*;

    fn with(fields: &str) -> String {
        format!(r#"{{"mounts": [{{"destination": "/a", {fields}}}]}}"#)
    }

    #[test]
    fn mappings_are_what_the_kernel_takes() {
        let mapped = |uids: &str, rest: &str| {
            let one = r#"{"containerID": 0, "hostID": 1, "size": 1}"#;
            with(&format!(r#""uidMappings": [{uids}], "gidMappings": [{one}], {rest}"#))
        };
        let (one, bind) = (r#"{"containerID": 7, "hostID": 1, "size": 1}"#, r#""type": "bind""#);
        accept(id_mapped, &mapped(one, bind));
        accept(id_mapped, &mapped(one, r#""type": "tmpfs""#));
        let none = r#"{"containerID": 0, "hostID": 1, "size": 0}"#;
        refuse(id_mapped, &mapped(none, bind), "mounts[0].uidMappings[0]", "size must not be 0");
        let text = "neither a remount nor a cgroup mount can be id-mapped";
        refuse(id_mapped, &mapped(one, r#""type": "cgroup""#), "mounts[0].options", text);
        accept(id_mapped, &mapped(one, r#""type": "cgroup", "options": ["bind"]"#));
        refuse(id_mapped, &mapped(one, r#""options": ["remount"]"#), "mounts[0].options", text);
        let both = "id-mapped mounts must have both uid and gid mappings specified";
        refuse(id_mapped, &mapped("", bind), "mounts[0].uidMappings", both);
        let container = with(r#""type": "bind", "options": ["idmap"]"#);
        refuse(id_mapped, &container, "mounts[0].options", both);
    }

    #[test]
    fn tmpcopyup_is_for_tmpfs() {
        accept(check, &with(r#""type": "tmpfs", "options": ["tmpcopyup"]"#));
        let text = "tmpcopyup can be used only with a new tmpfs";
        for mount in [
            r#""type": "bind", "options": ["tmpcopyup"]"#,
            r#""type": "tmpfs", "options": ["tmpcopyup", "bind"]"#,
            r#""type": "tmpfs", "options": ["tmpcopyup", "remount"]"#,
            r#""type": "ramfs", "options": ["tmpcopyup"]"#,
        ] {
            refuse(check, &with(mount), "mounts[0].options", text);
        }
        let root = r#"{"mounts": [{"destination": "/x/..", "type": "tmpfs",
            "options": ["tmpcopyup"]}]}"#;
        refuse(check, root, "mounts[0].destination", "tmpcopyup on / is not supported");
    }

    #[test]
    fn symlinks_are_kept_by_bind_mounts() {
        let bind = |options: &str| with(&format!(r#""source": "/b", "options": [{options}]"#));
        for options in
            [r#""bind", "copy-symlink""#, r#""rbind", "src-nofollow", "dest-nofollow", "ro""#]
        {
            accept(check, &bind(options));
        }
        for name in ["copy-symlink", "src-nofollow", "dest-nofollow"] {
            let other = with(&format!(r#""type": "tmpfs", "options": ["{name}"]"#));
            refuse(check, &other, "mounts[0].options", "are for bind mounts");
        }
        for name in ["src-nofollow", "dest-nofollow"] {
            let options = format!(r#""bind", "copy-symlink", "{name}""#);
            refuse(check, &bind(&options), "mounts[0].options", "exclude each other");
        }
    }
}
