//! restore: from images to processes.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use super::external::{self, External};
use super::images::Images;
use super::lane::RestoreLane;
use super::service::{Service, Setting, require_version};
use super::{RestoreOptions, common, require_root};
use crate::compile::{self, CgroupShape, Restoring};
use crate::criu::rpc::{CgroupRoot, ExternalMount, InheritFd, Kind, Opts, Request};
use crate::criu::{MINIMUM, Version};
use crate::error::{Error, Result};
use crate::fdio;
use crate::id::ContainerId;
use crate::launch::{NoLane, launch, user_namespaces};
use crate::lifecycle::console::{self, Delivery};
use crate::lifecycle::create::{Draft, Site, shape};
use crate::lifecycle::{Process, Runtime, Stdio, files, notify};
use crate::prepare::{Prepare, prepare};
use crate::state::Record;
use crate::timings::Timer;

const VERB: &str = "restore";
const LOG: &str = "restore.log";
/// The first number behind those of the streams and of CRIU's end of the connection.
const FIRST_GIVEN: i32 = 4;
/// Before that CRIU did not set another security label.
const LABELS: Version = Version { major: 3, minor: 16, sublevel: 0 };

pub(in crate::lifecycle) fn restore(
    runtime: &Runtime,
    id: &ContainerId,
    bundle: &Path,
    options: RestoreOptions,
) -> Result<Process> {
    require_root(runtime, VERB)?;
    let draft = Draft::read(runtime, id, bundle, &mut Timer::off())?;
    let labelled = options.lsm_profile.is_some() || options.lsm_mount_context.is_some();
    let images = Images::open(&options.criu)?;
    let terms = Terms::of(&draft, &options, &images)?;
    if labelled {
        require_version(LABELS, "--lsm-profile or --lsm-mount-context")?;
    } else {
        require_version(MINIMUM, VERB)?;
    }
    let mut record = draft.record(id);
    record.own_keyring = !options.create.no_new_keyring;
    let mut site = Site::open(runtime, id)?;
    let restored = build(&mut site, runtime, &draft, record, options, terms);
    if restored.is_err() {
        site.undo(runtime);
    }
    restored
}

/// All of the request that does not depend on what is made for the container.
struct Terms<'a> {
    images: &'a Images,
    opts: Opts,
    /// Namespaces of others.
    given: Vec<OwnedFd>,
}

impl<'a> Terms<'a> {
    fn of(draft: &Draft, options: &RestoreOptions, images: &'a Images) -> Result<Self> {
        let spec = &draft.bundle.spec;
        let mut opts = common(&options.criu, spec, images, LOG);
        opts.evasive_devices = Some(true);
        opts.rst_sibling = Some(true);
        opts.tcp_close = options.tcp_close.then_some(true);
        opts.lsm_profile = options.lsm_profile.clone();
        opts.lsm_mount_context = options.lsm_mount_context.clone();
        opts.join_ns = external::joined(spec)?;
        opts.ext_mnt = mounts(&external::mounts(spec, &draft.bundle.dir, &draft.paths)?);
        let mut given = Vec::new();
        for (number, namespace) in (FIRST_GIVEN..).zip(external::namespaces(spec)) {
            let file = File::open(namespace.path).map_err(|e| {
                Error::io("open namespace", namespace.path, &e).with_hint("it must exist")
            })?;
            given.push(file.into());
            opts.inherit_fd.push(InheritFd { key: namespace.name.into(), fd: number });
        }
        let streams = (0..3).zip(images.read_streams()?);
        let pipes = streams.filter(|(_, stream)| stream.starts_with("pipe:"));
        let pipes = pipes.map(|(fd, key)| InheritFd { key, fd });
        opts.inherit_fd.extend(pipes);
        Ok(Self { images, opts, given })
    }
}

fn mounts(external: &[External]) -> Vec<ExternalMount> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    external.iter().map(|m| ExternalMount { key: text(&m.name), val: text(&m.source) }).collect()
}

