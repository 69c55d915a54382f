//! What comes over the control socket.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::errno;
use crate::error::{Error, Result};
use crate::plan::Plan;
use crate::plan::record::Record;

/// A signal, and what was handed over with it.
pub(super) struct Packet {
    pub record: Record,
    pub descriptor: Option<OwnedFd>,
}

/// The next packet: a signal, or nothing because the other end is closed; a failure is an error.
pub(super) fn receive(control: &OwnedFd, plan: &Plan) -> Result<Option<Packet>> {
    let mut bytes = [0; Record::SIZE + Record::DETAIL];
    let (len, descriptor) = message(control, &mut bytes).map_err(|e| match e {
        Errno::EAGAIN => late(),
        e => Error::system("recvmsg", "control socket", e),
    })?;
    let packet = bytes.get(..len).unwrap_or_default();
    match Record::from_bytes(packet) {
        Some(record) if record.kind == Record::FAILURE => {
            Err(plan.failure(record, packet.get(Record::SIZE..).unwrap_or_default()))
        }
        record => Ok(record.map(|record| Packet { record, descriptor })),
    }
}

/// Its size, 0 if there is no other end, and the descriptor that came with it.
fn message(control: &OwnedFd, bytes: &mut [u8]) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let len = loop {
        let mut parts = [IoSliceMut::new(bytes)];
        match recvmsg(control, &mut parts, &mut rights, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => break 0,
            other => break other.map_err(errno)?.bytes,
        }
    };
    let descriptor = rights.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((len, descriptor))
}

/// The executor has not come to the next meeting in time.
pub(super) fn late() -> Error {
    Error::system("recvmsg", "control socket", Errno::ETIMEDOUT).with_hint(
        "the container's init is at one step for minutes: is it stopped, its cgroup frozen, or a filesystem hanging?",
    )
}
