//! clap's complaints in runc's words.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Command};

use crate::cli::global::{Global, LogOptions};
use crate::failure::Failure;

/// Verbs of runc that teu does not have yet.
const LATER: [&str; 7] = ["checkpoint", "events", "pause", "ps", "restore", "resume", "update"];

/// Turns clap's error into one line and the verb's usage.
pub fn failure(error: &clap::Error) -> Failure {
    let usage = context(error, ContextKind::Usage).unwrap_or_default();
    let stray = context(error, ContextKind::InvalidArg);
    let message = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            return unknown_verb(&context(error, ContextKind::InvalidSubcommand));
        }
        ErrorKind::MissingRequiredArgument => wrong_count(&usage, Count::TooFew),
        ErrorKind::UnknownArgument if stray.is_some_and(|a| !a.starts_with('-')) => {
            wrong_count(&usage, Count::TooMany)
        }
        _ => first_line(error),
    };
    Failure::Usage { message, usage }
}

/// The log's flags of a command line that makes no sense as a whole: the error belongs into the
/// log that the caller reads. From the verb on nothing is looked at.
pub fn log_options(args: &[OsString]) -> LogOptions {
    Global::augment_args(Command::new("teu"))
        .ignore_errors(true)
        .allow_external_subcommands(true)
        .try_get_matches_from(args)
        .and_then(|matches| clap::FromArgMatches::from_arg_matches(&matches))
        .unwrap_or_default()
}

fn unknown_verb(name: &Option<String>) -> Failure {
    let name = name.as_deref().unwrap_or_default();
    if LATER.contains(&name) {
        return Failure::Unsupported(format!("{name:?} is"));
    }
    Failure::Usage {
        message: format!("unknown command {name:?}. No help topic for '{name}'"),
        usage: "Usage: teu [OPTIONS] [command]".to_owned(),
    }
}

enum Count {
    TooFew,
    TooMany,
}

/// `teu: "create" requires exactly 1 argument(s)`: runc's words, which its callers know.
fn wrong_count(usage: &str, count: Count) -> String {
    let verb = usage.split_whitespace().nth(2).unwrap_or_default();
    let rule = match (verb, count) {
        ("features" | "list" | "spec", _) => "exactly 0",
        ("exec" | "kill", Count::TooFew) => "a minimum of 1",
        ("kill", Count::TooMany) => "a maximum of 2",
        ("plan", _) => "a maximum of 1",
        _ => "exactly 1",
    };
    format!("teu: {verb:?} requires {rule} argument(s)")
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        _ => None,
    }
}
