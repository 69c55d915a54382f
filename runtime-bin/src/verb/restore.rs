//! `teu restore`.

use libteu::RestoreOptions;

use crate::cli::restore::Restore;
use crate::failure::Failure;
use crate::notify;
use crate::verb::{Context, checkpoint, foreground, setup};

/// Makes the container from images. In the foreground, stays until its process has ended.
pub fn run(args: &Restore, context: &Context<'_>) -> Result<u8, Failure> {
    let mut options = options(args, context);
    let runtime = context.runtime_to_create_in()?;
    let (id, bundle) = (&args.id, args.bundle());
    if args.detach {
        let (_, mut process) = runtime.restore(id, &bundle, options)?;
        notify::forward(process.take_readiness()?, context.log);
        return Ok(0);
    }
    options.create.console = setup::foreground(options.create.console)?;
    let terms = foreground::Terms { keep: false, subreaper: !args.no_subreaper };
    foreground::run(context, &terms, || runtime.restore(id, &bundle, options))
}

fn options(args: &Restore, context: &Context<'_>) -> RestoreOptions {
    if args.no_pivot {
        context.log.warn(&"--no-pivot has no effect on restore: CRIU switches the root");
    }
    let mut options = RestoreOptions::default();
    options.criu = checkpoint::criu(&args.criu);
    options.create.pid_file = args.pid_file();
    options.create.console = setup::console(&args.console_socket);
    options.create.notify = notify::manager().is_some();
    options.tcp_close = args.tcp_close;
    options.lsm_profile = args.lsm_profile();
    options.lsm_mount_context = args.lsm_mount_context();
    options
}
