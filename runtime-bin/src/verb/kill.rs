//! `teu kill`.

use libteu::{KillTarget, Signal};

use crate::cli::kill::Kill;
use crate::cli::signal::SignalNumber;
use crate::failure::Failure;
use crate::verb::Context;

/// Sends the signal. With `--all`, a container without processes is no error, as in runc.
pub fn run(args: &Kill, context: &Context<'_>) -> Result<(), Failure> {
    let container = context.runtime()?.container(&args.id)?;
    let target = if args.all { KillTarget::All } else { KillTarget::Init };
    match container.kill(signal(args.signal)?, target) {
        Err(libteu::Error::NotRunning) if args.all => Ok(()),
        result => Ok(result?),
    }
}

fn signal(SignalNumber(number): SignalNumber) -> Result<Signal, Failure> {
    Signal::try_from(number).map_err(|_| Failure::Unsupported(format!("signal {number} is")))
}
