//! clap's complaints in runc's words.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::program;
use crate::failure::Failure;

/// Turns clap's error into one line and the verb's usage.
pub fn failure(verb: &str, error: &clap::Error) -> Failure {
    let usage = context(error, ContextKind::Usage).unwrap_or_default();
    let stray = context(error, ContextKind::InvalidArg);
    let message = match error.kind() {
        ErrorKind::MissingRequiredArgument => wrong_count(verb, Count::TooFew),
        ErrorKind::UnknownArgument if stray.is_some_and(|a| !a.starts_with('-')) => {
            wrong_count(verb, Count::TooMany)
        }
        _ => first_line(error),
    };
    Failure::Usage { message, usage }
}

/// The complaint about a verb that is not there.
pub fn unknown_verb(name: &str) -> Failure {
    Failure::Usage {
        message: format!("unknown command {name:?}. No help topic for '{name}'"),
        usage: format!("Usage: {} [OPTIONS] [command]", program()),
    }
}

enum Count {
    TooFew,
    TooMany,
}

/// `teu: "create" requires exactly 1 argument(s)`: runc's words, which its callers know.
fn wrong_count(verb: &str, count: Count) -> String {
    let rule = match (verb, count) {
        ("features" | "gc" | "list" | "spec", _) => "exactly 0",
        ("exec" | "kill" | "ps", Count::TooFew) => "a minimum of 1",
        ("kill", Count::TooMany) => "a maximum of 2",
        ("plan", _) => "a maximum of 1",
        _ => "exactly 1",
    };
    format!("{}: {verb:?} requires {rule} argument(s)", program())
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
