//! linux.netDevices: interfaces of the runtime's network namespace that become the container's.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope,
};
use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::Child;
use super::netlink::Route;
use super::procfiles::ProcFiles;
use crate::error::{Error, Result};
use crate::plan::NetDevice;

/// An interface that is on its way.
#[derive(Debug)]
struct Traveller {
    name: String,
    was_up: bool,
    addresses: Vec<AddressMessage>,
    /// Its name in the container's namespace, once it is there.
    name_there: Option<String>,
}

/// What has been moved. Dropped, it comes back: with the namespace of a container that never came to
/// be, the kernel would destroy virtual interfaces, and bring physical ones back under their new
/// names, down and without addresses.
#[derive(Debug)]
pub(super) struct Moved {
    here: Route,
    /// The runtime's own namespace.
    home: File,
    there: Route,
    travellers: Vec<Traveller>,
}

/// Moves them into the namespace of the child, each with its permanent global addresses, and up.
pub(super) fn move_in(child: &Child, devices: &[NetDevice]) -> Result<Moved> {
    let namespace = ProcFiles::of(child)?.open("ns/net", OFlag::O_RDONLY);
    let namespace = namespace.map_err(failed("open", "network namespace"))?;
    let home = File::open("/proc/thread-self/ns/net");
    let mut moved = Moved {
        here: Route::open().map_err(failed("open", "rtnetlink socket"))?,
        home: home.map_err(|e| Error::io("open", "/proc/thread-self/ns/net", &e))?,
        there: Route::open_in(namespace.as_fd()).map_err(failed("open", "rtnetlink socket"))?,
        travellers: Vec::new(),
    };
    for device in devices {
        moved.fetch(device, namespace.as_fd())?;
    }
    Ok(moved)
}

impl Moved {
    /// The container is there: they are its own now.
    pub fn stay(mut self) {
        self.travellers.clear();
    }

    /// The addresses are read first: an interface that is set down loses those of IPv6.
    fn fetch(&mut self, device: &NetDevice, namespace: BorrowedFd<'_>) -> Result<()> {
        let name = device.host.as_str();
        let link = self.here.link(name).map_err(failed("find the interface", name))?;
        let addresses = self.here.addresses(link.index).map_err(failed("list addresses", name))?;
        let new_name = self.free_name(device)?;
        self.travellers.push(Traveller {
            name: name.to_owned(),
            was_up: link.up,
            addresses: addresses.iter().filter_map(lasting).collect(),
            name_there: None,
        });
        self.here.set_up(link.index, false).map_err(failed("set down", name))?;
        let moved = self.here.move_to(link.index, namespace, &new_name);
        // The kernel moves, then renames; if only the second fails it is there under the old name.
        let name_there = match moved {
            Ok(()) => Some(new_name.as_str()),
            Err(_) => self.here.link(name).is_err().then_some(name),
        };
        let Some(traveller) = self.travellers.last_mut() else { return Ok(()) };
        traveller.name_there = name_there.map(str::to_owned);
        moved.map_err(failed("move the interface", name))?;
        let addresses = traveller.addresses.clone();
        settle(&mut self.there, &new_name, addresses, true).map_err(failed("set up", name))
    }

    /// The name in the container, which must not be there yet. `%d` stands for the lowest number with
    /// which it is free.
    fn free_name(&mut self, device: &NetDevice) -> Result<String> {
        const LIMIT: u32 = 4096;
        let template = device.name.contains("%d");
        for number in 0..if template { LIMIT } else { 1 } {
            let name = device.name.replace("%d", &number.to_string());
            match self.there.link(&name) {
                Err(Errno::ENODEV) => return Ok(name),
                other => other.map(drop).map_err(failed("find a name for", &device.host))?,
            }
        }
        Err(failed("move the interface", &device.host)(Errno::EEXIST))
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        for traveller in std::mem::take(&mut self.travellers).into_iter().rev() {
            // The error that made the create fail is the one that is told.
            let _ = bring_back(self, traveller);
        }
    }
}

fn bring_back(moved: &mut Moved, traveller: Traveller) -> Result<(), Errno> {
    if let Some(name) = traveller.name_there {
        let index = moved.there.link(&name)?.index;
        moved.there.set_up(index, false)?;
        moved.there.move_to(index, moved.home.as_fd(), &traveller.name)?;
    }
    settle(&mut moved.here, &traveller.name, traveller.addresses, traveller.was_up)
}

/// Gives an interface its addresses, as far as it has not kept them, and sets it up.
fn settle(
    route: &mut Route,
    name: &str,
    addresses: Vec<AddressMessage>,
    up: bool,
) -> Result<(), Errno> {
    let index = route.link(name)?.index;
    for mut address in addresses {
        address.header.index = index;
        match route.add_address(address) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(e) => return Err(e),
        }
    }
    if up { route.set_up(index, true) } else { Ok(()) }
}

/// What the specification wants kept: permanent addresses with global scope, as orders to make them
/// again. Lifetimes, states and the label, which names the interface, are not passed on.
fn lasting(address: &AddressMessage) -> Option<AddressMessage> {
    let wide = address.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Flags(flags) => Some(*flags),
        _ => None,
    });
    let narrow = AddressFlags::from_bits_retain(u32::from(address.header.flags.bits()));
    let flags = wide.unwrap_or(narrow);
    if address.header.scope != AddressScope::Universe || !flags.contains(AddressFlags::Permanent) {
        return None;
    }
    let chosen = AddressFlags::Nodad
        | AddressFlags::Homeaddress
        | AddressFlags::Managetempaddr
        | AddressFlags::Noprefixroute
        | AddressFlags::Mcautojoin;
    let mut kept = address.clone();
    kept.header.flags = AddressHeaderFlags::empty();
    kept.attributes.retain(|attribute| {
        use AddressAttribute::{Address, Broadcast, Local, RoutePriority};
        matches!(attribute, Address(_) | Broadcast(_) | Local(_) | RoutePriority(_))
    });
    kept.attributes.push(AddressAttribute::Flags(flags & chosen));
    Some(kept)
}

fn failed<'a>(action: &'static str, what: &'a str) -> impl Fn(Errno) -> Error + 'a {
    move |errno| {
        let error = Error::system(action, format!("linux.netDevices: {what}"), errno);
        match errno {
            Errno::ENODEV => error.with_hint("link not found on runtime namespace"),
            Errno::EEXIST => error.with_hint("the container has an interface of that name"),
            Errno::EINVAL => error.with_hint("not every kind of interface can be moved"),
            Errno::EPERM => error.with_hint("it needs CAP_NET_ADMIN in both namespaces"),
            _ => error,
        }
    }
}
