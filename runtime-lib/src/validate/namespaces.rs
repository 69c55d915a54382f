//! Namespaces, and the settings that would reach the host without one.

use std::path::Path;

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::{Checked, HostLimits, absolute, c_string, linux_of, list, require, text};
use crate::spec::{Namespace, namespace};

/// `__NEW_UTS_LEN` of the kernel.
const UTS_NAME_MAX: usize = 64;

pub(super) fn namespaces(spec: &Spec, _: &HostLimits) -> Checked {
    let namespaces = linux_of(spec).map_or(&[][..], |linux| list(linux.namespaces()));
    namespaces.iter().enumerate().try_for_each(|(i, ns)| {
        let twice = namespaces.iter().take(i).any(|other| other.typ() == ns.typ());
        require(
            !twice,
            || format!("linux.namespaces[{i}]"),
            || format!("malformed spec file: duplicated ns {:?}", ns.typ().to_string()),
        )?;
        let path = ns.path().as_deref().filter(|path| *path != Path::new(""));
        path.map_or(Ok(()), |path| absolute(path, || format!("linux.namespaces[{i}].path")))
    })
}

pub(super) fn uts_names(spec: &Spec, _: &HostLimits) -> Checked {
    let private = namespace(spec, LinuxNamespaceType::Uts).is_some();
    for (field, name) in [("hostname", spec.hostname()), ("domainname", spec.domainname())] {
        let name = text(name);
        require(
            name.is_empty() || private,
            || field,
            || format!("unable to set {field} without a private UTS namespace"),
        )?;
        require(
            name.len() <= UTS_NAME_MAX,
            || field,
            || format!("must be at most {UTS_NAME_MAX} bytes, is {}", name.len()),
        )?;
        c_string(name, || field)?;
    }
    Ok(())
}

/// Masked and read-only paths are mounts: in the host's mount namespace they would be the host's.
pub(super) fn restricted_paths(spec: &Spec, _: &HostLimits) -> Checked {
    let Some(linux) = linux_of(spec) else { return Ok(()) };
    let private = namespace(spec, LinuxNamespaceType::Mount).is_some();
    for (field, paths) in [
        ("linux.maskedPaths", list(linux.masked_paths())),
        ("linux.readonlyPaths", list(linux.readonly_paths())),
    ] {
        require(
            paths.is_empty() || private,
            || field,
            || "unable to restrict sys entries without a private MNT namespace",
        )?;
        for (i, path) in paths.iter().enumerate() {
            absolute(path, || format!("{field}[{i}]"))?;
        }
    }
    Ok(())
}

pub(super) fn time_offsets(spec: &Spec, _: &HostLimits) -> Checked {
    let field = || "linux.timeOffsets";
    let offsets = linux_of(spec).and_then(|linux| linux.time_offsets().as_ref());
    let Some(offsets) = offsets.filter(|offsets| !offsets.is_empty()) else { return Ok(()) };
    let time = namespace(spec, LinuxNamespaceType::Time);
    require(
        time.is_some(),
        field,
        || "time namespace offsets specified, but time namespace isn't enabled in the config",
    )?;
    require(
        time == Some(Namespace::New),
        field,
        || "time namespace enabled, but both namespace path and time offsets specified -- you may only provide one",
    )?;
    offsets.iter().try_for_each(|(clock, offset)| {
        require(matches!(clock.as_str(), "monotonic" | "boottime"), field, || {
            format!("{clock:?} is not a clock with an offset: monotonic and boottime are")
        })?;
        let nanosecs = offset.nanosecs().unwrap_or(0);
        require(
            nanosecs < 1_000_000_000,
            || format!("linux.timeOffsets.{clock}.nanosecs"),
            || format!("must be below a second, is {nanosecs}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse};
    use super::*;

    fn with(namespaces: &str, rest: &str) -> String {
        format!(r#"{{"linux": {{"namespaces": [{namespaces}] {rest}}}}}"#)
    }

    #[test]
    fn namespaces_are_listed_once_and_joined_by_absolute_path() {
        let uts = r#"{"type": "uts"}"#;
        accept(
            namespaces,
            &with(r#"{"type": "uts", "path": ""}, {"type": "ipc", "path": "/x"}"#, ""),
        );
        let twice = with(&format!(r#"{uts}, {{"type": "uts", "path": "/x"}}"#), "");
        refuse(namespaces, &twice, "linux.namespaces[1]", "duplicated ns \"uts\"");
        for (path, problem) in [("x/y", "absolute"), (r"/a\u0000", "NUL")] {
            let json = with(&format!(r#"{uts}, {{"type": "ipc", "path": "{path}"}}"#), "");
            refuse(namespaces, &json, "linux.namespaces[1].path", problem);
        }
    }

    #[test]
    fn names_need_a_uts_namespace_and_fit_in_it() {
        let long = "x".repeat(65);
        for field in ["hostname", "domainname"] {
            let json = |name: &str, typ: &str| {
                let namespaces = format!(r#"{{"namespaces": [{{"type": "{typ}"}}]}}"#);
                format!(r#"{{"{field}": "{name}", "linux": {namespaces}}}"#)
            };
            accept(uts_names, &json("a", "uts"));
            accept(uts_names, &json("", "ipc"));
            accept(uts_names, &json(&long[1..], "uts"));
            refuse(uts_names, &json("a", "ipc"), field, "without a private UTS namespace");
            refuse(uts_names, &json(&long, "uts"), field, "at most 64 bytes, is 65");
            refuse(uts_names, &json(r"a\u0000", "uts"), field, "NUL");
        }
    }

    #[test]
    fn restricted_paths_are_absolute_and_in_a_mount_namespace() {
        let mount = r#"{"type": "mount"}"#;
        for field in ["maskedPaths", "readonlyPaths"] {
            let name = format!("linux.{field}");
            let json = |namespaces: &str, paths: &str| {
                with(namespaces, &format!(r#", "{field}": [{paths}]"#))
            };
            accept(restricted_paths, &json(mount, r#""/proc/kcore""#));
            accept(restricted_paths, &json("", ""));
            refuse(
                restricted_paths,
                &json("", r#""/x""#),
                &name,
                "without a private MNT namespace",
            );
            for path in [r#""x""#, r#""""#, r#""/\u0000""#] {
                let json = json(mount, &format!(r#""/a", {path}"#));
                refuse(restricted_paths, &json, &format!("{name}[1]"), "");
            }
        }
    }

    #[test]
    fn time_offsets_need_a_new_time_namespace() {
        let offsets =
            |clock, ns| format!(r#", "timeOffsets": {{"{clock}": {{"nanosecs": {ns}}}}}"#);
        let (time, field) = (r#"{"type": "time"}"#, "linux.timeOffsets");
        accept(time_offsets, &with(time, &offsets("monotonic", 999_999_999)));
        accept(time_offsets, &with("", r#", "timeOffsets": {}"#));
        refuse(time_offsets, &with("", &offsets("boottime", 1)), field, "isn't enabled");
        let joined = with(r#"{"type": "time", "path": "/x"}"#, &offsets("boottime", 1));
        refuse(time_offsets, &joined, field, "you may only provide one");
        refuse(time_offsets, &with(time, &offsets("realtime", 1)), field, "not a clock");
        let second = with(time, &offsets("boottime", 1_000_000_000));
        refuse(time_offsets, &second, "linux.timeOffsets.boottime.nanosecs", "below a second");
    }
}
