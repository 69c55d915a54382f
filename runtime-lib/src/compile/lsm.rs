//! AppArmor profiles and SELinux labels.

use oci_spec::runtime::{Process, Spec};

use crate::error::{Error, Result};
use crate::host::HostFacts;
use crate::plan::Builder;
use crate::plan::op::{Op, Slot};

/// Whether a process or its mounts ask for a label: only then is it worth knowing what the host has.
pub(crate) fn wanted(spec: &Spec, process: Option<&Process>) -> bool {
    profile(process).is_some() || label(process).is_some() || mount_label(spec).is_some()
}

/// A label that nobody enforces confines nothing. The words are runc's.
pub(super) fn check(spec: &Spec, process: Option<&Process>, host: &HostFacts) -> Result<()> {
    const SELINUX: &str =
        "selinux label is specified in config, but selinux is disabled or not supported";
    const APPARMOR: &str = "apparmor: config provided but apparmor not supported";
    let labels = [
        ("process.apparmorProfile", profile(process), host.lsm.apparmor, APPARMOR),
        ("process.selinuxLabel", label(process), host.lsm.selinux, SELINUX),
        ("linux.mountLabel", mount_label(spec), host.lsm.selinux, SELINUX),
    ];
    match labels.iter().find(|(_, label, there, _)| label.is_some() && !there) {
        Some((field, _, _, reason)) => Err(Error::unsupported(*field, *reason)),
        None => Ok(()),
    }
}

/// What the next exec of this process, and of none but it, puts on. Written while the host's /proc is
/// in sight, for the container's may be anything (CVE-2019-16884, CVE-2025-52881): a label that is
/// written to the wrong file confines nothing. It stays over clone(2).
pub(super) fn label_next_exec(plan: &mut Builder, process: Option<&Process>) {
    if let Some(profile) = profile(process) {
        plan.origin("process.apparmorProfile");
        write(plan, "/proc/self/attr/apparmor/exec", &format!("exec {profile}"));
    }
    if let Some(label) = label(process) {
        plan.origin("process.selinuxLabel");
        // The session keyring is for the labelled process, not for the runtime's domain.
        write(plan, "/proc/self/attr/keycreate", label);
        write(plan, "/proc/self/attr/exec", label);
    }
    plan.origin("");
}

fn write(plan: &mut Builder, path: &str, data: &str) {
    let (path, data) = (plan.text(path), plan.bytes(data));
    plan.push(Op::WriteFile { dir: Slot::CWD, path, data });
}

/// The mount option that gives a new filesystem linux.mountLabel, if it can have one of its own. A
/// superblock that is shared with mounts which exist already has its context from them.
pub(super) fn context_of_mount(spec: &Spec, fstype: &str) -> Option<(String, Option<String>)> {
    const SHARED: [&str; 5] = ["proc", "sysfs", "mqueue", "cgroup", "cgroup2"];
    let label = mount_label(spec).filter(|_| !SHARED.contains(&fstype))?;
    Some(("context".to_owned(), Some(label.to_owned())))
}

/// Message queues are one filesystem for all mounts of an IPC namespace, and it takes no context: as with
/// runc the label is put onto its root.
pub(super) fn label_queues(plan: &mut Builder, spec: &Spec, fstype: &str, mount: Slot) {
    if let Some(label) = mount_label(spec).filter(|_| fstype == "mqueue") {
        let label = plan.bytes(label);
        plan.push(Op::SetLabel { mount, label });
    }
}

/// An empty label is unset, in all three.
fn given(label: &Option<String>) -> Option<&str> {
    label.as_deref().filter(|label| !label.is_empty())
}

fn profile(process: Option<&Process>) -> Option<&str> {
    process.and_then(|process| given(process.apparmor_profile()))
}

fn label(process: Option<&Process>) -> Option<&str> {
    process.and_then(|process| given(process.selinux_label()))
}

fn mount_label(spec: &Spec) -> Option<&str> {
    spec.linux().as_ref().and_then(|linux| given(linux.mount_label()))
}
