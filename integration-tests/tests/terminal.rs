//! `process.terminal`: console sockets, the foreground, exec.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use integration_tests::{
    Bundle, Container, Receiver, Terminal, differences, json, known_difference, patience, require,
    wait_ready, wait_until,
};
use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::Signal;

/// The default configuration with a terminal.
fn bundle(args: &[&str]) -> Bundle {
    let mut b = Bundle::probe(args);
    b.set("/process/terminal", true);
    b
}

/// Creates and starts it; its terminal came over the console socket.
fn start(b: &Bundle) -> (Container<'_>, Terminal) {
    let socket = Receiver::at(b.scratch("console"));
    let c = b.create_with(&["--console-socket", socket.path().to_str().unwrap()]);
    let terminal = Terminal::of(socket.receive());
    c.start().ok();
    (c, terminal)
}

/// The report of a probe that prints it to a terminal.
fn report(terminal: &mut Terminal) -> integration_tests::Value {
    terminal.wait_for("\"size\":");
    terminal.wait_for("}\r\n");
    serde_json::from_str(terminal.seen().trim()).unwrap()
}

fn assert_terminal(seen: &integration_tests::Value) {
    assert_eq!(seen["isatty"], json!([true, true, true]), "{seen}");
    assert_eq!(seen["session_leader"], true, "{seen}");
    assert_eq!(seen["foreground"], true, "{seen}");
    assert_eq!(seen["controlling"], true, "{seen}");
}

#[test]
fn the_master_end_goes_to_the_console_socket() {
    require!("root");
    let b = bundle(&["terminal"]);
    let (c, mut terminal) = start(&b);
    let seen = report(&mut terminal);
    assert_terminal(&seen);
    assert_eq!(seen["names"], json!(["/dev/pts/0", "/dev/pts/0", "/dev/pts/0"]));
    c.wait_status("stopped");
    c.delete().ok();
    b.assert_clean();
}

#[test]
fn the_terminal_is_the_console_too() {
    require!("root");
    let b = bundle(&["terminal"]);
    let (_c, mut terminal) = start(&b);
    let seen = report(&mut terminal);
    assert_eq!(seen["console_is_ours"], true, "{seen}");
}

#[test]
fn the_user_owns_the_terminal() {
    require!("root");
    let mut b = bundle(&["stat", "/dev/pts/0"]);
    b.set("/process/user", json!({ "uid": 1234, "gid": 1234 }));
    let (_c, mut terminal) = start(&b);
    terminal.wait_for("}");
    assert!(terminal.seen().contains("\"uid\":1234"), "{}", terminal.seen());
}

#[test]
fn the_console_has_the_size_that_was_asked_for() {
    require!("root");
    let mut b = bundle(&["terminal"]);
    b.set("/process/consoleSize", json!({ "height": 17, "width": 111 }));
    let (_c, mut terminal) = start(&b);
    assert_eq!(report(&mut terminal)["size"], json!([17, 111]));
}

#[test]
fn a_container_with_a_user_namespace_gets_a_terminal() {
    require!("root", "userns");
    let mut b = bundle(&["terminal"]);
    b.namespace(json!({ "type": "user" }));
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    b.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    std::os::unix::fs::chown(b.rootfs(), Some(100_000), Some(100_000)).unwrap();
    let (_c, mut terminal) = start(&b);
    assert_terminal(&report(&mut terminal));
}

#[test]
fn in_the_foreground_keys_and_output_go_through_our_own_terminal() {
    require!("root");
    let b = bundle(&["cat"]);
    let mut terminal = Terminal::new();
    let before = terminal.settings();
    let run = terminal.spawn(b.run_cmd(&[]));
    wait_until("raw", || terminal.is_raw());
    // The container's terminal edits, echoes and takes ^D for the end.
    terminal.type_in("helpo\x7f\x7flo\r\x04");
    terminal.wait_for("lo\r\nhello\r\n");
    run.wait().ok();
    assert_eq!(terminal.settings(), before);
    b.assert_clean();
}

#[test]
fn the_foreground_follows_the_size_of_our_terminal() {
    require!("root");
    known_difference!("terminal-size");
    let b = bundle(&["winch"]);
    let mut terminal = Terminal::new();
    let run = terminal.spawn(b.run_cmd(&[]));
    terminal.wait_for("size [30, 100]");
    terminal.resize(20, 90);
    terminal.wait_for("size [20, 90]");
    run.signal(Signal::SIGTERM);
    run.wait().ok();
    b.assert_clean();
}

