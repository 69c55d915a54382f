//! exec: a further process in a running (or created) container.

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Capability, LinuxCapabilities, Process as SpecProcess, Spec};

use super::console::{self, Delivery};
use super::entering::{Entering, Streams, shape};
use super::start::{filter_of, frozen_config, record_of};
use super::{Container, ExecOptions, Process, files, init_pidfd, sub_cgroup};
use crate::cgroup::{Cgroup, InitCgroup};
use crate::error::{Error, Result};
use crate::prepare::check_preserved;
use crate::state::{Status, status};
use crate::timings::Timer;
use crate::validate::{HostLimits, validate_process};

pub(super) fn exec(container: &Container, options: ExecOptions) -> Result<Process> {
    check_preserved(options.preserve_fds)?;
    let mut timer = Timer::new(options.timings);
    let entry = container.entry()?;
    let record = record_of(&entry)?;
    match status(&entry, Some(&record), None)? {
        Status::Stopped => {
            return Err(Error::WrongStatus("cannot exec in a stopped container".into()));
        }
        Status::Paused if !options.ignore_paused => {
            let text = "cannot exec in a paused container (use --ignore-paused to override)";
            return Err(Error::WrongStatus(text.into()));
        }
        _ => {}
    }
    let init = init_pidfd(&record)?.ok_or(Error::NotRunning)?;
    let spec = frozen_config(&entry, &record.rootfs)?;
    let filter = filter_of(&entry, &record)?;
    timer.stage("load");
    let process = process(&spec, &options)?;
    let host = container.runtime.host_for(&spec, Some(&process));
    let limits = HostLimits { euid: host.euid };
    validate_process(&process, &spec, &limits, Path::new("process.json"))?;
    timer.stage("validate");
    let cgroup = Cgroup::open(sub_cgroup::below(&record.cgroup, &options.sub_cgroups)?);
    // Where the init is by now is no answer to somebody who has named a place.
    let named = !options.sub_cgroups.is_empty();
    let init_cgroup = InitCgroup::of(cgroup.paths(), record.pid).filter(|_| !named);
    if named && cgroup.paths().unit.is_some() && cgroup.needs_attach() {
        let reason = "systemd has to move the process here, and would put it into the unit itself";
        return Err(Error::unsupported("--cgroup", reason));
    }
    let mut delivery = Delivery::open(&options.console, process.terminal() == Some(true))?;
    let streams = Streams {
        stdio: options.stdio.into_fds(),
        console: delivery.executor.take(),
        foreground: delivery.foreground,
    };
    let shape = shape(&cgroup, Some(&process));
    let entering = Entering {
        container: (&record, &spec, init.as_fd()),
        process: &process,
        host: &host,
        cgroup: &cgroup,
        init_cgroup,
        preserve_fds: options.preserve_fds,
        unhurried: options.ignore_paused,
        filter: filter.as_ref(),
    };
    let (plan, child) = entering.launch(&shape, streams, &mut timer)?;
    if let (Some(path), Some(pidfd)) = (&options.pidfd_socket, child.pidfd()) {
        console::send_to(path, "pidfd socket", pidfd.as_raw_fd())?;
    }
    if let Some(path) = &options.pid_file {
        files::write_pid_file(path, child.pid)?;
    }
    Ok(Process::adopt(child, delivery.master()?)?.with_timings(timer.finish(&plan)))
}

/// The process object to run: the given one, or the container's own with the options' changes.
fn process(spec: &Spec, options: &ExecOptions) -> Result<SpecProcess> {
    if let Some(process) = &options.process {
        return Ok(with_defaults(process.clone(), spec));
    }
    if options.args.is_empty() {
        return Err(Error::unsupported("process.args", "exec args cannot be empty"));
    }
    let mut process = spec.process().clone().unwrap_or_default();
    process.set_args(Some(options.args.clone()));
    process.set_terminal(Some(options.tty));
    if !options.env.is_empty() {
        let mut env = process.env().clone().unwrap_or_default();
        env.extend(options.env.iter().cloned());
        process.set_env(Some(env));
    }
    if let Some(cwd) = &options.cwd {
        process.set_cwd(PathBuf::from(cwd));
    }
    if let Some((uid, gid)) = options.user {
        let user = process.user_mut();
        user.set_uid(uid);
        if let Some(gid) = gid {
            user.set_gid(gid);
        }
    }
    if !options.additional_gids.is_empty() {
        let user = process.user_mut();
        let mut all = user.additional_gids().clone().unwrap_or_default();
        all.extend(&options.additional_gids);
        user.set_additional_gids(Some(all));
    }
    if options.no_new_privileges {
        process.set_no_new_privileges(Some(true));
    }
    if options.apparmor_profile.is_some() {
        process.set_apparmor_profile(options.apparmor_profile.clone());
    }
    if options.selinux_label.is_some() {
        process.set_selinux_label(options.selinux_label.clone());
    }
    if !options.capabilities.is_empty() {
        add_capabilities(&mut process, &options.capabilities)?;
    }
    Ok(process)
}

/// What confines or prioritises the container's process holds for a whole process object too that does
/// not say otherwise, as with runc.
fn with_defaults(mut process: SpecProcess, spec: &Spec) -> SpecProcess {
    let Some(own) = spec.process() else { return process };
    let unset = |label: &Option<String>| label.as_deref().unwrap_or_default().is_empty();
    if unset(process.apparmor_profile()) {
        process.set_apparmor_profile(own.apparmor_profile().clone());
    }
    if unset(process.selinux_label()) {
        process.set_selinux_label(own.selinux_label().clone());
    }
    if process.rlimits().as_ref().is_none_or(Vec::is_empty) {
        process.set_rlimits(own.rlimits().clone());
    }
    if process.scheduler().is_none() {
        process.set_scheduler(own.scheduler().clone());
    }
    if process.io_priority().is_none() {
        process.set_io_priority(*own.io_priority());
    }
    if process.exec_cpu_affinity().is_none() {
        process.set_exec_cpu_affinity(own.exec_cpu_affinity().clone());
    }
    process
}

/// Never to the inheritable set: that would hand them to programs that have not asked for them
/// (CVE-2022-29162). To the ambient set as far as the config has made them inheritable, as with runc.
fn add_capabilities(process: &mut SpecProcess, names: &[String]) -> Result<()> {
    let mut wanted = Vec::new();
    for name in names {
        let value = serde_json::Value::String(name.clone());
        let capability: Capability = serde_json::from_value(value)
            .map_err(|_| Error::unsupported("--cap", format!("unknown capability {name:?}")))?;
        wanted.push(capability);
    }
    let mut sets: LinuxCapabilities = process.capabilities().clone().unwrap_or_default();
    let with = |set: &Option<std::collections::HashSet<Capability>>| {
        let mut set = set.clone().unwrap_or_default();
        set.extend(wanted.iter().copied());
        Some(set)
    };
    let (bounding, effective, permitted) =
        (with(sets.bounding()), with(sets.effective()), with(sets.permitted()));
    let inheritable = sets.inheritable().iter().flatten().copied();
    let inheritable: Vec<_> =
        inheritable.filter(|capability| wanted.contains(capability)).collect();
    let ambient = sets.ambient().iter().flatten().copied().chain(inheritable).collect();
    sets.set_ambient(Some(ambient));
    sets.set_bounding(bounding);
    sets.set_effective(effective);
    sets.set_permitted(permitted);
    process.set_capabilities(Some(sets));
    Ok(())
}
