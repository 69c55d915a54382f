//! sd_notify(3): a container that says it is ready, and the service manager that hears of it.

use std::io::IoSliceMut;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use integration_tests::{Bundle, Cmd, json, known_difference, require, wait_until};
use nix::sys::socket::{MsgFlags, recvmsg};

/// What a service manager does with its end: notes the messages, and drops descriptors it gets, which
/// is the answer to BARRIER=1.
struct Manager {
    path: PathBuf,
    messages: Receiver<String>,
}

impl Manager {
    fn new(b: &Bundle) -> Self {
        let path = b.scratch("manager.sock");
        let socket = UnixDatagram::bind(&path).unwrap();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            loop {
                let mut text = [0; 512];
                let mut parts = [IoSliceMut::new(&mut text)];
                let mut space = nix::cmsg_space!(i32);
                let got = recvmsg::<()>(
                    socket.as_raw_fd(),
                    &mut parts,
                    Some(&mut space),
                    MsgFlags::MSG_CMSG_CLOEXEC,
                );
                let Ok(message) = got else { break };
                let (len, control) = (message.bytes, message.cmsgs());
                for part in control.into_iter().flatten() {
                    if let nix::sys::socket::ControlMessageOwned::ScmRights(fds) = part {
                        fds.into_iter().for_each(|fd| _ = nix::unistd::close(fd));
                    }
                }
                let text = String::from_utf8_lossy(&text[..len]).trim_end().to_owned();
                if sender.send(text).is_err() {
                    break;
                }
            }
        });
        Self { path, messages }
    }

    fn env(&self, cmd: Cmd) -> Cmd {
        cmd.env("NOTIFY_SOCKET", &self.path)
    }

    #[track_caller]
    fn next(&self) -> String {
        self.messages.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    fn silent(&self) -> bool {
        self.messages.recv_timeout(Duration::from_millis(300)).is_err()
    }
}

/// A container that says something, says that it is ready, and stays.
fn ready_then_sleep() -> Bundle {
    Bundle::probe(&["seq", "notify", "STATUS=starting", "READY=1", "--", "sleep"])
}

#[test]
fn a_detached_run_returns_when_the_container_is_ready() {
    require!("root");
    known_difference!("notify");
    let b = ready_then_sleep();
    let manager = Manager::new(&b);
    manager.env(b.run_cmd(&["--detach"])).run().ok();
    let pid = b.verb("state").arg(b.id()).run().ok().json()["pid"].clone();
    assert_eq!(manager.next(), "READY=1");
    assert_eq!(manager.next(), format!("MAINPID={pid}"));
    let r: integration_tests::Value =
        b.verb("exec").args([b.id(), "/probe", "report"]).run().ok().json();
    assert!(r["mounts"].to_string().contains("/run/notify"));
    assert!(!r["env"].to_string().contains("NOTIFY_SOCKET"), "an exec has nothing to say");
    b.verb("delete").args(["--force", b.id()]).run().ok();
    b.assert_clean();
}

/// Or the manager may look at the message only when its sender is gone.
#[test]
fn the_manager_is_waited_for() {
    require!("root");
    known_difference!("notify-barrier");
    let b = ready_then_sleep();
    let manager = Manager::new(&b);
    manager.env(b.run_cmd(&["--detach"])).run().ok();
    let messages = [manager.next(), manager.next(), manager.next()];
    assert_eq!(messages[2], "BARRIER=1", "{messages:?}");
    assert!(manager.silent());
    b.verb("delete").args(["--force", b.id()]).run().ok();
}

#[test]
fn start_returns_when_the_container_is_ready() {
    require!("root");
    known_difference!("notify");
    let b = ready_then_sleep();
    b.write();
    let manager = Manager::new(&b);
    let create = b.verb("create").arg("--bundle").arg(b.path()).arg(b.id());
    manager.env(create).run().ok();
    assert!(manager.silent());
    let pid = b.verb("state").arg(b.id()).run().ok().json()["pid"].clone();
    manager.env(b.verb("start").arg(b.id())).run().ok();
    assert_eq!(manager.next(), "READY=1");
    assert_eq!(manager.next(), format!("MAINPID={pid}"));
    b.verb("delete").args(["--force", b.id()]).run().ok();
    b.assert_clean();
}

#[test]
fn in_the_foreground_the_runtime_is_the_main_process() {
    require!("root");
    known_difference!("notify");
    let b = ready_then_sleep();
    let manager = Manager::new(&b);
    let running = manager.env(b.run_cmd(&[])).spawn();
    assert_eq!(manager.next(), "READY=1");
    assert_eq!(manager.next(), format!("MAINPID={}", running.pid()));
    let init = b.verb("state").arg(b.id()).run().ok().json()["pid"].as_i64().unwrap();
    integration_tests::wait_ready(i32::try_from(init).unwrap());
    running.signal(nix::sys::signal::Signal::SIGTERM);
    running.wait().ok();
    b.assert_clean();
}

#[test]
fn a_last_word_of_readiness_is_not_lost() {
    require!("root", "teu");
    let b = Bundle::probe(&["notify", "READY=1"]);
    let manager = Manager::new(&b);
    manager.env(b.run_cmd(&[])).run().ok();
    assert_eq!(manager.next(), "READY=1");
    b.assert_clean();
}

#[test]
fn readiness_is_one_line_of_a_message() {
    require!("root");
    known_difference!("notify-lines");
    let b = Bundle::probe(&["seq", "notify", "A=b\nREADY=1\nC=d", "--", "sleep"]);
    let manager = Manager::new(&b);
    manager.env(b.run_cmd(&["--detach"])).run().ok();
    assert_eq!(manager.next(), "READY=1");
    b.verb("delete").args(["--force", b.id()]).run().ok();
}

#[test]
fn a_container_that_ends_without_a_word_is_not_waited_for() {
    require!("root");
    known_difference!("notify-ended");
    let b = Bundle::probe(&["notify", "STATUS=x"]);
    let manager = Manager::new(&b);
    manager.env(b.run_cmd(&["--detach"])).run().ok();
    assert!(manager.silent());
    b.verb("delete").args(["--force", b.id()]).run().ok();
    b.assert_clean();
}

#[test]
fn an_ordinary_user_in_the_container_can_say_it() {
    require!("root");
    known_difference!("notify-umask");
    let mut b = ready_then_sleep();
    b.set("/process/user", json!({ "uid": 1234, "gid": 1234 }));
    let manager = Manager::new(&b);
    let run = b.run_cmd(&["--detach"]).through_shell("umask 077; exec \"$@\"");
    manager.env(run).run().ok();
    assert_eq!(manager.next(), "READY=1");
    b.verb("delete").args(["--force", b.id()]).run().ok();
}

#[test]
fn a_manager_that_is_not_there_is_no_failure() {
    require!("root", "teu");
    let b = ready_then_sleep();
    let run = b.run_cmd(&["--detach"]).env("NOTIFY_SOCKET", b.scratch("nobody"));
    let outcome = run.run().ok();
    assert!(outcome.stderr.contains("NOTIFY_SOCKET: connect: ENOENT"), "{outcome:#?}");
    let state = || b.verb("state").arg(b.id()).run().ok().json()["status"].clone();
    wait_until("running", || state() == "running");
    b.verb("delete").args(["--force", b.id()]).run().ok();
    b.assert_clean();
}
