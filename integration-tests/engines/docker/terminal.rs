//! `-t`: a terminal inside, on a terminal outside.

use integration_tests::Terminal;
use integration_tests::engine::Docker;

tests! { shared:
    a_shell_in_a_terminal,
    keys_reach_the_foreground,
    detached_and_attached_again,
    a_terminal_without_anybody_at_it,
    output_is_complete_at_the_end,
}

fn a_shell_in_a_terminal(docker: &Docker) {
    let mut terminal = Terminal::new();
    let before = terminal.settings();
    let shell = terminal.spawn(docker.run_cmd(&["--rm", "-it", "-h", "box"], &["sh"]));
    terminal.wait_for("# ");
    assert!(terminal.is_raw());
    // The client tells of the size when the process already runs.
    terminal.type_until("stty size\n", "30 100");
    terminal.type_in("tty; ls -l /dev/console; echo $TERM, $((6 * 7))\n");
    for text in ["/dev/pts/0", "/dev/console", "xterm, 42"] {
        terminal.wait_for(text);
    }
    terminal.resize(50, 132);
    terminal.type_until("stty size\n", "50 132");
    terminal.type_in("exit 5\n");
    shell.wait().exits(5);
    assert_eq!(terminal.settings(), before);
}

fn keys_reach_the_foreground(docker: &Docker) {
    let mut terminal = Terminal::new();
    let script = "trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.1; done";
    let run = terminal.spawn(docker.run_cmd(&["--rm", "-it"], &["sh", "-c", script]));
    terminal.wait_for("ready");
    terminal.type_in("\x03");
    terminal.wait_for("interrupted");
    run.wait().exits(3);
}

fn detached_and_attached_again(docker: &Docker) {
    let box_ = docker.create(&["-it"], &["sh"]);
    let mut first = Terminal::new();
    let started = first.spawn(docker.client(&["start", "-ai", box_.id()]));
    first.wait_for("# ");
    first.type_in("KEPT=value\n");
    first.type_in("\x10\x11");
    started.wait().ok();
    assert_eq!(box_.status(), "running");
    let mut second = Terminal::new();
    let attached = second.spawn(docker.client(&["attach", box_.id()]));
    second.type_in("\n");
    second.wait_for("# ");
    second.type_in("echo again $KEPT; exit 9\n");
    second.wait_for("again value");
    attached.wait().exits(9);
    assert_eq!(box_.wait(), 9);
}

fn a_terminal_without_anybody_at_it(docker: &Docker) {
    let box_ =
        docker.start_container(&["-t"], &["sh", "-c", "tty; ls /proc/self/fd | wc -l; echo end"]);
    assert_eq!(box_.wait(), 0);
    let out = box_.logs().stdout;
    assert!(out.starts_with("/dev/pts/0\r\n") && out.ends_with("end\r\n"), "{out:?}");
}

fn output_is_complete_at_the_end(docker: &Docker) {
    let script = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i + 1)); done";
    let mut terminal = Terminal::new();
    let run = terminal.spawn(docker.run_cmd(&["--rm", "-t"], &["sh", "-c", script]));
    // Without `-i` the outer terminal is not raw, and adds a carriage return of its own.
    terminal.wait_for("line 1999\r");
    run.wait().ok();
    assert_eq!(terminal.seen().matches("line ").count(), 2000);
    let plain = docker.run(&["--rm"], &["sh", "-c", script]).ok().stdout;
    assert_eq!(plain.lines().count(), 2000);
}
