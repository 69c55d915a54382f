//! Terminals, pipes, and the foreground.

use std::io::{Read, pipe};
use std::os::fd::OwnedFd;

use integration_tests::checkpoint::{NOWHERE, checkpoint, log, restore_cmd};
use integration_tests::differences::listed;
use integration_tests::{Bundle, Receiver, Terminal, require, wait_until};
use nix::sys::signal::Signal;

/// Ends of a pipe that are the container's output.
fn output() -> (std::io::PipeReader, std::fs::File) {
    let (reader, writer) = pipe().unwrap();
    (reader, OwnedFd::from(writer).into())
}

#[test]
fn pipes_lead_to_those_of_the_restore() {
    require!("root", "criu");
    let b = Bundle::probe(&["trap"]);
    let (mut first, writer) = output();
    b.run_cmd(&["--detach"]).spawn_into(writer.try_clone().unwrap(), writer).succeeds();
    let mut ready = [0; 6];
    first.read_exact(&mut ready).unwrap();
    assert_eq!(&ready, b"ready\n");
    checkpoint(&b, &[]).ok();
    let (mut second, writer) = output();
    let restored = restore_cmd(&b, &["--detach"]);
    restored.spawn_into(writer.try_clone().unwrap(), writer).succeeds();
    b.container().kill("USR1").ok();
    b.container().kill("TERM").ok();
    let mut text = String::new();
    second.read_to_string(&mut text).unwrap();
    assert_eq!(text, "SIGUSR1\nSIGTERM\n");
}

/// A container that tells the size of its terminal.
fn at_a_terminal() -> (Bundle, Receiver) {
    let mut b = Bundle::probe(&["winch"]);
    b.set("/process/terminal", true);
    let socket = Receiver::at(b.scratch("console"));
    let flags = ["--detach", "--console-socket", socket.path().to_str().unwrap()];
    b.run_cmd(&flags).run().ok();
    (b, socket)
}

#[test]
fn a_terminal_comes_over_the_console_socket() {
    require!("root", "criu");
    let (b, socket) = at_a_terminal();
    let mut terminal = Terminal::of(socket.receive());
    terminal.resize(17, 71);
    terminal.wait_for("size [17, 71]\r\n");
    checkpoint(&b, &[]).ok();
    let flags = ["--detach", "--console-socket", socket.path().to_str().unwrap()];
    let restored = restore_cmd(&b, &flags).run();
    assert_eq!(restored.status, 0, "{restored:?} {}", log(&b, "restore.log"));
    let mut terminal = Terminal::of(socket.receive());
    terminal.resize(18, 72);
    terminal.wait_for("size [18, 72]\r\n");
    terminal.type_in("echo");
    terminal.wait_for("echo");
    assert_eq!(b.container().status(), "running");
}

#[test]
fn a_terminal_in_the_foreground_is_that_of_the_restore() {
    require!("root", "criu");
    let (b, socket) = at_a_terminal();
    let mut first = Terminal::of(socket.receive());
    first.wait_for("size");
    checkpoint(&b, &[]).ok();
    drop(first);
    let mut terminal = Terminal::new();
    let running = terminal.spawn(restore_cmd(&b, &[]));
    if !listed("restored-size") {
        terminal.wait_for("size [30, 100]\r\n");
    }
    wait_until("the terminal is raw", || terminal.is_raw());
    terminal.resize(31, 101);
    terminal.wait_for("size [31, 101]\r\n");
    assert!(!terminal.seen().contains("\r\r\n"), "{:?}", terminal.seen());
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait().status, 0);
    assert!(!terminal.is_raw());
    b.assert_clean();
}

#[test]
fn a_terminal_needs_somewhere_to_go() {
    require!("root", "criu");
    let (b, socket) = at_a_terminal();
    Terminal::of(socket.receive()).wait_for("size");
    checkpoint(&b, &[]).ok();
    restore_cmd(&b, &["--detach"]).run().fails_with(&["cannot allocate tty"]);
    b.assert_clean();
}

#[test]
fn in_the_foreground_signals_are_forwarded_and_the_status_is_the_process_s() {
    require!("root", "criu");
    let b = Bundle::probe(&["trap"]);
    b.run_cmd(&["--detach"]).through_shell(NOWHERE).run().ok();
    checkpoint(&b, &[]).ok();
    let running = restore_cmd(&b, &[]).through_shell(NOWHERE).spawn();
    wait_until("it runs", || b.verb("state").arg(b.id()).run().stdout.contains("\"running\""));
    running.signal(Signal::SIGUSR1);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait().status, 42);
    b.assert_clean();
}
