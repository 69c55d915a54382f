//! `teu start`.

use crate::cli::start::Start;
use crate::failure::Failure;
use crate::notify;
use crate::verb::Context;

/// Lets the waiting process run the user's program. Under a service manager, stays until that has said
/// that it is ready.
pub fn run(args: &Start, context: &Context<'_>) -> Result<(), Failure> {
    let container = context.runtime()?.container(&args.id)?;
    let started = match notify::manager() {
        None => container.start().map(|()| None),
        Some(_) => container.start_and_listen(),
    };
    match started {
        // As with runc and crun: the container has been started, and has ended by itself at once. Its standard error
        // and its status tell why, and engines look for them there.
        Err(libteu::Error::ExecRefused { .. }) => Ok(()),
        other => {
            notify::forward(other?, context.log);
            Ok(())
        }
    }
}
