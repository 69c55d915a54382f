//! Cgroups that systemd makes, as far as that is not its business alone.

use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};
use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources, Spec};

use super::inherit::enable_controllers;
use super::layout::{Mode, own_unified};
use super::manager::{Cgroup, refuse_frozen, refuse_populated};
use super::paths::{Paths, Place};
use super::systemd;
use crate::error::{Error, Result};

impl Cgroup {
    /// The cgroup of a unit that is not there yet; what has its name must be empty and not frozen.
    pub(super) fn of_future_unit(paths: Paths) -> Result<Self> {
        paths.main().map_or(Ok(()), refuse_populated)?;
        refuse_frozen(&paths)?;
        Ok(Self::open(paths))
    }

    /// Has systemd start the unit around the process, then makes what systemd has nothing to do with:
    /// its v1 knows a few controllers only, and its v2 hands down what its own properties need.
    pub(crate) fn start_unit(
        &mut self,
        pid: i32,
        spec: &Spec,
        devices: Option<&[LinuxDeviceCgroup]>,
    ) -> Result<()> {
        let Some(unit) = &self.paths.unit else { return Ok(()) };
        systemd::start(unit, pid, spec, devices, self.paths.mode)?;
        self.unit_started = true;
        let others: Vec<Place> = match self.paths.mode {
            Mode::V1 => self.paths.v1.iter().filter(|place| !place.is_systemd()).cloned().collect(),
            Mode::V2 => Vec::new(),
        };
        others.iter().try_for_each(|place| self.make_beside_unit(place))?;
        match &self.paths.unified {
            Some(place) if self.paths.mode == Mode::V2 => enable_controllers(place),
            _ => Ok(()),
        }
    }

    /// Whether what runs in it may be killed. A unit that was refused may be somebody else's, who came
    /// first.
    pub(crate) fn is_ours(&self) -> bool {
        self.paths.unit.is_none() || self.unit_started
    }

    /// Tells systemd of changed limits, if it has to know. The files are to be written afterwards.
    pub(crate) fn update_unit(
        &self,
        resources: &LinuxResources,
        devices: Option<&[LinuxDeviceCgroup]>,
    ) -> Result<()> {
        let Some(unit) = &self.paths.unit else { return Ok(()) };
        let tell = || systemd::update(unit, resources, devices, self.paths.mode);
        // On v1 systemd denies all devices for a moment, which a process may meet.
        if devices.is_none() || self.paths.mode == Mode::V2 || self.paths.is_frozen()? {
            return tell();
        }
        self.freeze()?;
        let told = tell();
        self.thaw().and(told)
    }

    /// Stops the unit, whose processes are dead. Does nothing if it has none.
    pub(crate) fn stop_unit(&self) -> Result<()> {
        self.paths.unit.as_ref().map_or(Ok(()), systemd::stop)
    }

    /// Lets systemd forget a failed unit. Does nothing if it has none.
    pub(crate) fn forget_unit(&self) -> Result<()> {
        self.paths.unit.as_ref().map_or(Ok(()), systemd::forget)
    }

    /// Whether the caller has to have a process put into the v2 cgroup by systemd. To move it, or to
    /// clone into it, takes write access to the `cgroup.procs` of the nearest common ancestor
    /// (Documentation/admin-guide/cgroup-v2.rst, "Delegation Containment"): a login session and the
    /// user's services have only one that is root's.
    pub(crate) fn needs_attach(&self) -> bool {
        let (Some(unit), Some(place)) = (&self.paths.unit, &self.paths.unified) else {
            return false;
        };
        if !unit.user {
            return false;
        }
        let common = own_unified(&place.mount).and_then(|own| common_ancestor(&own, &place.dir));
        common.is_some_and(|dir| {
            let file = dir.join("cgroup.procs");
            faccessat(AT_FDCWD, &file, AccessFlags::W_OK, AtFlags::AT_EACCESS).is_err()
        })
    }

    /// Has systemd move a process into the unit.
    pub(crate) fn attach(&self, pid: i32) -> Result<()> {
        let none = || Error::unsupported("linux.cgroupsPath", "the container has no systemd unit");
        systemd::attach(self.paths.unit.as_ref().ok_or_else(none)?, pid)
    }
}

fn common_ancestor(a: &Path, b: &Path) -> Option<PathBuf> {
    a.ancestors().find(|dir| b.starts_with(dir)).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_common_ancestor_may_be_one_of_the_two() {
        for (a, b, common) in [
            ("/c/u/s/x", "/c/u/m/y", "/c/u"),
            ("/c/u", "/c/u/m", "/c/u"),
            ("/c/u/m", "/c/u", "/c/u"),
            ("/c/ux", "/c/u", "/c"),
        ] {
            assert_eq!(common_ancestor(Path::new(a), Path::new(b)), Some(common.into()));
        }
    }
}
