//! Against a manager in a thread, which does as it is told.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread::{self, JoinHandle};

use serde::Serialize;
use zbus::ObjectPath;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{NATIVE_ENDIAN, Type, to_bytes};

use super::super::address::Socket;
use super::super::message::FIXED_HEADER;
use super::*;

/// Long enough for a busy machine, short enough to wait for.
const SOON: Duration = Duration::from_millis(300);
const JOB: &str = "/org/freedesktop/systemd1/job/7";

/// What the fake has received: a method's name and the serial of the call.
struct Call {
    member: String,
    serial: u32,
}

struct Fake {
    dir: tempfile::TempDir,
    thread: Option<JoinHandle<Vec<String>>>,
}

impl Fake {
    /// Takes one connection; `serve` gives back the methods that were called.
    fn new(serve: impl FnOnce(UnixStream) -> Vec<String> + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let thread = thread::spawn(move || serve(listener.accept().unwrap().0));
        Self { dir, thread: Some(thread) }
    }

    /// Lets the client in, then answers each call with what `answer` writes.
    fn answering(mut answer: impl FnMut(&Call, &mut UnixStream) + Send + 'static) -> Self {
        Self::new(move |mut stream| {
            let mut calls = Vec::new();
            handshake(&mut stream);
            while let Some(call) = next_call(&mut stream) {
                answer(&call, &mut stream);
                calls.push(call.member);
            }
            calls
        })
    }

    fn address(&self, direct: bool) -> Address {
        Address { socket: Socket::Path(self.dir.path().join("socket")), direct }
    }

    fn connect(&self) -> Result<Manager> {
        Manager::connect_to(&[self.address(true)], SOON)
    }

    fn calls(&mut self) -> Vec<String> {
        self.thread.take().unwrap().join().unwrap()
    }
}

fn handshake(stream: &mut UnixStream) {
    let expected = b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
    let mut read = vec![0; expected.len()];
    stream.read_exact(&mut read).unwrap();
    assert_eq!(read, expected);
    stream.write_all(b"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\n").unwrap();
}

fn next_call(stream: &mut UnixStream) -> Option<Call> {
    let mut bytes = vec![0; FIXED_HEADER];
    stream.read_exact(&mut bytes).ok()?;
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (body, fields) = (word(4), word(12));
    bytes.resize((FIXED_HEADER + fields).next_multiple_of(8) + body, 0);
    stream.read_exact(&mut bytes[FIXED_HEADER..]).unwrap();
    let data = Data::new(bytes.as_slice(), Context::new(NATIVE_ENDIAN, 0));
    type Header<'a> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'a>)>);
    let (header, _): (Header<'_>, usize) = data.deserialize().unwrap();
    let member = header.6.iter().find(|(code, _)| *code == 3).map(|(_, value)| value.clone());
    let member = String::try_from(member.unwrap()).unwrap();
    Some(Call { member, serial: header.5 })
}

/// A message of a type, with header fields, and one for its body's signature.
fn message<B: Serialize + Type>(kind: u8, fields: &[(u8, Variant<'_>)], body: &B) -> Vec<u8> {
    let context = Context::new(NATIVE_ENDIAN, 0);
    let body = to_bytes(context, body).unwrap();
    let mut fields: Vec<_> = fields.to_vec();
    fields.push((8, Variant::Signature(B::SIGNATURE.clone())));
    let order = if cfg!(target_endian = "little") { b'l' } else { b'B' };
    let length = u32::try_from(body.bytes().len()).unwrap();
    let header = (order, kind, 0u8, 1u8, length, 9u32, fields);
    let mut bytes = to_bytes(context, &header).unwrap().bytes().to_vec();
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend_from_slice(body.bytes());
    bytes
}

fn reply<B: Serialize + Type>(call: &Call, body: &B) -> Vec<u8> {
    message(2, &[(5, call.serial.into())], body)
}

fn refusal(call: &Call, name: &'static str, text: &str) -> Vec<u8> {
    message(3, &[(5, call.serial.into()), (4, name.into())], &text)
}

fn job() -> ObjectPath<'static> {
    ObjectPath::try_from(JOB).unwrap()
}

fn removed(result: &str) -> Vec<u8> {
    message(4, &[(3, "JobRemoved".into())], &(7u32, job(), "x.scope", result))
}

/// It fails soon, in one line that has these words.
#[track_caller]
fn fails(what: Result<impl std::fmt::Debug>, began: Instant, words: &str) {
    let text = what.unwrap_err().to_string();
    assert!(text.contains(words) && text.lines().count() == 1, "{text}");
    assert!(began.elapsed() < SOON * 4, "{:?}", began.elapsed());
}

#[test]
fn a_unit_is_started_when_its_job_is_done() {
    let mut fake = Fake::answering(|call, stream| match call.member.as_str() {
        "StartTransientUnit" => {
            // Another's job, then ours before its name is known.
            let other = (6u32, ObjectPath::try_from("/job/6").unwrap(), "y.scope", "failed");
            stream.write_all(&message(4, &[(3, "JobRemoved".into())], &other)).unwrap();
            stream.write_all(&removed("done")).unwrap();
            stream.write_all(&reply(call, &job())).unwrap();
        }
        other => panic!("{other}"),
    });
    let mut manager = fake.connect().unwrap();
    manager.start("x.scope", &[("Delegate".into(), true.into())]).unwrap();
    drop(manager);
    assert_eq!(fake.calls(), ["StartTransientUnit"]);
}

#[test]
fn a_failed_unit_in_the_way_is_reset_once() {
    let mut fake = Fake::answering(|call, stream| {
        let bytes = match call.member.as_str() {
            "StartTransientUnit" => refusal(call, UNIT_EXISTS, "Unit x.scope already exists."),
            _ => reply(call, &()),
        };
        stream.write_all(&bytes).unwrap();
    });
    let mut manager = fake.connect().unwrap();
    let e = manager.start("x.scope", &[]).unwrap_err().to_string();
    assert_eq!(e, "systemd: StartTransientUnit x.scope: Unit x.scope already exists.");
    drop(manager);
    assert_eq!(fake.calls(), ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]);
}

