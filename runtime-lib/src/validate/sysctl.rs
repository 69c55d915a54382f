//! Kernel parameters: only those that some namespace of the container keeps from the host.

use std::path::Path;

use oci_spec::runtime::{LinuxNamespaceType, Spec};

use super::{Checked, HostLimits, invalid, linux_of, require};
use crate::spec::{namespace, sysctl_path};

const IPC: [&str; 8] = [
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/shm_rmid_forced",
];

/// In order of the names: the map has none, and the first problem must not change from run to run.
pub(super) fn check(spec: &Spec, _: &HostLimits) -> Checked {
    let Some(sysctl) = linux_of(spec).and_then(|linux| linux.sysctl().as_ref()) else {
        return Ok(());
    };
    let mut entries = sysctl.iter().collect::<Vec<_>>();
    entries.sort_unstable();
    entries.into_iter().try_for_each(|(name, value)| {
        let field = || format!("linux.sysctl.{name}");
        let path = sysctl_path(name);
        let path = path.ok_or_else(|| invalid(field(), "not the name of a kernel parameter"))?;
        allowed(spec, name, &path).map_err(|problem| invalid(field(), problem))?;
        require(!value.contains('\0'), field, || "the value contains a NUL byte")
    })
}

/// runc's rules and words. A joined network namespace may yet be the host's: whoever opens it sees.
fn allowed(spec: &Spec, name: &str, path: &Path) -> Result<(), String> {
    let has = |typ| namespace(spec, typ).is_some();
    let ipc = path.starts_with("fs/mqueue") || IPC.iter().any(|p| path == Path::new(p));
    let uts = has(LinuxNamespaceType::Uts);
    if ipc {
        refuse_unless(has(LinuxNamespaceType::Ipc), || {
            format!("sysctl {name:?} is not allowed in the hosts ipc namespace")
        })
    } else if path.starts_with("net") {
        refuse_unless(has(LinuxNamespaceType::Network), || {
            format!("sysctl {name:?} not allowed in host network namespace")
        })
    } else if path == Path::new("kernel/domainname") && uts {
        Ok(())
    } else if path == Path::new("kernel/hostname") && uts {
        Err(format!(
            r#"sysctl {name:?} is not allowed as it conflicts with the OCI "hostname" field"#
        ))
    } else if path.starts_with("user") {
        refuse_unless(has(LinuxNamespaceType::User), || {
            format!("setting ucounts without a user namespace not allowed: {name}")
        })
    } else {
        Err(format!("sysctl {name:?} is not in a separate kernel namespace"))
    }
}

fn refuse_unless(ok: bool, text: impl FnOnce() -> String) -> Result<(), String> {
    if ok { Ok(()) } else { Err(text()) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse};
    use super::*;

    fn with(typ: &str, name: &str, value: &str) -> String {
        format!(
            r#"{{"linux": {{"namespaces": [{{"type": "{typ}"}}], "sysctl": {{"{name}": "{value}"}}}}}}"#
        )
    }

    #[test]
    fn parameters_belong_to_a_namespace_of_the_container() {
        for (typ, name, without) in [
            ("ipc", "kernel.shm_rmid_forced", "not allowed in the hosts ipc namespace"),
            ("ipc", "kernel/sem", "not allowed in the hosts ipc namespace"),
            ("ipc", "fs.mqueue.msg_max", "not allowed in the hosts ipc namespace"),
            ("network", "net.ipv4.ip_forward", "not allowed in host network namespace"),
            ("network", "net/ipv4/conf/eth0.1/rp_filter", "not allowed in host network"),
            ("user", "user.max_user_namespaces", "setting ucounts without a user namespace"),
            ("uts", "kernel.domainname", "is not in a separate kernel namespace"),
        ] {
            accept(check, &with(typ, name, "1"));
            refuse(check, &with("mount", name, "1"), &format!("linux.sysctl.{name}"), without);
        }
    }

    #[test]
    fn the_hosts_parameters_are_refused() {
        for name in [
            "vm.swappiness",
            "kernel.core_pattern",
            "kernel/msgmax2",
            "kernel.hostname",
            "fs.mqueues.a",
            "fs.file-max",
            "network.a",
            "users.a",
            "kernel.sem.x",
        ] {
            let text = format!("sysctl {name:?} is not in a separate kernel namespace");
            refuse(check, &with("ipc", name, "1"), &format!("linux.sysctl.{name}"), &text);
        }
        let json = with("uts", "kernel.hostname", "a");
        refuse(check, &json, "linux.sysctl.kernel.hostname", "conflicts with the OCI \"hostname\"");
    }

    #[test]
    fn names_and_values_are_sound() {
        for name in ["net/../kernel/core_pattern", "net..a", "", "net", "net.//.kernel.x"] {
            let json = with("network", name, "1");
            refuse(check, &json, &format!("linux.sysctl.{name}"), "not the name of a kernel");
        }
        refuse(check, &with("network", "net.a", r"1\u0000"), "linux.sysctl.net.a", "NUL");
        accept(check, &with("network", "net.a", ""));
    }
}
