//! Where systemd listens.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::sys::socket::UnixAddr;

/// A place to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) socket: Socket,
    /// systemd itself rather than a message bus: no Hello, and signals come unasked.
    pub(super) direct: bool,
}

/// A Unix socket's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Socket {
    Path(PathBuf),
    Abstract(Vec<u8>),
}

/// The environment as far as it matters.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) system_bus: Option<OsString>,
    pub(super) session_bus: Option<OsString>,
    pub(super) runtime_dir: Option<OsString>,
}

impl Environment {
    pub(super) fn read() -> Self {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            system_bus: variable("DBUS_SYSTEM_BUS_ADDRESS"),
            session_bus: variable("DBUS_SESSION_BUS_ADDRESS"),
            runtime_dir: variable("XDG_RUNTIME_DIR"),
        }
    }
}

impl Address {
    fn direct(path: impl Into<PathBuf>) -> Self {
        Self { socket: Socket::Path(path.into()), direct: true }
    }

    fn bus(socket: Socket) -> Self {
        Self { socket, direct: false }
    }

    /// As connect(2) wants it.
    pub(super) fn to_socket_address(&self) -> nix::Result<UnixAddr> {
        match &self.socket {
            Socket::Path(path) => UnixAddr::new(path),
            Socket::Abstract(name) => UnixAddr::new_abstract(name),
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.socket {
            Socket::Path(path) => path.display().fmt(f),
            Socket::Abstract(name) => write!(f, "@{}", String::from_utf8_lossy(name)),
        }
    }
}

/// In the order in which they are tried. The private socket first, as systemctl does: a bus in
/// between is one more process to be slow, or to be restarted.
pub(super) fn candidates(user: bool, environment: &Environment) -> Vec<Address> {
    let named = |value: &Option<OsString>| {
        let parsed = value.as_deref().map(parse).unwrap_or_default();
        parsed.into_iter().map(Address::bus).collect::<Vec<_>>()
    };
    if !user {
        let mut list = vec![Address::direct("/run/systemd/private")];
        list.extend(named(&environment.system_bus));
        list.push(Address::bus(Socket::Path("/run/dbus/system_bus_socket".into())));
        return list;
    }
    let below =
        |name: &str| environment.runtime_dir.as_deref().map(|dir| Path::new(dir).join(name));
    let mut list: Vec<_> = below("systemd/private").map(Address::direct).into_iter().collect();
    list.extend(named(&environment.session_bus));
    list.extend(below("bus").map(|path| Address::bus(Socket::Path(path))));
    list
}

/// `unix:path=/run/user/1000/bus,guid=…;unix:abstract=…` (D-Bus specification, "Server Addresses");
/// other transports are passed over.
fn parse(list: &OsStr) -> Vec<Socket> {
    list.as_bytes().split(|&b| b == b';').filter_map(parse_one).collect()
}

fn parse_one(address: &[u8]) -> Option<Socket> {
    let pairs = address.strip_prefix(b"unix:")?.split(|&b| b == b',');
    pairs.filter_map(|pair| pair.split_once_byte(b'=')).find_map(|(key, value)| match key {
        b"path" => Some(Socket::Path(OsString::from_vec(unescape(value)?).into())),
        b"abstract" => Some(Socket::Abstract(unescape(value)?)),
        _ => None,
    })
}

trait SplitOnce {
    fn split_once_byte(&self, separator: u8) -> Option<(&[u8], &[u8])>;
}

impl SplitOnce for [u8] {
    fn split_once_byte(&self, separator: u8) -> Option<(&[u8], &[u8])> {
        let at = self.iter().position(|&b| b == separator)?;
        Some((self.get(..at)?, self.get(at + 1..)?))
    }
}

/// `%20` and the like.
fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte == b'%' {
            let digits = [*rest.next()?, *rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(user: bool, environment: &Environment) -> Vec<String> {
        candidates(user, environment).iter().map(Address::to_string).collect()
    }

    #[test]
    fn the_private_socket_comes_first() {
        let known = ["/run/systemd/private", "/run/dbus/system_bus_socket"];
        assert_eq!(shown(false, &Environment::default()), known);
        let environment = Environment {
            session_bus: Some("tcp:host=x;unix:path=/a%20b,guid=1;unix:guid=2,abstract=/c".into()),
            runtime_dir: Some("/run/user/7".into()),
            system_bus: Some("unix:path=/sys".into()),
        };
        let user = ["/run/user/7/systemd/private", "/a b", "@/c", "/run/user/7/bus"];
        assert_eq!(shown(true, &environment), user);
        assert_eq!(shown(false, &environment), [known[0], "/sys", known[1]]);
        assert!(candidates(true, &Environment::default()).is_empty());
    }

    #[test]
    fn damaged_addresses_are_passed_over() {
        for text in
            ["", "unix", "unix:", "unix:path", "unix:path=%", "unix:path=%zz", ";;,=", "x:y=z"]
        {
            assert_eq!(parse(OsStr::new(text)), [], "{text}");
        }
    }
}
