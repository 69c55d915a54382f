//! One request to a `criu swrk`, and what comes back for it.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use prost::Message;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, recvmsg, send,
};

use super::rpc::{Kind, Notice, Request, Response};
use crate::error::{Error, Result};

/// No answer is near that long: notices are a word and a number, an error message a line.
const LONGEST: usize = 64 << 10;

/// Hears what CRIU is about to do, or has done.
pub(crate) trait Listener {
    /// `descriptor`: what came with it. An error makes CRIU give up, and undo what it has done.
    fn notice(&mut self, script: &str, pid: i32, descriptor: Option<OwnedFd>) -> Result<()>;
}

/// For requests during which nothing is told.
impl Listener for () {
    fn notice(&mut self, _: &str, _: i32, _: Option<OwnedFd>) -> Result<()> {
        Ok(())
    }
}

/// Our end of the socket.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
}

/// How a request has ended.
#[derive(Debug)]
pub(crate) enum Answer {
    /// With success.
    Done(Response),
    /// CRIU could not do it.
    Refused(Response),
    /// CRIU ended without an answer.
    Gone,
}

impl Connection {
    /// Both ends: ours, and CRIU's.
    pub(crate) fn pair() -> Result<(Self, OwnedFd)> {
        let (kind, flags) = (SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
        let (socket, theirs) = socketpair(AddressFamily::Unix, kind, None, flags)
            .map_err(|e| Error::system("socketpair for", "criu", e))?;
        Ok((Self { socket }, theirs))
    }

    /// Asks, and waits for the end. What the listener refuses is an error after CRIU has taken
    /// everything back.
    pub(crate) fn ask(&self, request: &Request, listener: &mut dyn Listener) -> Result<Answer> {
        if !self.send(request)? {
            return Ok(Answer::Gone);
        }
        let mut refusal = None;
        loop {
            let Some((response, descriptor)) = self.receive()? else {
                return refusal.map_or(Ok(Answer::Gone), Err);
            };
            if response.kind() == Kind::Notify && response.success {
                let Notice { script, pid } = response.notify.unwrap_or_default();
                let heard =
                    listener.notice(&script.unwrap_or_default(), pid.unwrap_or(0), descriptor);
                let mut reply = Request::new(Kind::Notify);
                reply.notify_success = Some(heard.is_ok());
                refusal = refusal.or(heard.err());
                self.send(&reply)?;
                continue;
            }
            return match refusal {
                Some(e) => Err(e),
                None if response.success => Ok(Answer::Done(response)),
                None => Ok(Answer::Refused(response)),
            };
        }
    }

    /// False if nobody is there to read it.
    fn send(&self, request: &Request) -> Result<bool> {
        match send(self.socket.as_fd(), &request.encode_to_vec(), SendFlags::NOSIGNAL) {
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::PIPE | rustix::io::Errno::CONNRESET) => Ok(false),
            Err(e) => Err(failed("send to", e)),
        }
    }

    fn receive(&self) -> Result<Option<(Response, Option<OwnedFd>)>> {
        let mut bytes = vec![0; LONGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let message = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.socket, &mut parts, &mut rights, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                other => break other.map_err(|e| failed("recvmsg from", e))?,
            }
        };
        if message.bytes == 0 {
            return Ok(None);
        }
        let descriptor = rights.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        let whole = !message.flags.contains(ReturnFlags::TRUNC);
        let bytes = bytes.get(..message.bytes).filter(|_| whole).unwrap_or_default();
        let response = Response::decode(bytes)
            .map_err(|_| Error::system("decode an answer of", "criu", Errno::EBADMSG))?;
        Ok(Some((response, descriptor)))
    }
}

fn failed(action: &'static str, e: rustix::io::Errno) -> Error {
    Error::system(action, "criu", Errno::from_raw(e.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::thread;

    use nix::sys::socket::{ControlMessage, MsgFlags, recv, sendmsg};

    use super::*;

    struct Heard(Vec<(String, i32, bool)>);

    impl Listener for Heard {
        fn notice(&mut self, script: &str, pid: i32, descriptor: Option<OwnedFd>) -> Result<()> {
            self.0.push((script.into(), pid, descriptor.is_some()));
            if script == "no" { Err(Error::NotRunning) } else { Ok(()) }
        }
    }

    fn notice(script: &str) -> Response {
        let notify = Some(Notice { script: Some(script.into()), pid: Some(7) });
        Response { kind: Kind::Notify.into(), success: true, notify, ..Response::default() }
    }

    fn say(socket: &OwnedFd, response: &Response, with: Option<i32>) {
        let bytes = response.encode_to_vec();
        let parts = [std::io::IoSlice::new(&bytes)];
        let rights: Vec<i32> = with.into_iter().collect();
        let rights = [ControlMessage::ScmRights(&rights)];
        let rights = if with.is_some() { &rights[..] } else { &[] };
        sendmsg::<()>(socket.as_raw_fd(), &parts, rights, MsgFlags::empty(), None).unwrap();
    }

    fn hear(socket: &OwnedFd) -> Request {
        let mut bytes = [0; 1000];
        let len = recv(socket.as_raw_fd(), &mut bytes, MsgFlags::empty()).unwrap();
        Request::decode(&bytes[..len]).unwrap()
    }

    /// The peer answers each request, after notices, with `success`.
    fn asked(notices: &'static [&str], success: bool) -> (Result<Answer>, Heard, Vec<Request>) {
        let (connection, theirs) = Connection::pair().unwrap();
        let peer = thread::spawn(move || {
            let mut requests = vec![hear(&theirs)];
            for script in notices {
                say(&theirs, &notice(script), script.contains("pts").then_some(0));
                requests.push(hear(&theirs));
            }
            let kind = Kind::Dump.into();
            say(&theirs, &Response { kind, success, ..Response::default() }, None);
            requests
        });
        let mut heard = Heard(Vec::new());
        let answer = connection.ask(&Request::new(Kind::Dump), &mut heard);
        (answer, heard, peer.join().unwrap())
    }

    #[test]
    fn notices_are_heard_and_acknowledged() {
        let (answer, heard, requests) = asked(&["pre-dump", "orphan-pts-master"], true);
        assert!(matches!(answer.unwrap(), Answer::Done(_)));
        let expected = [("pre-dump".into(), 7, false), ("orphan-pts-master".into(), 7, true)];
        assert_eq!(heard.0, expected);
        assert!(requests[1..].iter().all(|r| r.notify_success == Some(true)));
        assert!(matches!(asked(&[], false).0.unwrap(), Answer::Refused(_)));
    }

    #[test]
    fn a_refused_notice_is_the_error_once_criu_is_done() {
        let (answer, heard, requests) = asked(&["no", "after"], false);
        assert!(matches!(answer.unwrap_err(), Error::NotRunning));
        assert_eq!(heard.0.len(), 2);
        assert_eq!(requests[1].notify_success, Some(false));
    }

    #[test]
    fn an_end_without_an_answer_is_told() {
        let (connection, theirs) = Connection::pair().unwrap();
        drop(theirs);
        let answer = connection.ask(&Request::new(Kind::Version), &mut ()).unwrap();
        assert!(matches!(answer, Answer::Gone));
    }
}
