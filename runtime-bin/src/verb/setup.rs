//! What `create` and `run` share.

use std::ffi::OsStr;
use std::str::FromStr;

use libteu::CreateOptions;

use crate::cli::create::Setup;
use crate::failure::Failure;

/// Options for the library.
pub fn options(setup: &Setup) -> Result<CreateOptions, Failure> {
    refuse("--console-socket", !setup.console_socket.is_empty())?;
    refuse("--no-pivot", setup.no_pivot)?;
    refuse("--pidfd-socket", !setup.pidfd_socket.is_empty())?;
    let mut options = CreateOptions::default();
    options.pid_file = setup.pid_file();
    options.listen_fds = listen_fds();
    options.preserve_fds = setup.preserve_fds;
    options.no_new_keyring = setup.no_new_keyring;
    Ok(options)
}

/// Says that a flag is known but of no use yet: nothing is ignored in silence.
pub fn refuse(what: &str, given: bool) -> Result<(), Failure> {
    if given { Err(Failure::Unsupported(format!("{what} is"))) } else { Ok(()) }
}

/// How many descriptors a service manager passed to this very process (sd_listen_fds(3)).
fn listen_fds() -> u32 {
    let number = |name: &str| std::env::var_os(name).and_then(|text| parsed(&text));
    match number("LISTEN_PID") {
        Some(pid) if pid == std::process::id() => number("LISTEN_FDS").unwrap_or(0),
        _ => 0,
    }
}

fn parsed<T: FromStr>(text: &OsStr) -> Option<T> {
    text.to_str()?.parse().ok()
}
