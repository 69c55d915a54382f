//! Cgroups through systemd, which wants to be the one that makes and removes them: a container is a
//! transient unit.
//!
//! ```text
//! unit         which unit a config asks for (pure)
//! annotations  org.systemd.property.* as properties (pure), by the text format of gvariant
//! properties   linux.resources as properties (pure)
//! manager      what is asked of systemd
//! bus          a conversation in D-Bus with deadlines; message: its bytes; address: with whom
//! ```

mod address;
mod annotations;
mod bus;
mod gvariant;
mod manager;
mod message;
mod properties;
mod unit;

use std::time::Duration;

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources, Spec};

use super::devices::unit::systemd_properties;
use super::layout::Mode;
use crate::error::Result;

pub(crate) use annotations::PREFIX as ANNOTATION;
pub(crate) use manager::{Manager, Property, require_booted};
pub(crate) use properties::with_quota_of_unit;
pub(crate) use unit::Unit;

/// For undoing what has failed, perhaps because systemd does not answer: one wait of the full length is
/// enough.
const PATIENCE_FOR_UNDO: Duration = Duration::from_secs(5);

/// Starts the unit with the process in it. `devices`: rules that systemd shall know.
pub(crate) fn start(
    unit: &Unit,
    pid: i32,
    spec: &Spec,
    devices: Option<&[LinuxDeviceCgroup]>,
    mode: Mode,
) -> Result<()> {
    let mut manager = Manager::connect(unit.user)?;
    let mut properties = all_properties(&mut manager, unit, pid, spec, mode)?;
    properties.extend(device_properties(devices)?);
    manager.start(&unit.name, &properties)
}

/// Tells systemd of changed limits, before they are written into the cgroup's files. `devices`: rules, if
/// those have changed.
pub(crate) fn update(
    unit: &Unit,
    resources: &LinuxResources,
    devices: Option<&[LinuxDeviceCgroup]>,
    mode: Mode,
) -> Result<()> {
    let mut manager = Manager::connect(unit.user)?;
    let version = version_for(resources, &mut manager)?;
    let mut properties = properties::of_resources(resources, mode, version)?;
    properties.extend(device_properties(devices)?);
    if properties.is_empty() { Ok(()) } else { manager.set_properties(&unit.name, &properties) }
}

/// Stops a unit whose processes are dead, and lets systemd forget it.
pub(crate) fn stop(unit: &Unit) -> Result<()> {
    Manager::connect(unit.user)?.stop(&unit.name).map(drop)
}

/// As [`stop`], if it can be done soon.
pub(crate) fn try_stop(unit: &Unit) {
    let manager = Manager::connect_for(unit.user, PATIENCE_FOR_UNDO);
    drop(manager.and_then(|mut manager| manager.stop(&unit.name)));
}

/// Lets systemd forget the unit if it has failed.
pub(crate) fn forget(unit: &Unit) -> Result<()> {
    Manager::connect(unit.user)?.reset_failed(&unit.name)
}

/// Moves a further process into a running unit, also one that the caller could not move itself.
pub(crate) fn attach(unit: &Unit, pid: i32) -> Result<()> {
    Manager::connect(unit.user)?.attach(&unit.name, pid.unsigned_abs())
}

fn device_properties(devices: Option<&[LinuxDeviceCgroup]>) -> Result<Vec<Property>> {
    devices.map_or(Ok(Vec::new()), |rules| Ok(properties::of_devices(systemd_properties(rules)?)))
}

/// Later ones win: annotations over what every unit has, and limits over annotations.
fn all_properties(
    manager: &mut Manager,
    unit: &Unit,
    pid: i32,
    spec: &Spec,
    mode: Mode,
) -> Result<Vec<Property>> {
    let mut all = base_properties(unit, pid, mode);
    if let Some(annotations) = spec.annotations() {
        all.extend(annotations::properties(annotations)?);
    }
    let linux = spec.linux().as_ref();
    if let Some(resources) = linux.and_then(|linux| linux.resources().as_ref()) {
        let version = version_for(resources, manager)?;
        all.extend(properties::of_resources(resources, mode, version)?);
        all.extend(properties::oom_policy(resources, version));
    }
    Ok(all)
}

/// systemd is asked for its version only if something depends on it.
fn version_for(resources: &LinuxResources, manager: &mut Manager) -> Result<u32> {
    if properties::depend_on_version(resources) { manager.version() } else { Ok(0) }
}

/// What every container's unit has. Accounting switches the controllers on.
fn base_properties(unit: &Unit, pid: i32, mode: Mode) -> Vec<Property> {
    let io = if mode == Mode::V1 { "BlockIOAccounting" } else { "IOAccounting" };
    let mut all: Vec<Property> = vec![
        ("Description".into(), format!("teu container {}", unit.name).into()),
        ("Slice".into(), unit.slice.clone().into()),
        ("PIDs".into(), vec![pid.unsigned_abs()].into()),
    ];
    let on = ["Delegate", "MemoryAccounting", "CPUAccounting", io, "TasksAccounting"];
    all.extend(on.map(|name| (name.to_owned(), true.into())));
    all.push(("DefaultDependencies".into(), false.into()));
    all
}

/// For the fuzz targets: the properties that a config asks for.
#[cfg(any(test, fuzzing))]
pub(crate) fn properties_of(spec: &Spec, mode: Mode) -> Result<()> {
    spec.annotations().iter().try_for_each(|all| annotations::properties(all).map(drop))?;
    let resources = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    resources.iter().try_for_each(|r| properties::of_resources(r, mode, 252).map(drop))
}

/// For the fuzz targets: one message, and its body as every type that is asked for.
#[cfg(any(test, fuzzing))]
pub(crate) fn read_message(bytes: &[u8]) {
    let Ok(frame) = message::Frame::of(bytes) else { return };
    let Some(bytes) = bytes.get(..frame.len) else { return };
    if let Ok(message) = message::decode(bytes, &frame) {
        let _ = message.body::<zbus::OwnedVariant>();
        let _ = message.body::<zbus::OwnedObjectPath>();
        let _ = message.body::<(u32, zbus::OwnedObjectPath, String, String)>();
        std::hint::black_box(message.into_refusal());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_a_delegated_scope_of_the_process() {
        let unit = Unit { name: "p-n.scope".into(), slice: "a.slice".into(), user: false };
        let v2 = base_properties(&unit, 7, Mode::V2);
        let value = |name: &str| v2.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
        assert_eq!(value("PIDs"), Some(vec![7u32].into()));
        assert_eq!(value("Slice"), Some("a.slice".into()));
        assert_eq!(value("Delegate"), Some(true.into()));
        assert_eq!(value("DefaultDependencies"), Some(false.into()));
        assert_eq!(value("IOAccounting"), Some(true.into()));
        let v1 = base_properties(&unit, 7, Mode::V1);
        assert!(v1.iter().any(|(name, _)| name == "BlockIOAccounting"));
    }
}
