//! What may be typed: clap types, one file a verb. Parsing has no effects.
//!
//! Two steps: the flags before the verb, then the verb's own. In between the log is opened, so that
//! a wrong use of a verb is logged where the caller looks.

mod bytes;
pub mod cgroup;
pub mod checkpoint;
pub mod completion;
pub mod create;
pub mod delete;
mod duration;
pub mod events;
pub mod exec;
pub mod features;
pub mod format;
pub mod gc;
pub mod global;
pub mod kill;
pub mod list;
pub mod man;
pub mod pause;
pub mod plan;
pub mod ps;
pub mod restore;
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
mod words;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cli::global::Global;
use crate::cli::words::{Known, Sorted, Stop};
use crate::failure::Failure;

/// Version of the runtime specification that teu follows.
pub const SPEC_VERSION: &str = "1.3.0";

/// The name to speak of: what takes runc's place under its name is not to be told from it.
pub fn program() -> &'static str {
    let called = std::env::args_os().next().map(PathBuf::from);
    let as_runc = called.as_ref().and_then(|path| path.file_name()).is_some_and(|n| n == "runc");
    if as_runc { "runc" } else { "teu" }
}

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

/// The flags that belong before the verb.
#[derive(Debug, Parser)]
#[command(
    name = "teu",
    about = ABOUT,
    bin_name = "teu",
    help_template = HELP_OF_ALL,
    args_override_self = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    subcommand_value_name = "command",
    subcommand_help_heading = "COMMANDS"
)]
struct Cli {
    #[command(flatten)]
    global: Global,

    /// Print the version
    #[arg(short = 'v', long)]
    version: bool,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
#[command(about = ABOUT)]
pub enum Verb {
    Checkpoint(checkpoint::Checkpoint),
    Completion(completion::Completion),
    Create(create::Create),
    Delete(delete::Delete),
    Events(events::Events),
    Exec(exec::Exec),
    Features(features::Features),
    Gc(gc::Gc),
    Kill(kill::Kill),
    List(list::List),
    Man(man::Man),
    Pause(pause::Pause),
    Plan(plan::Plan),
    Ps(ps::Ps),
    Restore(restore::Restore),
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

/// A verb and its words, taken apart but not read.
pub struct Words {
    name: String,
    verb: Option<Described>,
    sorted: Result<Sorted, Failure>,
}

/// Turns what clap has read into a verb.
type Read = Box<dyn Fn(&ArgMatches) -> clap::error::Result<Verb>>;

/// One verb as clap knows it: to describe them all takes longer than everything else teu does before it
/// calls the library.
struct Described {
    command: Command,
    read: Read,
}

/// Reads the flags of teu itself, before the verb or behind it; the rest is for [`verb`].
pub fn global(
    args: impl IntoIterator<Item = OsString>,
) -> Result<Parsed<(Global, Words)>, Failure> {
    let args: Vec<OsString> = args.into_iter().skip(1).collect();
    let command = Cli::command();
    let before = Known { own: &command, global: None };
    let Sorted { mut own, positional, .. } = words::sort(before, &args, Stop::AtFirst)?;
    let mut words = take_apart(&command, &positional);
    if let Ok(sorted) = &mut words.sorted {
        own.append(&mut sorted.global);
    }
    own.insert(0, "teu".into());
    match command.try_get_matches_from(own).and_then(|m| Cli::from_arg_matches(&m)) {
        Ok(Cli { version: true, .. }) => Ok(Parsed::Answer(version())),
        Ok(Cli { global, .. }) if !positional.is_empty() => Ok(Parsed::Request((global, words))),
        Ok(_) => Ok(Parsed::Answer(help())),
        Err(e) if e.kind() == ErrorKind::DisplayHelp => Ok(Parsed::Answer(help())),
        Err(e) => Err(usage::failure("", &e)),
    }
}

fn take_apart(global: &Command, words: &[OsString]) -> Words {
    let (name, rest) = words.split_first().unwrap_or((const { &OsString::new() }, &[]));
    let name = name.to_string_lossy().into_owned();
    let verb = described(&name);
    let sorted = match &verb {
        Some(verb) if !verb.command.has_subcommands() => {
            let known = Known { own: &verb.command, global: Some(global) };
            // What follows the container's name in these is not for teu.
            let stop = matches!(name.as_str(), "exec" | "ps");
            words::sort(known, rest, if stop { Stop::AtFirst } else { Stop::Never })
        }
        _ => Ok(Sorted { own: rest.to_vec(), ..Sorted::default() }),
    };
    Words { name, verb, sorted }
}

/// Reads the verb and what follows it.
pub fn verb(words: Words) -> Result<Parsed<Verb>, Failure> {
    let Words { name, verb, sorted } = words;
    let sorted = sorted?;
    let Some(Described { command, read }) = verb else {
        return match name.as_str() {
            "help" | "h" => help_on(sorted.own.first()),
            _ => Err(usage::unknown_verb(&name)),
        };
    };
    let words = std::iter::once(OsString::from(&name)).chain(sorted.for_clap());
    match command.try_get_matches_from(words).and_then(|m| read(&m)) {
        Ok(verb) => Ok(Parsed::Request(verb)),
        Err(e) if e.kind() == ErrorKind::DisplayHelp => Ok(Parsed::Answer(e.to_string())),
        Err(e) => Err(usage::failure(&name, &e)),
    }
}

fn described(name: &str) -> Option<Described> {
    Some(match name {
        "completion" => describe(name, Verb::Completion),
        "checkpoint" => describe(name, Verb::Checkpoint),
        "create" => describe(name, Verb::Create),
        "delete" => describe(name, Verb::Delete),
        "events" => describe(name, Verb::Events),
        "exec" => describe(name, Verb::Exec),
        "features" => describe(name, Verb::Features),
        "gc" => describe(name, Verb::Gc),
        "kill" => describe(name, Verb::Kill),
        "list" => describe(name, Verb::List),
        "man" => describe(name, Verb::Man),
        "pause" => describe(name, Verb::Pause),
        "plan" => describe(name, Verb::Plan),
        "ps" => describe(name, Verb::Ps),
        "restore" => describe(name, Verb::Restore),
        "resume" => describe(name, Verb::Resume),
        "run" => describe(name, Verb::Run),
        "seccomp" => describe(name, Verb::Seccomp),
        "spec" => describe(name, Verb::Spec),
        "start" => describe(name, Verb::Start),
        "state" => describe(name, Verb::State),
        "update" => describe(name, Verb::Update),
        _ => return None,
    })
}

fn describe<A: Args + 'static>(name: &str, wrap: fn(A) -> Verb) -> Described {
    let path = format!("{} {name}", program());
    let command = A::augment_args(Command::new(program()).args_override_self(true))
        .bin_name(&path)
        .display_name(path);
    Described { command, read: Box::new(move |matches| A::from_arg_matches(matches).map(wrap)) }
}

/// `teu help` and `teu help run`.
fn help_on(name: Option<&OsString>) -> Result<Parsed<Verb>, Failure> {
    match name {
        Some(name) => verb(take_apart(&Cli::command(), &[name.clone(), "--help".into()])),
        None => Ok(Parsed::Answer(help())),
    }
}

fn help() -> String {
    all().render_help().to_string()
}

/// teu with all its verbs, for help and what is made from it.
pub fn all() -> Command {
    let command = Cli::command().name(program()).bin_name(program());
    Verb::augment_subcommands(command).display_name(program())
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
mod runc_tests;
#[cfg(test)]
mod tests;
