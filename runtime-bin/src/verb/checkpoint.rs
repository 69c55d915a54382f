//! `teu checkpoint`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use libteu::{CheckpointOptions, CriuOptions};

use crate::cli::checkpoint::{Checkpoint, Criu};
use crate::failure::Failure;
use crate::verb::Context;

/// Writes the container into images. With lazy pages, stays until all of them are fetched.
pub fn run(args: &Checkpoint, context: &Context<'_>) -> Result<(), Failure> {
    let container = context.runtime()?.container(&args.id)?;
    let mut options = CheckpointOptions::default();
    options.criu = criu(&args.criu);
    options.parent_path = args.parent_path();
    options.leave_running = args.leave_running;
    options.pre_dump = args.pre_dump;
    options.tcp_skip_in_flight = args.tcp_skip_in_flight;
    options.link_remap = args.link_remap;
    options.page_server = args.page_server.0.clone();
    options.status = status(args)?;
    Ok(container.checkpoint(options)?)
}

/// What checkpoint and restore have in common.
pub fn criu(args: &Criu) -> CriuOptions {
    let mut options = CriuOptions::default();
    options.image_path = args.image_path();
    options.work_path = args.work_path();
    options.tcp_established = args.tcp_established;
    options.ext_unix_sk = args.ext_unix_sk;
    options.shell_job = args.shell_job;
    options.file_locks = args.file_locks;
    options.lazy_pages = args.lazy_pages;
    options.auto_dedup = args.auto_dedup;
    options.cgroups_mode = args.manage_cgroups_mode;
    options.network_lock = args.network_lock.map(Into::into);
    options
}

/// Whoever waits at the other end shall see it closed: hence no second one is left open.
fn status(args: &Checkpoint) -> Result<Option<OwnedFd>, Failure> {
    if args.status_fd < 0 || !args.criu.lazy_pages {
        return Ok(None);
    }
    let path = PathBuf::from(format!("/proc/self/fd/{}", args.status_fd));
    let file = File::options().write(true).open(&path);
    let file = file.map_err(|e| Failure::file("open --status-fd", &path, &e))?;
    let _ = nix::unistd::close(args.status_fd);
    Ok(Some(file.into()))
}