#[test]
fn interrupt_keys_are_the_containers_business() {
    require!("root");
    let b = bundle(&["trap"]);
    let mut terminal = Terminal::new();
    let run = terminal.spawn(b.run_cmd(&[]));
    terminal.wait_for("ready");
    terminal.type_in("\x03");
    terminal.wait_for("SIGINT");
    run.signal(Signal::SIGTERM);
    run.wait().exits(42);
}

#[test]
fn the_terminal_is_restored_when_the_runtime_fails() {
    require!("root");
    known_difference!("terminal-output");
    let mut b = bundle(&["terminal"]);
    b.set("/process/args", json!(["/missing"]));
    let mut terminal = Terminal::new();
    let before = terminal.settings();
    terminal.spawn(b.run_cmd(&[])).wait().exits(1);
    terminal.wait_for("/missing");
    assert_eq!(terminal.settings(), before);
    b.assert_clean();
}

#[test]
fn all_output_arrives_before_the_foreground_ends() {
    require!("root");
    known_difference!("terminal-output");
    let text = "x".repeat(20_000);
    let mut b = bundle(&[]);
    b.file("big", &text);
    b.args(&["read", "/big"]);
    // Standard output is a file; /dev/tty is there for the size and the keys.
    let outcome = Terminal::new().run_redirected(b.run_cmd(&[]));
    assert_eq!(outcome.ok().stdout, format!("{text}\n"));
}

#[test]
fn a_process_that_keeps_the_terminal_does_not_keep_the_runtime() {
    require!("root");
    let mut b = bundle(&["orphan", "sleep"]);
    b.without_namespace("pid");
    let terminal = Terminal::new();
    let begun = Instant::now();
    terminal.spawn(b.run_cmd(&[])).wait().exits(137);
    assert!(begun.elapsed() < patience(Duration::from_secs(10)));
    b.assert_clean();
}

#[test]
fn nobody_reading_makes_nobody_spin() {
    require!("root", "teu");
    let mut b = bundle(&[]);
    b.file("big", &"line\n".repeat(100_000));
    b.args(&["seq", "read", "/big", "--", "sleep"]);
    let terminal = Terminal::new();
    let run = terminal.spawn(b.run_cmd(&[]));
    wait_until("raw", || terminal.is_raw());
    std::thread::sleep(Duration::from_millis(500));
    let ticks = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", run.pid())).unwrap();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    std::thread::sleep(Duration::from_millis(500));
    assert!(ticks() - before <= 2, "it spins");
}

#[test]
fn exec_gets_a_terminal_of_its_own_in_the_foreground() {
    require!("root");
    known_difference!("terminal-output");
    let b = bundle(&["sleep"]);
    let (c, _first) = start(&b);
    let mut terminal = Terminal::new();
    let cmd = b.verb("exec").args(["-t", b.id(), "/probe", "terminal"]);
    terminal.spawn(cmd).wait().ok();
    let seen = report(&mut terminal);
    assert_terminal(&seen);
    assert_eq!(seen["names"][0], "/dev/pts/1");
    assert_eq!(seen["size"], json!([30, 100]));
    c.finish();
}

#[test]
fn exec_sends_its_terminal_to_a_socket() {
    require!("root");
    let mut b = bundle(&["sleep"]);
    b.set("/process/terminal", false);
    let c = b.create();
    c.start().ok();
    let socket = Receiver::at(b.scratch("console"));
    let file = b.scratch("process.json");
    let mut process = b.config()["process"].clone();
    process["args"] = json!(["/probe", "terminal"]);
    process["terminal"] = json!(true);
    process["consoleSize"] = json!({ "height": 11, "width": 22 });
    std::fs::write(&file, process.to_string()).unwrap();
    let exec = b.verb("exec").args(["--detach", "--console-socket"]).arg(socket.path());
    exec.arg("--process").arg(&file).arg(b.id()).run().ok();
    let mut terminal = Terminal::of(socket.receive());
    let seen = report(&mut terminal);
    assert_terminal(&seen);
    if !differences::applies("exec-terminal-size") {
        assert_eq!(seen["size"], json!([11, 22]));
    }
    c.finish();
}

#[test]
fn a_terminal_without_a_place_to_go_is_refused() {
    require!("root");
    let b = bundle(&["terminal"]);
    b.try_create().fails_with(&["cannot allocate tty"]);
    b.run_cmd(&["-d"]).run().fails_with(&["cannot allocate tty"]);
    b.assert_clean();
}

