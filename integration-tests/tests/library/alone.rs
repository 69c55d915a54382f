//! A process of its own for a test, with a watchdog.

use std::process::Command;
use std::thread;
use std::time::Duration;

use integration_tests::patience;

const CHILD: &str = "TEU_TEST_ALONE";
const LIMIT: Duration = Duration::from_secs(120);

/// Runs the body in a fresh process that executes nothing but this test; a closure's type tells the test's name.
pub fn alone(body: impl FnOnce()) {
    let path = std::any::type_name_of_val(&body);
    let name = path.trim_end_matches("::{{closure}}").split_once("::").unwrap().1;
    if std::env::var(CHILD).as_deref() == Ok(name) {
        thread::spawn(watch);
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .env("RUST_BACKTRACE", "0");
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|s| String::from_utf8_lossy(&s).into_owned());
    assert!(output.status.success(), "{}\n{}\n{}", output.status, text[0], text[1]);
    assert!(text[0].contains("1 passed"), "{name} was not run:\n{}", text[0]);
}

/// A hang must end, and say where.
fn watch() {
    let limit = patience(LIMIT);
    thread::sleep(limit);
    eprintln!("no end after {limit:?}; the threads wait in:");
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        eprintln!("{} {}", read("comm").trim_end(), read("syscall").trim_end());
    }
    std::process::abort();
}