#[test]
fn a_job_that_fails_is_an_error_and_leaves_nothing() {
    let mut fake = Fake::answering(|call, stream| {
        let bytes = match call.member.as_str() {
            "StartTransientUnit" => [reply(call, &job()), removed("failed")].concat(),
            _ => refusal(call, NO_SUCH_UNIT, "Unit x.scope not loaded."),
        };
        stream.write_all(&bytes).unwrap();
    });
    let mut manager = fake.connect().unwrap();
    let e = manager.start("x.scope", &[]).unwrap_err().to_string();
    assert_eq!(e, "systemd: StartTransientUnit x.scope: the job ended as \"failed\"");
    drop(manager);
    assert_eq!(fake.calls(), ["StartTransientUnit", "ResetFailedUnit"]);
}

#[test]
fn what_is_not_there_is_stopped_already() {
    let fake = Fake::answering(|call, stream| {
        stream.write_all(&refusal(call, NO_SUCH_UNIT, "Unit x.scope not loaded.")).unwrap();
    });
    assert!(!fake.connect().unwrap().stop("x.scope").unwrap());
}

#[test]
fn one_that_listens_but_does_not_accept_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let _listener = UnixListener::bind(&path).unwrap();
    let began = Instant::now();
    let address = Address { socket: Socket::Path(path), direct: true };
    fails(Manager::connect_to(&[address], SOON), began, "socket: no answer within 300ms");
}

#[test]
fn one_that_accepts_but_never_answers_is_given_up() {
    let fake = Fake::new(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
        Vec::new()
    });
    let began = Instant::now();
    fails(fake.connect(), began, "socket: no answer within 300ms");
}

#[test]
fn one_that_answers_byte_by_byte_for_ever_is_given_up() {
    let fake = Fake::new(|mut stream| {
        while stream.write_all(b"D").is_ok() {
            thread::sleep(Duration::from_millis(5));
        }
        Vec::new()
    });
    let began = Instant::now();
    fails(fake.connect(), began, "no answer within 300ms");
}

#[test]
fn a_call_and_a_job_without_answer_are_given_up() {
    let fake = Fake::answering(|_, _| {});
    let mut manager = fake.connect().unwrap();
    let began = Instant::now();
    let words =
        "StartTransientUnit x.scope: no answer within 300ms (is systemd, or the bus, overloaded?)";
    fails(manager.start("x.scope", &[]), began, words);
    let began = Instant::now();
    fails(manager.stop("x.scope"), began, "StopUnit x.scope: no answer within 300ms");

    let fake = Fake::answering(|call, stream| stream.write_all(&reply(call, &job())).unwrap());
    let mut manager = fake.connect().unwrap();
    let began = Instant::now();
    fails(manager.start("x.scope", &[]), began, words);
}

#[test]
fn a_slow_answer_is_an_answer() {
    let fake = Fake::answering(|call, stream| {
        thread::sleep(SOON / 2);
        stream.write_all(&reply(call, &job())).unwrap();
        thread::sleep(SOON / 2);
        stream.write_all(&removed("done")).unwrap();
    });
    fake.connect().unwrap().start("x.scope", &[]).unwrap();
}

