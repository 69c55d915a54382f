//! The verbs: what was typed becomes calls of the library, one file a verb.

mod checkpoint;
mod completion;
mod create;
mod delete;
mod events;
mod exec;
mod features;
mod foreground;
mod gc;
mod kill;
mod list;
mod man;
mod pause;
mod plan;
mod ps;
mod restore;
mod resume;
mod root;
mod run;
mod seccomp;
mod setup;
mod spec;
mod start;
mod state;
mod update;

use std::sync::Arc;

use crate::cli::Verb;
use crate::cli::global::Global;
use crate::failure::Failure;
use crate::log::Log;

/// What every verb may need.
pub struct Context<'a> {
    /// Flags that stood before the verb.
    pub global: &'a Global,
    /// Where warnings go.
    pub log: &'a Arc<Log>,
}

/// Carries out a verb; the number is the status to exit with.
pub fn run(verb: Verb, context: &Context<'_>) -> Result<u8, Failure> {
    let starts = matches!(verb, Verb::Create(_) | Verb::Run(_) | Verb::Exec(_));
    if context.global.timings && !starts {
        let problem = "--timings: only create, run and exec have a start to time";
        return Err(Failure::Argument(problem.into()));
    }
    match verb {
        Verb::Checkpoint(args) => {
            checkpoint::run(&args, context).map(|()| 0).map_err(boxed(Failure::Checkpoint))
        }
        Verb::Create(args) => create::run(&args, context).map_err(boxed(Failure::Create)),
        Verb::Run(args) => run::run(&args, context).map_err(boxed(Failure::Run)),
        Verb::Exec(args) => exec::run(&args, context).map_err(boxed(Failure::Exec)),
        Verb::Completion(args) => completion::run(&args).map(|()| 0),
        Verb::Delete(args) => delete::run(&args, context).map(|()| 0),
        Verb::Events(args) => events::run(&args, context).map(|()| 0),
        Verb::Features(_) => features::run().map(|()| 0),
        Verb::Gc(args) => gc::run(&args, context).map(|()| 0),
        Verb::Kill(args) => kill::run(&args, context).map(|()| 0),
        Verb::List(args) => list::run(&args, context).map(|()| 0),
        Verb::Man(args) => man::run(&args).map(|()| 0),
        Verb::Pause(args) => pause::run(&args, context).map(|()| 0),
        Verb::Plan(args) => plan::run(&args, context).map(|()| 0),
        Verb::Ps(args) => ps::run(&args, context).map(|()| 0),
        Verb::Restore(args) => restore::run(&args, context).map_err(boxed(Failure::Restore)),
        Verb::Resume(args) => resume::run(&args, context).map(|()| 0),
        Verb::Seccomp(args) => seccomp::run(&args).map(|()| 0),
        Verb::Spec(args) => spec::run(&args).map(|()| 0),
        Verb::Start(args) => start::run(&args, context).map(|()| 0),
        Verb::State(args) => state::run(&args, context).map(|()| 0),
        Verb::Update(args) => update::run(&args, context).map(|()| 0),
    }
}

fn boxed(wrap: fn(Box<Failure>) -> Failure) -> impl Fn(Failure) -> Failure {
    move |failure| wrap(Box::new(failure))
}
