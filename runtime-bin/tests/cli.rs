//! The built binary from the outside: what it prints where, and how it exits. Nothing here needs
//! privileges or starts a container.
//!
//! Help texts are compared with tests/golden; `BLESS=1 cargo test` writes them anew.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Status, standard output, standard error.
type Seen = (i32, String, String);

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_teu"));
    command.args(args).env_remove("XDG_RUNTIME_DIR").stdin(Stdio::null());
    command
}

fn seen(command: &mut Command) -> Seen {
    // A copy of the binary that is still open for writing in a child another test's thread has
    // just forked cannot be executed yet.
    let mut output = command.output();
    while matches!(&output, Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy) {
        std::thread::yield_now();
        output = command.output();
    }
    let output = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn teu(args: &[&str]) -> Seen {
    seen(&mut command(args))
}

/// `msg` of the last line of standard error.
fn text_message(stderr: &str) -> &str {
    let line = stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("time=\"2"), "{stderr}");
    line.split_once(" level=error msg=").map_or("", |(_, message)| message)
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, wanted, "{} differs; BLESS=1 writes it anew", path.display());
}

fn json_file(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn help_is_as_reviewed() {
    let verbs = [
        "completion",
        "create",
        "delete",
        "events",
        "exec",
        "features",
        "gc",
        "kill",
        "list",
        "man",
        "pause",
        "plan",
        "ps",
        "resume",
        "run",
        "seccomp",
        "spec",
        "start",
        "state",
        "update",
    ];
    let (status, all, _) = teu(&["--help"]);
    assert_eq!(status, 0);
    assert_eq!(teu(&[]), (0, all.clone(), String::new()));
    golden("help.txt", &all);
    for verb in verbs {
        let (status, text, _) = teu(&[verb, "--help"]);
        assert_eq!((status, &text), (0, &teu(&[verb, "-h"]).1), "{verb}");
        assert!(text.starts_with(&format!("NAME:\n   teu {verb} - ")), "{text}");
        assert_eq!(text, teu(&["help", verb]).1);
        golden(&format!("help-{verb}.txt"), &text);
    }
}

#[test]
fn version_is_what_engines_parse() {
    let (status, text, stderr) = teu(&["--version"]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    let first = format!("teu version {}", env!("CARGO_PKG_VERSION"));
    assert_eq!(text.lines().next(), Some(first.as_str()));
    assert!(text.lines().last().unwrap().starts_with("spec: 1."));
    assert_eq!(teu(&["-v"]).1, text);
}

#[test]
fn called_as_runc_it_speaks_of_runc() {
    use std::os::unix::process::CommandExt;
    let called = |args: &[&str]| seen(command(args).arg0("/usr/bin/runc"));
    let help = called(&["run", "-h"]).1;
    assert!(help.starts_with("NAME:\n   runc run - "), "{help}");
    let help = called(&["-h"]).1;
    assert!(help.starts_with("NAME:\n   runc - Open Container Initiative runtime"), "{help}");
    let error = called(&["run", "--bundle", "/nowhere", "x"]).2;
    assert!(text_message(&error).starts_with("\"runc run failed: "), "{error}");
    // What is asked for its version tells the truth.
    assert!(called(&["--version"]).1.starts_with("teu version "));
}

#[test]
fn debug_tells_of_the_flags_of_the_filter() {
    let dir = tempfile::tempdir().unwrap();
    let config = r#"{"ociVersion": "1.0.0", "root": {"path": "missing"}, "linux": {"seccomp":
        {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]}}}"#;
    std::fs::write(dir.path().join("config.json"), config).unwrap();
    let args = ["--debug", "run", "--bundle", dir.path().to_str().unwrap(), "x"];
    let seen = teu(&args);
    assert!(seen.2.contains("msg=\"seccomp filter flags: 2\""), "{}", seen.2);
}

#[test]
fn usage_errors_exit_1_and_say_how_it_is_done() {
    let (status, stdout, stderr) = teu(&["create"]);
    assert_eq!((status, stdout.as_str()), (1, ""));
    assert!(stderr.starts_with("Usage: teu create <container-id>\n"), "{stderr}");
    let message = r#""teu: \"create\" requires exactly 1 argument(s)""#;
    assert_eq!(text_message(&stderr), message);
    for args in [&["foo"][..], &["--bogus"], &["list", "--bogus"], &["kill", "x", "FOO"], &["exec"]]
    {
        assert_eq!(teu(args).0, 1, "{args:?}");
    }
}

#[test]
fn errors_go_to_the_log_and_in_plain_words_to_standard_error() {
    let directory = TempDir::new().unwrap();
    let log = directory.path().join("log.json");
    let name = log.to_str().unwrap();
    let json = ["--log", name, "--log-format", "json"];
    let (status, _, stderr) = teu(&[&json[..], &["start"]].concat());
    assert_eq!(status, 1);
    assert!(stderr.ends_with("teu: \"start\" requires exactly 1 argument(s)\n"), "{stderr}");
    assert!(!stderr.contains("level=error"), "{stderr}");
    assert_eq!(teu(&[&json[..], &["kill", "x", "0"]].concat()).0, 1);

    let text = fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["msg"], "teu: \"start\" requires exactly 1 argument(s)");
    assert_eq!(lines[1]["msg"], "container does not exist");
    assert!(lines.iter().all(|l| l["level"] == "error" && l["time"].is_string()));
}

