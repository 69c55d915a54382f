//! checkpoint: from processes to images.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat, openat2, readlink};
use nix::sys::stat::{Mode, SFlag, fstat, stat};
use oci_spec::runtime::Spec;

use super::external::{self, External};
use super::images::Images;
use super::service::{Service, require_feature, require_version};
use super::{CheckpointOptions, common, require_root};
use crate::criu::rpc::{self, ExternalMount, Features, Kind, Opts, Request};
use crate::criu::{Listener, MINIMUM};
use crate::error::{Error, Result};
use crate::fdio;
use crate::lifecycle::start::{frozen_config, record_of};
use crate::lifecycle::{Container, delete, init_pidfd, status_name};
use crate::state::{Entry, Record, Status, status};

const VERB: &str = "checkpoint";
const LOG: &str = "dump.log";

/// What is read of the container before anything is done.
struct Subject<'a> {
    entry: &'a Entry,
    record: &'a Record,
    spec: Spec,
}

pub(in crate::lifecycle) fn checkpoint(
    container: &Container,
    mut options: CheckpointOptions,
) -> Result<()> {
    require_root(&container.runtime, VERB)?;
    let entry = container.entry()?;
    let lock = entry.lock()?;
    let record = record_of(&entry)?;
    match status(&entry, Some(&record), Some(&lock))? {
        Status::Running | Status::Paused => {}
        other => {
            let status = status_name(other);
            let text = format!("Container cannot be checkpointed in {status} state");
            return Err(Error::WrongStatus(text));
        }
    }
    let subject =
        Subject { entry: &entry, record: &record, spec: frozen_config(&entry, &record.rootfs)? };
    external::refuse_shared(&subject.spec)?;
    let external = external::mounts(&subject.spec, &record.bundle, &record.cgroup)?;
    require(&options)?;
    let images = Images::make(&options.criu)?;
    if let Some(parent) = &options.parent_path {
        images.check_parent(parent)?;
    }
    let opts = subject.opts(&options, &images, external)?;
    if !options.pre_dump {
        images.write_streams(&record.streams)?;
    }
    let mut request = Request::new(if options.pre_dump { Kind::PreDump } else { Kind::Dump });
    request.opts = Some(Box::new(opts));
    let mut notices = Notices { status: options.status.take() };
    // CRIU takes a number, which may be another process's by now; until CRIU has it, it is not again.
    let _alive = init_pidfd(&record)?.ok_or(Error::NotRunning)?;
    Service::plain()?.ask(&request, &mut notices, Some(&images.log(LOG)))?;
    if !options.pre_dump && !options.leave_running {
        // The checkpoint is made: what cannot be removed is no failure of it.
        if let Err(e) = delete::remove(container, entry, &record) {
            container.runtime.warn(&e.to_string());
        }
    }
    Ok(())
}

fn require(options: &CheckpointOptions) -> Result<()> {
    require_version(MINIMUM, VERB)?;
    if options.pre_dump {
        let wanted = Features { mem_track: Some(true), ..Features::default() };
        require_feature("--pre-dump", wanted)?;
    }
    if options.criu.lazy_pages {
        let wanted = Features { lazy_pages: Some(true), ..Features::default() };
        require_feature("--lazy-pages", wanted)?;
    }
    Ok(())
}

impl Subject<'_> {
    fn opts(
        &self,
        options: &CheckpointOptions,
        images: &Images,
        external: Vec<External>,
    ) -> Result<Opts> {
        let mut opts = common(&options.criu, &self.spec, images, LOG);
        opts.pid = Some(self.record.pid);
        opts.root = Some(self.record.rootfs.to_string_lossy().into_owned());
        opts.leave_running = Some(options.leave_running);
        opts.tcp_skip_in_flight = options.tcp_skip_in_flight.then_some(true);
        opts.link_remap = options.link_remap.then_some(true);
        if let Some(parent) = &options.parent_path {
            opts.parent_img = Some(parent.to_string_lossy().into_owned());
            opts.track_mem = Some(true);
        }
        opts.ps = options.page_server.as_ref().map(|server| rpc::PageServer {
            address: Some(server.address.clone()),
            port: Some(server.port.into()),
        });
        let freezer = self.record.cgroup.freezer_dir();
        opts.freeze_cgroup = freezer.map(|dir| dir.to_string_lossy().into_owned());
        for namespace in external::namespaces(&self.spec) {
            let found = stat(namespace.path)
                .map_err(|e| Error::system("stat", namespace.path.display(), e))?;
            opts.external.push(format!("{}[{}]:{}", namespace.kind, found.st_ino, namespace.name));
        }
        if !options.pre_dump {
            opts.ext_mnt = self.mounts(external)?;
        }
        Ok(opts)
    }

    /// CRIU knows mounts by where they are, a config by a path that may lead through symlinks.
    fn mounts(&self, mut external: Vec<External>) -> Result<Vec<ExternalMount>> {
        if self.entry.notify_dir()?.is_some() {
            external.push(super::notify_mount(self.entry.path()));
        }
        let root = format!("/proc/{}/root", self.record.pid);
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let opened = openat(AT_FDCWD, root.as_str(), flags, Mode::empty())
            .map_err(|e| Error::system("open", root, e))?;
        let named = external.into_iter().filter_map(|mount| {
            let found = Found::of(&opened, &mount.place);
            let hidden = mount.file && found.as_ref().is_none_or(|found| found.directory);
            let key = found.map_or_else(|| text(&mount.place), |found| found.path);
            (!hidden).then(|| ExternalMount { key, val: text(&mount.name) })
        });
        Ok(named.collect())
    }
}

/// What a path of a config leads to in a container.
struct Found {
    path: String,
    directory: bool,
}

impl Found {
    /// Of an object in another mount namespace the kernel tells the path from that one's root.
    fn of(root: &OwnedFd, place: &Path) -> Option<Self> {
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let object = openat2(root, place, how).ok()?;
        let link = format!("/proc/thread-self/fd/{}", object.as_raw_fd());
        let path = text(Path::new(&readlink(link.as_str()).ok()?));
        let mode = SFlag::from_bits_truncate(fstat(&object).ok()?.st_mode);
        Some(Self { path, directory: mode & SFlag::S_IFMT == SFlag::S_IFDIR })
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Tells the caller when lazy pages are served.
struct Notices {
    status: Option<OwnedFd>,
}

impl Listener for Notices {
    fn notice(&mut self, script: &str, _: i32, _: Option<OwnedFd>) -> Result<()> {
        if script == "status-ready"
            && let Some(status) = self.status.take()
        {
            fdio::write_once(status.as_fd(), &[0])
                .map_err(|e| Error::system("write to", "--status-fd", e))?;
        }
        Ok(())
    }
}