#[test]
fn an_old_systemd_answers_otherwise() {
    let fake = Fake::new(|mut stream| {
        stream.write_all(b"OK 0123456789abcdef0123456789abcdef\r\nERROR\r\n").unwrap();
        let mut handshake = [0; 29];
        stream.read_exact(&mut handshake).unwrap();
        let call = next_call(&mut stream).unwrap();
        stream.write_all(&reply(&call, &Variant::from("239"))).unwrap();
        Vec::new()
    });
    assert_eq!(fake.connect().unwrap().version().unwrap(), 239);
}

#[test]
fn signals_without_end_do_not_keep_a_job_waiting() {
    let fake = Fake::answering(|call, stream| {
        let _ = stream.write_all(&reply(call, &job()));
        let noise = message(4, &[(3, "UnitNew".into())], &("y.scope", job()));
        while stream.write_all(&noise).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let mut manager = fake.connect().unwrap();
    let began = Instant::now();
    fails(manager.start("x.scope", &[]), began, "no answer within 300ms");
}

#[test]
fn one_that_goes_away_is_told_at_once() {
    let fake = Fake::new(|_| Vec::new());
    fails(fake.connect(), Instant::now(), "the connection was closed");
    let fake = Fake::new(|mut stream| {
        handshake(&mut stream);
        next_call(&mut stream);
        Vec::new()
    });
    let mut manager = fake.connect().unwrap();
    fails(manager.version(), Instant::now(), "systemd: Get Version: the connection was closed");
}

#[test]
fn what_is_no_d_bus_is_an_error() {
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n"[..],
        b"REJECTED EXTERNAL\r\n",
        b"ERROR\r\n",
        &[b'x'; 4096],
    ] {
        let fake = Fake::new(move |mut stream| {
            let _ = stream.write_all(answer);
            let _ = stream.read_to_end(&mut Vec::new());
            Vec::new()
        });
        fails(fake.connect(), Instant::now(), "socket: ");
    }
    for answer in [[b'x'; 64], [b'l'; 64], [0xff; 64], [b'B'; 64]] {
        let fake = Fake::answering(move |_, stream| stream.write_all(&answer).unwrap());
        let mut manager = fake.connect().unwrap();
        fails(manager.version(), Instant::now(), "not in the form of D-Bus");
    }
}

#[test]
fn an_answer_of_another_type_is_an_error() {
    let fake = Fake::answering(|call, stream| stream.write_all(&reply(call, &5u32)).unwrap());
    let mut manager = fake.connect().unwrap();
    fails(manager.start("x.scope", &[]), Instant::now(), "arguments of type u where o was due");
    fails(manager.version(), Instant::now(), "arguments of type u where v was due");
}

#[test]
fn a_bus_wants_a_hello_and_a_subscription() {
    let mut fake = Fake::answering(|call, stream| {
        let bytes = match call.member.as_str() {
            "Hello" => reply(call, &":1.5"),
            "Get" => reply(call, &Variant::from("252.39-1~deb12u1")),
            _ => reply(call, &()),
        };
        stream.write_all(&bytes).unwrap();
    });
    let mut manager = Manager::connect_to(&[fake.address(false)], SOON).unwrap();
    assert_eq!(manager.version().unwrap(), 252);
    drop(manager);
    assert_eq!(fake.calls(), ["Hello", "AddMatch", "Get"]);
}

#[test]
fn the_next_address_is_tried_where_nobody_listens() {
    let fake = Fake::answering(|call, stream| {
        stream.write_all(&reply(call, &Variant::from("/user.slice/x"))).unwrap();
    });
    let nowhere = Address { socket: Socket::Path("/nonexistent/socket".into()), direct: true };
    let mut manager = Manager::connect_to(&[nowhere.clone(), fake.address(true)], SOON).unwrap();
    assert_eq!(manager.control_group().unwrap(), Path::new("/user.slice/x"));
    let e = Manager::connect_to(&[nowhere], SOON).unwrap_err().to_string();
    assert!(e.starts_with("systemd: connect to /nonexistent/socket: ENOENT"), "{e}");
    let e = Manager::connect_to(&[], SOON).unwrap_err().to_string();
    assert!(e.contains("XDG_RUNTIME_DIR"), "{e}");
}

#[test]
fn versions_are_read_as_systemd_writes_them() {
    for (text, version) in [
        ("v245.4-1.fc32", Some(245)),
        ("252", Some(252)),
        ("\"249-rc1\"", Some(249)),
        ("", None),
        ("main", None),
    ] {
        assert_eq!(parse_version(text), version, "{text}");
    }
}
