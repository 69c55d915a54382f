//! `--pid-file`.

use std::fs;

use integration_tests::{Bundle, require};

#[test]
fn create_writes_the_pid_as_digits_and_nothing_else() {
    require!("container");
    let b = Bundle::probe(&["sleep"]);
    let file = b.scratch("the.pid");
    let c = b.create_with(&["--pid-file", file.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(file).unwrap(), c.pid().to_string());
}

#[test]
fn run_detached_writes_the_pid() {
    require!("container");
    let b = Bundle::probe(&["sleep"]);
    let file = b.scratch("the.pid");
    b.run_cmd(&["--detach", "--pid-file", file.to_str().unwrap()]).run().ok();
    let state = b.verb("state").arg(b.id()).run().ok().json();
    assert_eq!(fs::read_to_string(file).unwrap(), state["pid"].to_string());
}

#[test]
fn the_pid_file_is_put_in_place_whole() {
    require!("container");
    integration_tests::known_difference!("pid-file-rename");
    let b = Bundle::probe(&["sleep"]);
    let file = b.scratch("the.pid");
    fs::write(&file, "an old file").unwrap();
    let old = fs::File::open(&file).unwrap();
    b.create_with(&["--pid-file", file.to_str().unwrap()]);
    // Renamed over: whoever had the old file open still reads the old text.
    assert_eq!(std::io::read_to_string(old).unwrap(), "an old file");
}

#[test]
fn a_pid_file_that_cannot_be_written_fails_create_and_leaves_nothing() {
    require!("container");
    let b = Bundle::probe(&["sleep"]);
    b.write();
    let create = b.verb("create").args(["--pid-file", "/no/such/dir/pid", "--bundle"]);
    create.arg(b.path()).arg(b.id()).run().fails();
    b.assert_clean();
}
