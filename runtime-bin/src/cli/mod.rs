//! What may be typed: clap types, one file a verb. Parsing has no effects.
//!
//! Two steps: the flags before the verb, then the verb's own. In between the log is opened, so that
//! a wrong use of a verb is logged where the caller looks.

mod bytes;
pub mod cgroup;
pub mod create;
pub mod delete;
mod duration;
pub mod events;
pub mod exec;
pub mod features;
pub mod format;
pub mod global;
pub mod kill;
pub mod list;
pub mod pause;
pub mod plan;
pub mod ps;
pub mod resume;
pub mod run;
pub mod seccomp;
pub mod signal;
pub mod spec;
pub mod start;
pub mod state;
pub mod update;
mod usage;
pub mod user;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Command, CommandFactory, Parser, Subcommand};

use crate::cli::global::Global;
use crate::failure::Failure;

/// Version of the runtime specification that teu follows.
pub const SPEC_VERSION: &str = "1.3.0";

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

/// What teu is, in the words by which its kind is known.
const ABOUT: &str = "Open Container Initiative runtime";

/// The command line up to the verb.
#[derive(Debug, Parser)]
#[command(
    name = "teu",
    about = ABOUT,
    bin_name = "teu",
    help_template = HELP_OF_ALL,
    args_override_self = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    subcommand_value_name = "command"
)]
struct Cli {
    #[command(flatten)]
    global: Global,

    /// Print the version
    #[arg(short = 'v', long)]
    version: bool,

    #[command(subcommand)]
    words: Option<Words>,
}

/// The verb's name and all that follows, looked at later: to describe every flag of every verb
/// takes longer than everything else teu does before it calls the library.
#[derive(Debug, Subcommand)]
enum Words {
    #[command(external_subcommand)]
    Words(Vec<OsString>),
}

/// What is to be done.
#[derive(Debug, Subcommand)]
#[command(about = ABOUT)]
pub enum Verb {
    Create(create::Create),
    Delete(delete::Delete),
    Events(events::Events),
    Exec(exec::Exec),
    Features(features::Features),
    Kill(kill::Kill),
    List(list::List),
    Pause(pause::Pause),
    Plan(plan::Plan),
    Ps(ps::Ps),
    Resume(resume::Resume),
    Run(run::Run),
    Seccomp(seccomp::Seccomp),
    Spec(spec::Spec),
    Start(start::Start),
    State(state::State),
    Update(update::Update),
}

/// What was typed: either a question about teu itself, or what it was meant for.
#[derive(Debug)]
pub enum Parsed<T> {
    /// Help or version: text for standard output.
    Answer(String),
    /// To be carried out.
    Request(T),
}

/// Reads the command line up to the verb; the rest is for [`verb`].
pub fn global(
    args: impl IntoIterator<Item = OsString>,
) -> Result<Parsed<(Global, Vec<OsString>)>, Failure> {
    match Cli::try_parse_from(args) {
        Ok(Cli { version: true, .. }) => Ok(Parsed::Answer(version())),
        Ok(Cli { global, words: Some(Words::Words(words)), .. }) => {
            Ok(Parsed::Request((global, words)))
        }
        Ok(Cli { words: None, .. }) => Ok(Parsed::Answer(help())),
        Err(e) if e.kind() == ErrorKind::DisplayHelp => Ok(Parsed::Answer(help())),
        Err(e) => Err(usage::failure("", &e)),
    }
}

/// Reads the verb and what follows it.
pub fn verb(words: &[OsString]) -> Result<Parsed<Verb>, Failure> {
    let name = words.first().and_then(|word| word.to_str()).unwrap_or_default();
    match name {
        "create" => one(name, words, Verb::Create),
        "delete" => one(name, words, Verb::Delete),
        "events" => one(name, words, Verb::Events),
        "exec" => one(name, words, Verb::Exec),
        "features" => one(name, words, Verb::Features),
        "kill" => one(name, words, Verb::Kill),
        "list" => one(name, words, Verb::List),
        "pause" => one(name, words, Verb::Pause),
        "plan" => one(name, words, Verb::Plan),
        "ps" => one(name, words, Verb::Ps),
        "resume" => one(name, words, Verb::Resume),
        "run" => one(name, words, Verb::Run),
        "seccomp" => one(name, words, Verb::Seccomp),
        "spec" => one(name, words, Verb::Spec),
        "start" => one(name, words, Verb::Start),
        "state" => one(name, words, Verb::State),
        "update" => one(name, words, Verb::Update),
        "help" | "h" => help_on(words.get(1)),
        _ => Err(usage::unknown_verb(name)),
    }
}

/// Reads the words of one verb, whose flags alone are described to clap.
fn one<A: Args>(
    name: &str,
    words: &[OsString],
    wrap: impl Fn(A) -> Verb,
) -> Result<Parsed<Verb>, Failure> {
    let path = format!("teu {name}");
    let command = A::augment_args(Command::new("teu").args_override_self(true))
        .bin_name(&path)
        .display_name(path);
    let parsed = command.try_get_matches_from(words).and_then(|m| A::from_arg_matches(&m));
    match parsed {
        Ok(args) => Ok(Parsed::Request(wrap(args))),
        Err(e) if e.kind() == ErrorKind::DisplayHelp => Ok(Parsed::Answer(e.to_string())),
        Err(e) => Err(usage::failure(name, &e)),
    }
}

/// `teu help` and `teu help run`.
fn help_on(name: Option<&OsString>) -> Result<Parsed<Verb>, Failure> {
    match name {
        Some(name) => verb(&[name.clone(), "--help".into()]),
        None => Ok(Parsed::Answer(help())),
    }
}

fn help() -> String {
    all().render_help().to_string()
}

/// teu with all its verbs, for help.
fn all() -> Command {
    Verb::augment_subcommands(Cli::command())
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