#[test]
fn a_console_socket_without_a_terminal_is_refused() {
    require!("root");
    known_difference!("console-socket-unused");
    let mut b = bundle(&["terminal"]);
    let socket = Receiver::at(b.scratch("console"));
    let path = socket.path().to_str().unwrap();
    b.run_cmd(&["--console-socket", path]).run().fails_with(&["cannot use console socket"]);
    b.set("/process/terminal", false);
    b.run_cmd(&["-d", "--console-socket", path]).run().fails_with(&["cannot use console socket"]);
    b.assert_clean();
}

#[test]
fn a_socket_where_nobody_listens_is_an_error_that_names_it() {
    require!("root");
    let b = bundle(&["terminal"]);
    let path = b.scratch("nobody");
    let flags = ["-d", "--console-socket", path.to_str().unwrap()];
    b.run_cmd(&flags).run().fails_with(&["/nobody"]);
    b.assert_clean();
}

#[test]
fn without_a_devpts_there_is_no_terminal() {
    require!("root");
    let mut b = bundle(&["terminal"]);
    b.unmount("/dev/pts");
    let socket = Receiver::at(b.scratch("console"));
    let flags = ["-d", "--console-socket", socket.path().to_str().unwrap()];
    b.run_cmd(&flags).run().fails_with(&["devpts", "ptmx"]);
    b.assert_clean();
}

/// Opening alone can have effects, with a watchdog's device for example. A reader that was there before learns from
/// POLLHUP that somebody has opened a FIFO for writing and has closed it.
#[track_caller]
fn a_fifo_is_not_opened(b: &Bundle, fifo: &Path) {
    nix::unistd::mkfifo(fifo, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    let reader = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(fifo);
    let reader = reader.unwrap();
    let socket = Receiver::at(b.scratch("console"));
    let flags = ["-d", "--console-socket", socket.path().to_str().unwrap()];
    b.run_cmd(&flags).run().fails();
    if !differences::applies("foreign-ptmx") {
        let mut poll = [PollFd::new(reader.as_fd(), PollFlags::empty())];
        nix::poll::poll(&mut poll, PollTimeout::ZERO).unwrap();
        assert_eq!(poll[0].revents(), Some(PollFlags::empty()), "somebody has opened it");
    }
    b.assert_clean();
}

#[test]
fn cve_2025_52565_what_the_image_has_in_place_of_the_terminal_is_not_opened() {
    require!("root");
    let mut b = bundle(&["terminal"]);
    b.unmount("/dev").unmount("/dev/pts").unmount("/dev/shm").unmount("/dev/mqueue");
    a_fifo_is_not_opened(&b, &b.dir("dev/pts").join("ptmx"));
}

#[test]
fn cve_2025_52565_nor_what_a_volume_has_put_there() {
    require!("root");
    let mut b = bundle(&["terminal"]);
    let fifo = b.scratch("fifo");
    b.bind(&fifo, "/dev/pts/ptmx", &["bind"]);
    a_fifo_is_not_opened(&b, &fifo);
}

#[test]
fn a_pidfd_of_the_process_goes_to_the_pidfd_socket() {
    require!("root");
    known_difference!("pidfd-socket");
    let b = Bundle::probe(&["sleep"]);
    let socket = Receiver::at(b.scratch("pidfd"));
    let c = b.create_with(&["--pidfd-socket", socket.path().to_str().unwrap()]);
    let pid_of = |fd: &std::os::fd::OwnedFd| {
        let number = std::os::fd::AsRawFd::as_raw_fd(fd);
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).unwrap();
        let line = info.lines().find(|line| line.starts_with("Pid:")).unwrap().to_owned();
        line.trim_start_matches("Pid:").trim().parse::<i32>().unwrap()
    };
    assert_eq!(pid_of(&socket.receive()), c.pid());
    c.start().ok();
    wait_ready(c.pid());
    let exec = Receiver::at(b.scratch("exec-pidfd"));
    let pid_file = b.scratch("pid");
    let cmd = b.verb("exec").args(["-d", "--pidfd-socket"]).arg(exec.path());
    cmd.arg("--pid-file").arg(&pid_file).args([b.id(), "/probe", "sleep"]).run().ok();
    assert_eq!(pid_of(&exec.receive()).to_string(), std::fs::read_to_string(&pid_file).unwrap());
    c.finish();
}
