//! A socket of rtnetlink(7): questions and orders about network interfaces of one namespace.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use netlink_packet_core::{
    DoneMessage, ErrorMessage, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST,
    NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// The kernel answers at once, but a driver may take its time over an order.
const PATIENCE_SECONDS: i64 = 30;
/// The kernel's messages are at most that long (NLMSG_GOODSIZE, and 32 KiB for dumps).
const LARGEST: usize = 64 << 10;

/// An interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub index: u32,
    pub up: bool,
}

/// A connection to the kernel's part of one network namespace.
#[derive(Debug)]
pub(super) struct Route {
    socket: OwnedFd,
    sequence: u32,
}

impl Route {
    /// For the calling thread's namespace.
    pub fn open() -> Result<Self, Errno> {
        let (family, flags) = (AddressFamily::Netlink, SockFlag::SOCK_CLOEXEC);
        let socket = socket(family, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(PATIENCE_SECONDS))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// For another namespace. A socket belongs to the one that its maker is in: a thread that does
    /// nothing else, so that the calling one stays where it is.
    pub fn open_in(namespace: BorrowedFd<'_>) -> Result<Self, Errno> {
        let make = || {
            setns(namespace, CloneFlags::CLONE_NEWNET)?;
            Self::open()
        };
        std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().spawn_scoped(scope, make);
            thread.map_err(|_| Errno::EAGAIN)?.join().unwrap_or(Err(Errno::EIO))
        })
    }

    /// The interface of that name; ENODEV if there is none.
    pub fn link(&mut self, name: &str) -> Result<Link, Errno> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        let answers = self.ask(RouteNetlinkMessage::GetLink(message), 0)?;
        let found = answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(link) => Some(link.header),
            _ => None,
        });
        let header = found.ok_or(Errno::ENODEV)?;
        Ok(Link { index: header.index, up: header.flags.contains(LinkFlags::Up) })
    }

    /// Sets an interface up or down.
    pub fn set_up(&mut self, index: u32, up: bool) -> Result<(), Errno> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
        message.header.change_mask = LinkFlags::Up;
        self.ask(RouteNetlinkMessage::SetLink(message), 0).map(drop)
    }

    /// Moves an interface to another namespace and gives it a name there, in one step.
    pub fn move_to(&mut self, index: u32, to: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.push(LinkAttribute::NetNsFd(to.as_raw_fd()));
        message.attributes.push(LinkAttribute::IfName(name.to_owned()));
        self.ask(RouteNetlinkMessage::SetLink(message), 0).map(drop)
    }

    /// All addresses of an interface.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<AddressMessage>, Errno> {
        let question = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let answers = self.ask(question, NLM_F_DUMP)?.into_iter();
        Ok(answers
            .filter_map(|answer| match answer {
                RouteNetlinkMessage::NewAddress(address) => Some(address),
                _ => None,
            })
            .filter(|address| address.header.index == index)
            .collect())
    }

    /// Adds an address to the interface that it names.
    pub fn add_address(&mut self, address: AddressMessage) -> Result<(), Errno> {
        let order = RouteNetlinkMessage::NewAddress(address);
        self.ask(order, NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    /// Sends one message, and collects what comes back up to its acknowledgement.
    fn ask(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Vec<RouteNetlinkMessage>, Errno> {
        self.sequence += 1;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        send(self.socket.as_raw_fd(), &bytes, MsgFlags::empty())?;
        let mut answers = Vec::new();
        while !self.collect(&mut answers)? {}
        Ok(answers)
    }

    /// Takes the next packet apart; true at the end.
    fn collect(&self, answers: &mut Vec<RouteNetlinkMessage>) -> Result<bool, Errno> {
        let mut packet = vec![0; LARGEST];
        let len = match recv(self.socket.as_raw_fd(), &mut packet, MsgFlags::empty()) {
            Err(Errno::EINTR) => return Ok(false),
            Err(Errno::EAGAIN) => return Err(Errno::ETIMEDOUT),
            other => other?,
        };
        let mut rest = packet.get(..len).unwrap_or_default();
        while !rest.is_empty() {
            let message = NetlinkMessage::deserialize(rest).map_err(|_| Errno::EPROTO)?;
            let size = usize::try_from(message.header.length).unwrap_or(0).next_multiple_of(4);
            if size == 0 {
                return Err(Errno::EPROTO);
            }
            rest = rest.get(size..).unwrap_or_default();
            if message.header.sequence_number != self.sequence {
                continue;
            }
            match message.payload {
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                NetlinkPayload::Done(DoneMessage { code, .. }) => return ended(code),
                NetlinkPayload::Error(ErrorMessage { code, .. }) => {
                    return ended(code.map_or(0, std::num::NonZero::get));
                }
                _ => {}
            }
        }
        Ok(false)
    }
}

fn ended(code: i32) -> Result<bool, Errno> {
    if code < 0 { Err(Errno::from_raw(-code)) } else { Ok(true) }
}
