//! teu: an OCI runtime with runc's command line.
//!
//! `cli` says what may be typed, `verb` turns it into calls of the library, `output` and `log`
//! print. What a container is and how it starts is libteu's business alone.

mod cli;
mod failure;
mod features;
mod log;
mod notify;
mod output;
mod privilege;
mod spec;
mod verb;

use std::process::ExitCode;

use crate::cli::Parsed;
use crate::failure::Failure;
use std::sync::Arc;

use crate::log::Log;

fn main() -> ExitCode {
    let mut log = Arc::new(Log::default());
    let result = run(&mut log);
    if let Err(failure) = &result
        && !failure.is_reader_gone()
    {
        failure.usage().into_iter().for_each(output::usage);
        log.error(failure);
    }
    ExitCode::from(match result {
        Ok(status) => status,
        Err(failure) if failure.is_reader_gone() => 0,
        Err(Failure::Exec(_)) => 255,
        Err(_) => 1,
    })
}

/// Does what the command line asks for. The number is the status to exit with: that of the
/// container's process where teu stayed in the foreground for it.
fn run(log: &mut Arc<Log>) -> Result<u8, Failure> {
    privilege::refuse_gained()?;
    let (global, words) = match cli::global(std::env::args_os())? {
        Parsed::Answer(text) => return output::text(&text).map(|()| 0),
        Parsed::Request(request) => request,
    };
    *log = Arc::new(Log::open(&global.log)?);
    match cli::verb(words)? {
        Parsed::Answer(text) => output::text(&text).map(|()| 0),
        Parsed::Request(verb) => verb::run(verb, &verb::Context { global: &global, log }),
    }
}
