//! What `create` and `run` share.

use std::ffi::{OsStr, OsString};
use std::str::FromStr;

use libteu::seccomp::{Filter, load_profile};
use libteu::{Console, CreateOptions};

use crate::cli::create::Setup;
use crate::cli::non_empty;
use crate::failure::Failure;
use crate::notify;
use crate::verb::Context;

/// Options for the library.
pub fn options(setup: &Setup) -> Result<CreateOptions, Failure> {
    let mut options = CreateOptions::default();
    options.pid_file = setup.pid_file();
    options.listen_fds = listen_fds();
    options.notify = notify::manager().is_some();
    options.preserve_fds = setup.preserve_fds;
    options.no_pivot = setup.no_pivot;
    options.no_new_keyring = setup.no_new_keyring;
    options.console = console(&setup.console_socket);
    options.pidfd_socket = non_empty(&setup.pidfd_socket);
    Ok(options)
}

/// The numeric flags of the filter, for `--debug`, in runc's words.
pub fn describe_filter(setup: &Setup, context: &Context<'_>) {
    if !context.global.log.debug {
        return;
    }
    if let Ok(Some(profile)) = load_profile(&setup.bundle())
        && let Ok(filter) = Filter::compile(&profile)
    {
        context.log.debug(format_args!("seccomp filter flags: {}", filter.flags()));
    }
}

/// `--console-socket`.
pub fn console(socket: &OsString) -> Console {
    non_empty(socket).map_or(Console::None, Console::Socket)
}

/// In the foreground a terminal is teu's own affair; the words are runc's.
pub fn foreground(console: Console) -> Result<Console, Failure> {
    match console {
        Console::None => Ok(Console::Keep { size: teu_foreground::Console::size }),
        _ => Err(Failure::ConsoleSocket),
    }
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