#[test]
fn a_log_that_cannot_be_opened_stops_everything() {
    let (status, _, stderr) = teu(&["--log", "/nonexistent/log", "features"]);
    assert_eq!(status, 1);
    let message = text_message(&stderr);
    assert!(message.contains("open log /nonexistent/log: ENOENT: no such file"), "{message}");
}

#[test]
fn an_exec_of_nothing_is_refused() {
    let root = TempDir::new().unwrap();
    let root = ["--root", root.path().to_str().unwrap()];
    let (status, _, stderr) = teu(&[&root[..], &["exec", "x"]].concat());
    assert_eq!(
        (status, text_message(&stderr)),
        (255, "\"exec failed: exec args cannot be empty\"")
    );
}

#[test]
fn socket_activation_counts_only_if_it_is_meant_for_teu() {
    let bundle = TempDir::new().unwrap();
    let bundle = bundle.path().to_str().unwrap();
    let args = ["--root", bundle, "create", "--bundle", bundle, "x"];
    let (_, _, stderr) = seen(command(&args).env("LISTEN_FDS", "1").env("LISTEN_PID", "1"));
    assert!(!stderr.contains("LISTEN_FDS"), "{stderr}");
    let script = r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&-"#;
    let mut shell = Command::new("sh");
    let (status, _, stderr) =
        seen(shell.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_teu")).args(args));
    assert_eq!(status, 1);
    assert!(stderr.contains("descriptor 3 of"), "{stderr}");
}

#[test]
fn listing_nothing() {
    let root = TempDir::new().unwrap();
    let path = root.path().to_str().unwrap();
    let header = "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n";
    assert_eq!(teu(&["--root", path, "list"]).1, header);
    assert_eq!(teu(&["--root", path, "list", "-f", "json"]).1, "null\n");
    assert_eq!(teu(&["--root", path, "list", "-q"]).1, "");
    assert_eq!(teu(&["--root", "/nonexistent", "list"]).0, 1);
}

#[test]
fn users_without_privileges_get_a_root_that_is_not_pruned() {
    let runtime_dir = TempDir::new().unwrap();
    fs::set_permissions(runtime_dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    // Nobody may not be allowed to look into the directory of the build.
    let binary = runtime_dir.path().join("binary");
    fs::copy(env!("CARGO_BIN_EXE_teu"), &binary).unwrap();
    let mut command = Command::new(binary);
    command.args(["create", "--bundle", "/nonexistent", "x"]);
    command.env("XDG_RUNTIME_DIR", runtime_dir.path());
    if nix::unistd::geteuid().is_root() {
        command.uid(65534);
    }
    assert_eq!(seen(&mut command).0, 1);
    let mode = fs::metadata(runtime_dir.path().join("teu")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o1700);
}

#[test]
fn spec_writes_runcs_starter_file_once() {
    let bundle = TempDir::new().unwrap();
    let args = ["spec", "--bundle", bundle.path().to_str().unwrap()];
    assert_eq!(teu(&args).0, 0);
    let config = json_file(bundle.path().join("config.json"));
    // Independent of src/config: the values of runc's own starter file.
    let mut wanted =
        json_file(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/spec.json"));
    let namespaces = config["linux"]["namespaces"].as_array().unwrap();
    if namespaces.contains(&json!({"type": "cgroup"})) {
        wanted["linux"]["namespaces"].as_array_mut().unwrap().push(json!({"type": "cgroup"}));
    }
    assert_eq!(config, wanted);

    let (status, _, stderr) = teu(&args);
    assert_eq!(status, 1);
    assert!(stderr.contains("File config.json exists. Remove it first"), "{stderr}");
}

#[test]
fn spec_for_users_without_privileges_maps_them() {
    let bundle = TempDir::new().unwrap();
    assert_eq!(seen(command(&["spec", "--rootless"]).current_dir(&bundle)).0, 0);
    let config = json_file(bundle.path().join("config.json"));
    let uid = nix::unistd::geteuid().as_raw();
    assert_eq!(
        config["linux"]["uidMappings"],
        json!([{"containerID": 0, "hostID": uid, "size": 1}])
    );
}

#[test]
fn features_is_as_reviewed() {
    let (status, text, _) = teu(&["features"]);
    assert_eq!(status, 0);
    let mut document: Value = serde_json::from_str(&text).unwrap();
    document["annotations"].as_object_mut().unwrap().remove("teu.commit");
    // Depends on the kernel.
    let seccomp = document["linux"]["seccomp"].as_object_mut().unwrap();
    let supported = seccomp.remove("supportedFlags").unwrap();
    let known = seccomp["knownFlags"].as_array().unwrap();
    let supported = supported.as_array().unwrap();
    assert!(supported.len() > 2 && supported.iter().all(|flag| known.contains(flag)), "{text}");
    golden("features.json", &format!("{document:#}\n"));
    assert!(text.starts_with("{\n    \"ociVersionMin\": \"1.0.0\""), "{text}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (status, _, stderr) = seen(command(&["features"]).stdout(writer));
    assert_eq!((status, stderr.as_str()), (0, ""));
}

#[test]
fn a_full_disk_is_an_error() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (status, _, stderr) = seen(command(&["features"]).stdout(full));
    assert_eq!(status, 1);
    assert!(stderr.contains("write standard output: ENOSPC: no space left"), "{stderr}");
}

#[test]
fn arguments_that_are_not_text_are_refused() {
    use std::os::unix::ffi::OsStrExt;
    let mut command = command(&["start"]);
    let (status, _, stderr) = seen(command.arg(OsStr::from_bytes(b"\xff")));
    assert_eq!(status, 1);
    assert!(stderr.contains("UTF-8"), "{stderr}");
}
