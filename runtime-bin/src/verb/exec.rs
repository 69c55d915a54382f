//! `teu exec`.

use std::path::Path;

use libteu::{ContainerId, ExecOptions};
use oci_spec::runtime::Process;
use teu_foreground::{Console, Forwarder};

use crate::cli::cgroup::sub_cgroups;
use crate::cli::exec::Exec;
use crate::cli::non_empty;
use crate::failure::Failure;
use crate::output;
use crate::verb::Context;
use crate::verb::setup::{console, foreground};

/// Runs a process in the container. In the foreground, stays until it has ended.
pub fn run(args: &Exec, context: &Context<'_>) -> Result<u8, Failure> {
    let mut options = options(args, context)?;
    options.timings = context.global.timings;
    let id: ContainerId = args.id().parse()?;
    let container = context.runtime()?.container(&id)?;
    if args.detach {
        output::timings(&mut container.exec(options)?);
        return Ok(0);
    }
    options.console = foreground(options.console)?;
    let forwarder = Forwarder::new()?;
    let mut process = container.exec(options)?;
    output::timings(&mut process);
    let console = process.take_console().map(Console::new).transpose();
    let status = console.and_then(|console| forwarder.wait(&process, console, &**context.log));
    status.map_err(Failure::from).inspect_err(|_| {
        let _ = process.kill(libteu::Signal::KILL);
    })
}

fn options(args: &Exec, context: &Context<'_>) -> Result<ExecOptions, Failure> {
    let mut options = ExecOptions::default();
    options.pid_file = args.pid_file();
    options.preserve_fds = args.preserve_fds;
    options.console = console(&args.console_socket);
    options.pidfd_socket = non_empty(&args.pidfd_socket);
    options.tty = args.tty;
    options.sub_cgroups = sub_cgroups(&args.cgroup).map_err(Failure::Argument)?;
    options.ignore_paused = args.ignore_paused;
    if let Some(file) = args.process() {
        options.process = Some(read_process(&file, context)?);
        return Ok(options);
    }
    options.args = args.command().to_vec();
    options.env = args.env.clone();
    options.cwd = args.cwd();
    options.user = args.user.map(|user| (user.uid, user.gid));
    options.additional_gids = args.additional_gids.clone();
    options.capabilities = args.cap.clone();
    options.no_new_privileges = args.no_new_privs;
    let given = |label: &String| Some(label.clone()).filter(|label| !label.is_empty());
    options.apparmor_profile = given(&args.apparmor);
    options.selinux_label = given(&args.process_label);
    if options.args.is_empty() { Err(Failure::NoCommand) } else { Ok(options) }
}

fn read_process(file: &Path, context: &Context<'_>) -> Result<Process, Failure> {
    let (process, warnings) = libteu::load_process(file)?;
    warnings.iter().for_each(|warning| context.log.warn(&warning));
    Ok(process)
}