fn build(
    site: &mut Site,
    runtime: &Runtime,
    draft: &Draft,
    mut record: Record,
    options: RestoreOptions,
    terms: Terms<'_>,
) -> Result<Process> {
    let create = options.create;
    let mut delivery = Delivery::open(&create.console, draft.terminal())?;
    let stdio = match create.stdio {
        _ if draft.terminal() => Some(files::nowhere()?),
        Stdio::Inherit => None,
        given @ Stdio::Fds(_) => given.into_fds(),
    };
    if !draft.terminal() {
        record.streams = files::streams(stdio.as_ref());
    }
    site.write(draft, &mut record)?;
    // The images may know of one, whatever this caller wants.
    site.entry()?.make_notify_dir()?;
    let notify = if create.notify { notify::listen(site.entry()?)? } else { None };
    site.make_cgroup(draft, &mut record)?;
    let parts = site.parts()?;
    let shape = shape(&draft.layout, parts.1);
    make_mount_points(draft, &shape)?;
    let mut lane = RestoreLane::new(runtime, draft, parts, record, delivery.executor.take());
    let restored = run(&mut lane, &shape, stdio, terms);
    let child = match restored {
        Ok(()) => lane.init()?,
        Err(e) => {
            lane.poststop();
            return Err(e);
        }
    };
    if let (Some(path), Some(pidfd)) = (&create.pidfd_socket, child.pidfd()) {
        console::send_to(path, "pidfd socket", pidfd.as_raw_fd())?;
    }
    if let Some(path) = &create.pid_file {
        files::write_pid_file(path, child.pid)?;
    }
    let foreground = delivery.foreground;
    let master = if lane.sent_terminal { delivery.master()? } else { None };
    if let (Some(master), Some(foreground)) = (&master, foreground) {
        console::settle(master, foreground)?;
    }
    Ok(Process::adopt(child, master)?.with_notify(notify))
}

fn make_mount_points(draft: &Draft, shape: &CgroupShape) -> Result<()> {
    let plan = compile::mount_points(&draft.request(shape))?;
    let from = Prepare { user_namespaces: user_namespaces(&plan)?, ..Prepare::default() };
    // It has done all that it can when it is back here: dropping it ends it.
    launch(&plan, prepare(&plan, from)?, &mut NoLane, &mut Timer::off()).map(drop)
}

/// Starts CRIU in the place of the container's first process, and has it restore.
fn run(
    lane: &mut RestoreLane<'_>,
    shape: &CgroupShape,
    stdio: Option<[OwnedFd; 3]>,
    terms: Terms<'_>,
) -> Result<()> {
    let Terms { images, mut opts, given } = terms;
    let place = lane.entry.make_criu_root()?;
    opts.ext_mnt.extend(mounts(&[super::notify_mount(place.parent().unwrap_or(&place))]));
    opts.root = Some(place.to_string_lossy().into_owned());
    let keyring = lane.record.keyring();
    let cgroup_dir = if shape.into_cgroup { lane.cgroup.unified_fd()? } else { None };
    let setting = Setting {
        restore: Some(Restoring {
            rootfs: &lane.draft.bundle.rootfs,
            place: &place,
            cgroup: shape,
            resctrl: &lane.draft.resctrl_tasks,
            keyring: keyring.as_deref(),
        }),
        given,
        own_stdio: stdio.is_some(),
        from: Prepare { stdio, cgroup_dir, ..Prepare::default() },
    };
    let asked = Service::start(setting, lane).and_then(|service| {
        let seen = images.seen_by(service.pid())?;
        seen.tell(&mut opts);
        opts.cg_root = cgroup_roots(service.pid())?;
        let mut request = Request::new(Kind::Restore);
        request.opts = Some(Box::new(opts));
        service.ask(&request, lane, Some(&images.log(LOG)))
    });
    let removed = lane.entry.remove_criu_root();
    asked.map(drop).and(removed)
}

/// Where CRIU is: what was in the container's cgroup, or below it, comes there.
fn cgroup_roots(pid: i32) -> Result<Vec<CgroupRoot>> {
    let file = format!("/proc/{pid}/cgroup");
    let text = fdio::read(Path::new(&file)).map_err(|e| Error::system("read", &file, e))?;
    Ok(roots_of(&String::from_utf8_lossy(&text)))
}

fn roots_of(text: &str) -> Vec<CgroupRoot> {
    let mut roots = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        if let (Some(controllers), Some(path)) = (fields.next(), fields.next()) {
            let of = |ctrl: &str| CgroupRoot { ctrl: Some(ctrl.into()), path: path.into() };
            roots.extend(controllers.split(',').map(of));
        }
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_controller_has_a_root() {
        let roots = roots_of("12:cpu,cpuacct:/c:d\n1:name=systemd:/\n0::/u\n");
        let roots: Vec<_> =
            roots.iter().map(|r| (r.ctrl.as_deref().unwrap(), r.path.as_str())).collect();
        assert_eq!(
            roots,
            [("cpu", "/c:d"), ("cpuacct", "/c:d"), ("name=systemd", "/"), ("", "/u")]
        );
    }
}
