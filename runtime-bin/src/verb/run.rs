//! `teu run`.

use crate::cli::run::Run;
use crate::failure::Failure;
use crate::verb::{Context, foreground, setup};
use crate::{notify, output};

/// Creates and starts the container. In the foreground, stays until its process has ended.
pub fn run(args: &Run, context: &Context<'_>) -> Result<u8, Failure> {
    let mut options = setup::options(&args.setup)?;
    options.timings = context.global.timings;
    setup::describe_filter(&args.setup, context);
    let runtime = context.runtime_to_create_in()?;
    let (id, bundle) = (&args.setup.id, args.setup.bundle());
    if args.detach {
        let (_, mut process) = runtime.run(id, &bundle, options)?;
        output::timings(&mut process);
        notify::forward(process.take_readiness()?, context.log);
        return Ok(0);
    }
    options.console = setup::foreground(options.console)?;
    let terms = foreground::Terms { keep: args.keep, subreaper: !args.no_subreaper };
    foreground::run(context, &terms, || runtime.run(id, &bundle, options))
}
