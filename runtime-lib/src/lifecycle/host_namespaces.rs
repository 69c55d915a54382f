//! Namespaces that are joined by path and turn out to be the runtime's own.

use std::path::Path;

use nix::sys::stat::stat;
use oci_spec::runtime::{LinuxNamespaceType, Spec};

use crate::error::{Error, Result};
use crate::spec::{Namespace, namespace};

/// A sysctl would be the host's, and so would be the mounts: what is checked by name in `validate`
/// has to hold for what is behind the path as well.
pub(super) fn refuse_changes(spec: &Spec) -> Result<()> {
    let sysctl = spec.linux().as_ref().and_then(|linux| linux.sysctl().as_ref());
    let named = |prefixes: &[&str]| {
        let names = sysctl.into_iter().flat_map(|values| values.keys());
        names.map(|name| name.replace('/', ".")).find(|n| prefixes.iter().any(|p| n.starts_with(p)))
    };
    let of = |typ, file, prefixes: &[&str]| match named(prefixes) {
        Some(name) if is_own(spec, typ, file) => Err(Error::unsupported(
            format!("linux.sysctl.{name}"),
            format!("sysctl {name:?} is not allowed in the host's {file} namespace"),
        )),
        _ => Ok(()),
    };
    of(LinuxNamespaceType::Network, "net", &["net."])?;
    of(LinuxNamespaceType::Ipc, "ipc", &["kernel.", "fs.mqueue."])?;
    of(LinuxNamespaceType::Uts, "uts", &["kernel.hostname", "kernel.domainname"])?;
    let devices = spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref());
    if devices.is_some_and(|devices| !devices.is_empty())
        && is_own(spec, LinuxNamespaceType::Network, "net")
    {
        let reason = "the container's network namespace is the runtime's own";
        return Err(Error::unsupported("linux.netDevices", reason));
    }
    if is_own(spec, LinuxNamespaceType::Mount, "mnt") {
        let reason = "is the runtime's own mount namespace: it would be changed for everyone in it";
        return Err(Error::unsupported("linux.namespaces (mount)", reason));
    }
    Ok(())
}

fn is_own(spec: &Spec, typ: LinuxNamespaceType, file: &str) -> bool {
    let Some(Namespace::Join(path)) = namespace(spec, typ) else { return false };
    let own = stat(Path::new("/proc/thread-self/ns").join(file).as_path());
    match (stat(path), own) {
        (Ok(a), Ok(b)) => (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino),
        // What cannot be looked at cannot be joined either; that error says more.
        _ => false,
    }
}
