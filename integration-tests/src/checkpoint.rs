//! Containers for CRIU, and where it puts what.

use std::fs;
use std::path::PathBuf;

use crate::{Bundle, Cmd, Container, Kind, Outcome, Runtime, wait_until};

/// What CRIU can reopen: a file of the harness lies outside of the container.
pub const NOWHERE: &str = "exec \"$@\" </dev/null >/dev/null 2>&1";

/// A container that counts in /count.
pub fn counter() -> Bundle {
    Bundle::probe(&["count", "/count"])
}

/// Starts it in the background, with nothing of the harness's as its streams.
#[track_caller]
pub fn start(b: &Bundle) -> Container<'_> {
    b.run_cmd(&["--detach"]).through_shell(NOWHERE).run().ok();
    b.container()
}

/// Where the images are.
pub fn images(b: &Bundle) -> PathBuf {
    b.scratch("images")
}

/// CRIU may change options of the whole cgroup v2 hierarchy, unless it leaves cgroups alone (checkpoint-restore/criu
/// issue 3029), which runc cannot ask for before 1.2.
fn with_images(b: &Bundle, verb: &str) -> Cmd {
    let mut cmd = b.verb(verb);
    if Runtime::get().kind() != Kind::Runc {
        cmd = cmd.args(["--manage-cgroups-mode", "ignore"]);
    }
    cmd.arg("--image-path").arg(images(b)).arg("--work-path").arg(b.scratch("work"))
}

/// `checkpoint`, with further flags.
pub fn checkpoint(b: &Bundle, flags: &[&str]) -> Outcome {
    checkpoint_cmd(b, flags).run()
}

/// The same, not yet started.
pub fn checkpoint_cmd(b: &Bundle, flags: &[&str]) -> Cmd {
    with_images(b, "checkpoint").args(flags).arg(b.id())
}

/// `restore`, with further flags, not yet started.
pub fn restore_cmd(b: &Bundle, flags: &[&str]) -> Cmd {
    restore_as(b, flags, b.id())
}

/// The same under another id.
pub fn restore_as(b: &Bundle, flags: &[&str], id: &str) -> Cmd {
    with_images(b, "restore").args(flags).arg("--bundle").arg(b.path()).arg(id)
}

/// `checkpoint --pre-dump` into a directory of that name.
pub fn pre_dump(b: &Bundle, name: &str) -> Outcome {
    let cmd = with_images(b, "checkpoint").arg("--pre-dump");
    cmd.arg("--image-path").arg(b.scratch(name)).arg(b.id()).run()
}

/// Restores it in the background.
#[track_caller]
pub fn restore(b: &Bundle) -> Container<'_> {
    let done = restore_cmd(b, &["--detach"]).through_shell(NOWHERE).run();
    assert_eq!(done.status, 0, "{}", log(b, "restore.log"));
    b.container()
}

/// What CRIU has logged.
pub fn log(b: &Bundle, name: &str) -> String {
    fs::read_to_string(b.scratch("work").join(name)).unwrap_or_default()
}

/// A counter's number, its count, and its pid.
pub fn count(b: &Bundle) -> (u128, u64, u32) {
    let text = fs::read_to_string(b.rootfs().join("count")).unwrap_or_default();
    let mut fields = text.split_whitespace();
    let mut next = || fields.next().unwrap_or("0");
    (next().parse().unwrap(), next().parse().unwrap(), next().parse().unwrap())
}

/// Waits until it has counted on.
#[track_caller]
pub fn counted(b: &Bundle) -> (u128, u64, u32) {
    let (_, before, _) = count(b);
    wait_until("it counts", || count(b).1 > before);
    count(b)
}
