//! The status of `run` and `exec`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use integration_tests::{Bundle, Runtime, Terminal, json, require};

#[test]
fn run_passes_the_exit_status_on() {
    require!("container");
    let mut b = Bundle::new();
    for status in [0, 1, 7, 126, 127, 255] {
        b.args(&["exit", &status.to_string()]);
        b.run().exits(status);
    }
}

#[test]
fn a_process_killed_by_a_signal_gives_128_and_the_signal() {
    require!("root");
    let mut b = Bundle::new();
    b.without_namespace("pid");
    b.args(&["kill-self", "SIGUSR1"]);
    assert_eq!(b.run().status, 128 + 10);
    b.args(&["kill-self", "SIGKILL"]);
    assert_eq!(b.run().status, 128 + 9);
}

#[test]
fn a_process_killed_from_outside_gives_137() {
    require!("container");
    let b = Bundle::probe(&["trap"]);
    let run = b.run_cmd(&[]).spawn();
    run.wait_for("ready");
    b.verb("kill").args([b.id(), "KILL"]).run().ok();
    run.wait().exits(137);
    b.assert_clean();
}

#[test]
fn a_missing_executable_is_an_error_that_engines_know() {
    require!("container");
    let mut b = Bundle::new();
    for (name, words) in [
        ("/no/such/file", ["no such file or directory", "executable file"]),
        (
            "no-such-name",
            ["executable file not found in $PATH", "executable file `no-such-name` not found"],
        ),
    ] {
        b.set("/process/args", json!([name]));
        b.run().fails_with(&words);
        b.try_create().fails_with(&words);
        b.assert_clean();
    }
}

#[test]
fn a_file_without_execute_permission_is_permission_denied() {
    require!("container");
    let mut b = Bundle::new();
    let file = b.file("plain", "#!/probe\n");
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    b.set("/process/args", json!(["/plain"]));
    b.run().fails_with(&["permission denied"]);
}

#[test]
fn a_directory_is_not_an_executable() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/process/args", json!(["/etc"]));
    // Not "is a directory" alone, which docker 20.10 takes for an error of its own.
    b.run().fails_with(&["permission denied"]);
}

#[test]
fn a_file_of_no_known_format_fails_and_leaves_nothing() {
    require!("container");
    let mut b = Bundle::new();
    let file = b.file("garbage", "neither ELF nor script");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    b.set("/process/args", json!(["/garbage"]));
    let run = b.run().fails_with(&["exec /garbage: exec format error"]);
    assert!(!Runtime::get().is_teu() || run.status == 255, "{run:?}");
}

/// Engines find the reason where a program's own messages are, and restart what has ended.
#[test]
fn a_created_container_whose_program_is_refused_has_been_started() {
    require!("container");
    let mut b = Bundle::new();
    let file = b.file("garbage", "neither ELF nor script");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    b.set("/process/args", json!(["/garbage"]));
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    assert!(c.stderr().to_lowercase().contains("exec format error"), "{}", c.stderr());
    c.finish();
}

#[test]
fn at_a_terminal_the_reason_is_told_as_well() {
    require!("container");
    let mut b = Bundle::new();
    let file = b.file("script", "#!/no/interpreter\n");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    b.set("/process/args", json!(["/script"])).set("/process/terminal", true);
    let mut terminal = Terminal::new();
    let running = terminal.spawn(b.run_cmd(&[]));
    terminal.wait_for("o such file or directory");
    running.wait().fails();
    b.assert_clean();
}

#[test]
fn a_script_with_a_missing_interpreter_fails_and_leaves_nothing() {
    require!("container");
    let mut b = Bundle::new();
    let file = b.file("script", "#!/no/interpreter\n");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    b.set("/process/args", json!(["/script"]));
    b.run().fails_with(&["no such file or directory"]);
}

#[test]
fn errors_go_to_stderr_and_to_the_log() {
    require!("container");
    let mut b = Bundle::new();
    b.set("/process/args", json!(["/no/such/file"]));
    b.write();
    let log = b.scratch("log.json");
    let cmd =
        integration_tests::Runtime::get().bare().arg("--root").arg(b.root()).arg("--log").arg(&log);
    let cmd = cmd.args(["--log-format", "json", "run", "--bundle"]).arg(b.path()).arg(b.id());
    cmd.run().fails_with(&["/no/such/file"]);
    let text = fs::read_to_string(log).unwrap();
    let last: integration_tests::Value =
        serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["level"], "error");
    assert!(last["msg"].as_str().unwrap().contains("/no/such/file"), "{last}");
    assert!(last["time"].is_string(), "{last}");
}
