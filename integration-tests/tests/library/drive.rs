//! Short names for what every test here does with the library.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use integration_tests::{Bundle, Report};
use libteu::{
    Container, ContainerId, CreateOptions, ExecOptions, Process, Runtime, RuntimeOptions, Stdio,
};

/// The bundle's own state root.
pub fn runtime(bundle: &Bundle) -> Runtime {
    Runtime::new(bundle.root(), RuntimeOptions::default())
}

/// A written bundle whose process is the probe with these arguments.
pub fn bundle(args: &[&str]) -> Bundle {
    let bundle = Bundle::probe(args);
    bundle.write();
    bundle
}

/// The bundle's id with something behind it: what is left of it is found as the bundle's.
pub fn id(bundle: &Bundle, suffix: &str) -> ContainerId {
    format!("{}{suffix}", bundle.id()).parse().unwrap()
}

/// Creates, with `/dev/null` for all streams.
pub fn create(bundle: &Bundle, id: &ContainerId) -> libteu::Result<(Container, Process)> {
    runtime(bundle).create(id, &bundle.path(), with_stdio(null()))
}

/// A running container, and its process.
pub fn started(bundle: &Bundle, id: &ContainerId) -> (Container, Process) {
    let (container, init) = create(bundle, id).unwrap();
    container.start().unwrap();
    (container, init)
}

/// Options with these streams.
pub fn with_stdio(stdio: Stdio) -> CreateOptions {
    let mut options = CreateOptions::default();
    options.stdio = stdio;
    options
}

/// `/dev/null` three times.
pub fn null() -> Stdio {
    Stdio::Fds([(); 3].map(|()| dev_null()))
}

/// `/dev/null`, and a pipe for the output.
pub fn piped() -> (Stdio, File) {
    let (reader, writer) = std::io::pipe().unwrap();
    (Stdio::Fds([dev_null(), writer.into(), dev_null()]), OwnedFd::from(reader).into())
}

fn dev_null() -> OwnedFd {
    File::options().read(true).write(true).open("/dev/null").unwrap().into()
}

/// An exec of the probe.
pub fn probe(args: &[&str], stdio: Stdio) -> ExecOptions {
    let mut options = ExecOptions::default();
    options.args =
        std::iter::once("/probe").chain(args.iter().copied()).map(String::from).collect();
    options.stdio = stdio;
    options
}

/// Executes the probe to its end: its exit code.
pub fn exec(container: &Container, args: &[&str]) -> Option<i32> {
    container.exec(probe(args, null())).unwrap().wait().unwrap().code()
}

/// All that comes out of a pipe.
pub fn text(mut pipe: File) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

/// What `probe report` has written there.
pub fn report(pipe: File) -> Report {
    Report(serde_json::from_str(&text(pipe)).unwrap())
}

/// Runs the bundle to its end: what it wrote, and its exit code.
pub fn run(bundle: &Bundle, id: &ContainerId) -> (String, Option<i32>) {
    let (stdio, pipe) = piped();
    let (container, init) = runtime(bundle).run(id, &bundle.path(), with_stdio(stdio)).unwrap();
    let (text, status) = (text(pipe), init.wait().unwrap());
    container.delete(false).unwrap();
    (text, status.code())
}

/// A field of a process's status.
pub fn status_field(pid: impl std::fmt::Display, field: &str) -> String {
    field_of(Path::new(&format!("/proc/{pid}/status")), field)
}

/// A field of a file in the form of `/proc/PID/status`.
pub fn field_of(file: &Path, field: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    value.unwrap_or_else(|| panic!("no {field} in {}", file.display())).trim().to_owned()
}
