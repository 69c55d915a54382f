//! What may be typed: clap types, one file a verb. Parsing has no effects.

pub mod create;
pub mod delete;
pub mod exec;
pub mod features;
pub mod global;
pub mod kill;
pub mod list;
pub mod plan;
pub mod run;
pub mod signal;
pub mod spec;
pub mod start;
pub mod state;
mod usage;
pub mod user;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::cli::global::{Global, LogOptions};
use crate::failure::Failure;

/// Version of the runtime specification that teu follows.
pub const SPEC_VERSION: &str = "1.2.1";

/// Help of a verb without arguments, under runc's headings.
const HELP: &str = "\
NAME:
   {name} - {about}

USAGE:
   {usage}

OPTIONS:
{options}{after-help}
";

/// Help of a verb that takes a container's name.
const HELP_WITH_ID: &str = "\
NAME:
   {name} - {about}

USAGE:
   {usage}

ARGUMENTS:
{positionals}

OPTIONS:
{options}{after-help}
";

/// Help of teu itself.
const HELP_OF_ALL: &str = "\
NAME:
   {name} - {about}

USAGE:
   {usage}

COMMANDS:
{subcommands}

OPTIONS:
{options}
";

/// Open Container Initiative runtime
#[derive(Debug, Parser)]
#[command(
    name = "teu",
    bin_name = "teu",
    help_template = HELP_OF_ALL,
    args_override_self = true,
    disable_version_flag = true,
    subcommand_value_name = "command"
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,

    /// Print the version
    #[arg(short = 'v', long)]
    version: bool,

    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    Create(create::Create),
    Delete(delete::Delete),
    Exec(exec::Exec),
    Features(features::Features),
    Kill(kill::Kill),
    List(list::List),
    Plan(plan::Plan),
    Run(run::Run),
    Spec(spec::Spec),
    Start(start::Start),
    State(state::State),
}

/// What a command line amounts to.
#[expect(clippy::large_enum_variant, reason = "there is one of it in the life of the program")]
pub enum Request {
    /// Help or version: text for standard output.
    Text(String),
    /// A verb to be carried out.
    Verb(Global, Verb),
    /// Nothing that can be done, and where the log of it goes.
    Wrong(LogOptions, Failure),
}

/// Understands a command line, program name first.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Request {
    let args: Vec<OsString> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
        Ok(Cli { version: true, .. }) => Request::Text(version()),
        Ok(Cli { global, verb: Some(verb), .. }) => Request::Verb(global, verb),
        Ok(Cli { verb: None, .. }) => Request::Text(Cli::command().render_help().to_string()),
        Err(e) if e.kind() == ErrorKind::DisplayHelp => Request::Text(e.render().to_string()),
        Err(e) => Request::Wrong(usage::log_options(&args), usage::failure(&e)),
    }
}

/// Flags that take a path treat the empty string as not given, as runc's do.
pub fn non_empty(value: &OsString) -> Option<PathBuf> {
    (!value.is_empty()).then(|| PathBuf::from(value))
}

fn version() -> String {
    let commit = option_env!("TEU_COMMIT").map(|commit| format!("commit: {commit}\n"));
    format!(
        "teu version {}\n{}spec: {SPEC_VERSION}\n",
        env!("CARGO_PKG_VERSION"),
        commit.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests;
