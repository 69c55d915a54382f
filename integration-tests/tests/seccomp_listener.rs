//! SCMP_ACT_NOTIFY: the agent at listenerPath decides.
#![allow(unsafe_code, reason = "ioctls of a listener")]

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

use integration_tests::{Bundle, Value, json, known_difference, require};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// `_IOWR('!', 0, struct seccomp_notif)`, and 1 for the answer (linux/seccomp.h).
const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;

/// Takes a listener for each of `refusals`, and with it refuses one call where that says so. What it
/// was told each time.
fn agent(b: &Bundle, refusals: &'static [bool]) -> JoinHandle<Vec<Value>> {
    let socket = UnixListener::bind(b.scratch("agent.sock")).unwrap();
    std::thread::spawn(move || refusals.iter().map(|refuses| serve(&socket, *refuses)).collect())
}

fn serve(socket: &UnixListener, refuses: bool) -> Value {
    let (connection, _) = socket.accept().unwrap();
    let mut text = vec![0; 1 << 16];
    let mut room = nix::cmsg_space!(RawFd);
    let mut parts = [IoSliceMut::new(&mut text)];
    let message =
        recvmsg::<()>(connection.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::empty())
            .unwrap();
    let listener = message.cmsgs().unwrap().find_map(|message| match message {
        // SAFETY: the message has brought this descriptor, and nobody else has seen its number.
        ControlMessageOwned::ScmRights(fds) => Some(unsafe { OwnedFd::from_raw_fd(fds[0]) }),
        _ => None,
    });
    let length = message.bytes;
    if refuses {
        refuse(&listener.unwrap());
    }
    serde_json::from_slice(&text[..length]).unwrap()
}

/// Lets one call fail.
fn refuse(listener: &OwnedFd) {
    let mut notification = [0u64; 10];
    // SAFETY: struct seccomp_notif has 80 bytes.
    let received = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, notification.as_mut_ptr()) };
    assert_eq!(received, 0, "{}", std::io::Error::last_os_error());
    // id, value, and error with flags in one word.
    let answer = [notification[0], 0, u64::from((-libc::EXDEV).cast_unsigned())];
    // SAFETY: struct seccomp_notif_resp has 24 bytes.
    let sent = unsafe { libc::ioctl(listener.as_raw_fd(), SEND, answer.as_ptr()) };
    assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
}

fn bundle() -> Bundle {
    with_agent(Bundle::new())
}

fn with_agent(mut b: Bundle) -> Bundle {
    let path = b.scratch("agent.sock");
    b.set("/annotations", json!({ "key": "value" }));
    b.set(
        "/linux/seccomp",
        json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": path,
            "listenerMetadata": "about this",
            "syscalls": [{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }],
        }),
    );
    b
}

#[test]
fn an_agent_decides_and_is_told_for_whom() {
    require!("root");
    for no_new_privileges in [true, false] {
        let mut b = bundle();
        b.set("/process/noNewPrivileges", json!(no_new_privileges));
        let agent = agent(&b, &[true]);
        b.args(&["mkdir", "/tmp/d"]);
        assert_eq!(b.run().exits(1).out(), "EXDEV");
        let told = &agent.join().unwrap()[0];
        assert_eq!(told["fds"], json!(["seccompFd"]));
        assert_eq!(told["metadata"], json!("about this"));
        assert_eq!(told["state"]["id"], json!(b.id()));
        assert_eq!(told["state"]["status"], json!("creating"));
        assert_eq!(told["state"]["annotations"]["key"], json!("value"));
        assert_eq!(told["pid"], told["state"]["pid"]);
    }
}

#[test]
fn the_agent_of_an_exec_is_told_of_its_process() {
    require!("root");
    known_difference!("exec-listener-state");
    let b = bundle();
    let agent = agent(&b, &[false, true]);
    let container = b.start_sleeper();
    assert_eq!(container.exec(&["mkdir", "/tmp/d"]).exits(1).out(), "EXDEV");
    let told = agent.join().unwrap();
    assert_eq!(told[1]["state"]["status"], json!("running"));
    assert_eq!(told[1]["state"]["pid"], told[0]["pid"]);
    assert_ne!(told[1]["pid"], told[0]["pid"]);
    container.finish();
}

#[test]
fn an_ordinary_user_has_agents_too() {
    require!("root", "userns");
    let mut b = with_agent(Bundle::rootless());
    let agent = agent(&b, &[true]);
    let open = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(b.scratch("agent.sock"), open).unwrap();
    b.args(&["mkdir", "/tmp/d"]);
    assert_eq!(b.run().exits(1).out(), "EXDEV");
    agent.join().unwrap();
}

#[test]
fn an_agent_may_ask_not_to_be_interrupted() {
    require!("root", "killable-listeners");
    known_difference!("seccomp-flags");
    let mut b = bundle();
    b.set("/linux/seccomp/flags", json!(["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]));
    let agent = agent(&b, &[true]);
    b.args(&["mkdir", "/tmp/d"]);
    assert_eq!(b.run().exits(1).out(), "EXDEV");
    agent.join().unwrap();
}

#[test]
fn without_an_agent_there_is_no_container() {
    require!("root");
    let b = bundle();
    b.try_create().fails_with(&["agent", "listener", "connect"]);
    b.assert_clean();
}
