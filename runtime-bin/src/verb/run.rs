//! `teu run`.

use libteu::{Container, Process};
use teu_foreground::{Console, Forwarder};

use crate::cli::run::Run;
use crate::failure::Failure;
use crate::notify::{self, Forwarding};
use crate::output;
use crate::verb::{Context, setup};

/// Creates and starts the container. In the foreground, stays until its process has ended.
pub fn run(args: &Run, context: &Context<'_>) -> Result<u8, Failure> {
    let mut options = setup::options(&args.setup)?;
    options.timings = context.global.timings;
    let runtime = context.runtime_to_create_in()?;
    let (id, bundle) = (&args.setup.id, args.setup.bundle());
    if args.detach {
        let (_, mut process) = runtime.run(id, &bundle, options)?;
        output::timings(&mut process);
        notify::forward(process.take_readiness()?, context.log);
        return Ok(0);
    }
    options.console = setup::foreground(options.console)?;
    if !args.no_subreaper {
        teu_foreground::adopt_orphans()?;
    }
    let forwarder = Forwarder::new()?;
    let (container, mut process) = runtime.run(id, &bundle, options)?;
    output::timings(&mut process);
    let readiness = process.take_readiness()?;
    let forwarding = readiness.map(|readiness| Forwarding::start(readiness, context.log));
    let console = process.take_console().map(Console::new).transpose();
    let status = console.and_then(|console| forwarder.wait(&process, console, &**context.log));
    forwarding.into_iter().for_each(Forwarding::finish);
    finish(args, context, &container, &process, status.map_err(Failure::from))
}

/// Deletes the container, whose process is killed if it cannot be waited for.
fn finish(
    args: &Run,
    context: &Context<'_>,
    container: &Container,
    process: &Process,
    status: Result<u8, Failure>,
) -> Result<u8, Failure> {
    if status.is_err() {
        let _ = process.kill(libteu::Signal::KILL);
    }
    if (!args.keep || status.is_err())
        && let Err(e) = container.delete(true)
    {
        context.log.warn(&format_args!("delete {}: {e}", container.id()));
    }
    status
}
