//! What `run` and `restore` do while they stay.

use libteu::{Container, Error, Process};
use teu_foreground::{Console, Forwarder};

use crate::failure::Failure;
use crate::notify::Forwarding;
use crate::output;
use crate::verb::Context;

/// The status of a process whose program the kernel does not run, as runc's.
const REFUSED: u8 = 255;

/// How to stay.
pub struct Terms {
    /// The container is not deleted in the end.
    pub keep: bool,
    /// Adopt what the container's process leaves behind.
    pub subreaper: bool,
}

/// Starts the container, forwards to its process until that has ended, and deletes it. The number is
/// the process's status.
pub fn run(
    context: &Context<'_>,
    terms: &Terms,
    start: impl FnOnce() -> libteu::Result<(Container, Process)>,
) -> Result<u8, Failure> {
    if terms.subreaper {
        teu_foreground::adopt_orphans()?;
    }
    let forwarder = Forwarder::new()?;
    let (container, mut process) = match start() {
        Err(Error::ExecRefused { told, what, .. }) => {
            if !told {
                output::refusal(&what);
            }
            return Ok(REFUSED);
        }
        other => other?,
    };
    output::timings(&mut process);
    let readiness = process.take_readiness()?;
    let forwarding = readiness.map(|readiness| Forwarding::start(readiness, context.log));
    let console = process.take_console().map(Console::new).transpose();
    let status = console.and_then(|console| forwarder.wait(&process, console, &**context.log));
    forwarding.into_iter().for_each(Forwarding::finish);
    finish(context, terms, &container, &process, status.map_err(Failure::from))
}

/// Deletes the container, whose process is killed if it cannot be waited for.
fn finish(
    context: &Context<'_>,
    terms: &Terms,
    container: &Container,
    process: &Process,
    status: Result<u8, Failure>,
) -> Result<u8, Failure> {
    if status.is_err() {
        let _ = process.kill(libteu::Signal::KILL);
    }
    if (!terms.keep || status.is_err())
        && let Err(e) = container.delete(true)
        && e.kind() != libteu::ErrorKind::NotFound
    {
        context.log.warn(&format_args!("delete {}: {e}", container.id()));
    }
    status
}
