//! What is asked of systemd, the system's or that of a user's session (org.freedesktop.systemd1(5)).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zbus::{OwnedObjectPath, OwnedVariant, Variant};

use super::address::{Address, Environment, candidates};
use super::bus::{Bus, Trouble};
use super::message::{Message, Method};
use crate::error::{Error, Result};

/// For how long systemd may take to answer, and to carry out a job; as in runc.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A property of a unit: name and value.
pub(crate) type Property = (String, Variant<'static>);

const BUS: Method = Method {
    destination: "org.freedesktop.DBus",
    path: "/org/freedesktop/DBus",
    interface: "org.freedesktop.DBus",
    member: "",
};
const MANAGER: Method = Method {
    destination: "org.freedesktop.systemd1",
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
    member: "",
};
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const UNIT_EXISTS: &str = "org.freedesktop.systemd1.UnitExists";
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";

/// A connection to systemd.
#[derive(Debug)]
pub(crate) struct Manager {
    bus: Bus,
}

impl Manager {
    /// Connects to the first place that answers. `user`: the manager of the caller's session.
    pub(crate) fn connect(user: bool) -> Result<Self> {
        Self::connect_for(user, PATIENCE)
    }

    /// As [`Manager::connect`], with another limit on every wait.
    pub(crate) fn connect_for(user: bool, patience: Duration) -> Result<Self> {
        Self::connect_to(&candidates(user, &Environment::read()), patience)
    }

    pub(super) fn connect_to(addresses: &[Address], patience: Duration) -> Result<Self> {
        let mut last = None;
        for address in addresses {
            match Self::try_connect(address, patience) {
                Ok(manager) => return Ok(manager),
                // The next one would lead to the same process, and to the same wait.
                Err(e @ Trouble::TimedOut(_)) => return Err(error("connect to", address, e)),
                Err(e) => last = Some(error("connect to", address, e)),
            }
        }
        Err(last.unwrap_or_else(|| Error::Manager {
            step: "connect to",
            object: "the user's session".into(),
            problem:
                "neither XDG_RUNTIME_DIR nor DBUS_SESSION_BUS_ADDRESS is set (a rootless container \
                      needs a session of systemd: log in, or enable lingering)"
                    .into(),
        }))
    }

    fn try_connect(address: &Address, patience: Duration) -> std::result::Result<Self, Trouble> {
        let mut bus = Bus::connect(&address.to_socket_address()?, patience)?;
        if !address.direct {
            bus.call(Method { member: "Hello", ..BUS }, &())?;
            let rule = "type='signal',sender='org.freedesktop.systemd1',\
                        interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";
            bus.call(Method { member: "AddMatch", ..BUS }, &rule)?;
        }
        Ok(Self { bus })
    }

    /// The cgroup that is the root of its units' cgroups.
    pub(crate) fn control_group(&mut self) -> Result<PathBuf> {
        self.property("ControlGroup").map(PathBuf::from)
    }

    /// Its version, as in `252` for `252.39-1~deb12u1`.
    pub(crate) fn version(&mut self) -> Result<u32> {
        let text = self.property("Version")?;
        parse_version(&text).ok_or_else(|| Error::Manager {
            step: "Get",
            object: "Version".into(),
            problem: format!("{text:?} is not a version"),
        })
    }

    fn property(&mut self, name: &'static str) -> Result<String> {
        let method = Method { interface: PROPERTIES, member: "Get", ..MANAGER };
        let reply = self.call(method, name, &(MANAGER.interface, name))?;
        let value: OwnedVariant = reply.body().map_err(|e| error("Get", name, e))?;
        let wrong = |e: zbus::Error| error("Get", name, Trouble::Garbled(e.to_string()));
        String::try_from(value).map_err(wrong)
    }

    /// Starts a transient unit and waits until it is there. A failed one that was left under that name
    /// makes room; a running one is an error.
    pub(crate) fn start(&mut self, unit: &str, properties: &[Property]) -> Result<()> {
        let job = match self.start_transient(unit, properties) {
            Err(Trouble::Refused { name, .. }) if name == UNIT_EXISTS => {
                self.reset_failed(unit)?;
                self.start_transient(unit, properties)
            }
            other => other,
        };
        let refused = |e| error("StartTransientUnit", unit, e);
        let result = job.and_then(|job| self.wait_for(&job)).map_err(refused)?;
        if result == "done" {
            return Ok(());
        }
        self.reset_failed(unit)?;
        let problem = format!("the job ended as {result:?}");
        Err(Error::Manager { step: "StartTransientUnit", object: unit.into(), problem })
    }

    fn start_transient(
        &mut self,
        unit: &str,
        properties: &[Property],
    ) -> std::result::Result<OwnedObjectPath, Trouble> {
        let auxiliary: [(&str, &[Property]); 0] = [];
        let method = Method { member: "StartTransientUnit", ..MANAGER };
        self.bus.call(method, &(unit, "replace", properties, &auxiliary[..]))?.body()
    }

    /// Changes properties of a running unit until it is gone.
    pub(crate) fn set_properties(&mut self, unit: &str, properties: &[Property]) -> Result<()> {
        const RUNTIME: bool = true;
        let method = Method { member: "SetUnitProperties", ..MANAGER };
        self.call(method, unit, &(unit, RUNTIME, properties)).map(drop)
    }

    /// Stops a unit and waits until it is gone; true unless there was none. Its processes should be
    /// dead: systemd would give them the time of its `TimeoutStopUSec`.
    pub(crate) fn stop(&mut self, unit: &str) -> Result<bool> {
        let method = Method { member: "StopUnit", ..MANAGER };
        let job = match self.bus.call(method, &(unit, "replace")) {
            Err(Trouble::Refused { name, .. }) if name == NO_SUCH_UNIT => return Ok(false),
            other => other.and_then(|reply| reply.body()),
        };
        let refused = |e| error("StopUnit", unit, e);
        job.and_then(|job| self.wait_for(&job)).map_err(refused)?;
        self.reset_failed(unit)?;
        Ok(true)
    }

    /// Lets systemd forget a unit that has failed. That there is none is no error.
    pub(crate) fn reset_failed(&mut self, unit: &str) -> Result<()> {
        match self.bus.call(Method { member: "ResetFailedUnit", ..MANAGER }, &unit) {
            Ok(_) => Ok(()),
            Err(Trouble::Refused { name, .. }) if name == NO_SUCH_UNIT => Ok(()),
            Err(e) => Err(error("ResetFailedUnit", unit, e)),
        }
    }

    /// Moves a process into a running unit.
    pub(crate) fn attach(&mut self, unit: &str, pid: u32) -> Result<()> {
        let method = Method { member: "AttachProcessesToUnit", ..MANAGER };
        self.call(method, unit, &(unit, "/", [pid].as_slice())).map(drop)
    }

    fn call<B>(&mut self, method: Method, object: &str, arguments: &B) -> Result<Message>
    where
        B: serde::Serialize + zbus::wire::Type,
    {
        self.bus.call(method, arguments).map_err(|e| error(method.member, object, e))
    }

    /// How the job ended. Its end may have been told before its name was.
    fn wait_for(&mut self, job: &OwnedObjectPath) -> std::result::Result<String, Trouble> {
        let deadline = Instant::now() + self.bus.patience();
        loop {
            let signal = self.bus.next_signal(deadline)?;
            if signal.member == "JobRemoved" {
                let (_, path, _, result): (u32, OwnedObjectPath, String, String) = signal.body()?;
                if path == *job {
                    return Ok(result);
                }
            }
        }
    }
}

/// Whether the host was booted with systemd (sd_booted(3)).
pub(crate) fn require_booted() -> Result<()> {
    let dir = Path::new("/run/systemd/system");
    if std::fs::symlink_metadata(dir).is_ok_and(|data| data.is_dir()) {
        return Ok(());
    }
    let reason = "systemd not running on this host, cannot use systemd cgroups manager";
    Err(Error::unsupported("--systemd-cgroup", reason))
}

fn error(step: &'static str, object: impl ToString, trouble: Trouble) -> Error {
    Error::Manager { step, object: object.to_string(), problem: trouble.to_string() }
}

/// `v245.4-1.fc32`, `245`.
fn parse_version(text: &str) -> Option<u32> {
    let number = text.trim_start_matches(['"', 'v']);
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
#[path = "manager_tests.rs"]
mod tests;
