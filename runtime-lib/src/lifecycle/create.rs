//! create and run: from a bundle to a process.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxIntelRdt, Spec};

use super::console::{self, Delivery};
use super::hooks::HookContext;
use super::places::places;
use super::seccomp::{Compiled, send_listener};
use super::{CreateOptions, Process, Runtime, files, host_namespaces, limits, links, notify};
use crate::cgroup::{Cgroup, Layout, Paths, resources};
use crate::compile::{self, BySystemd, CgroupShape, Hierarchy, Request, Tasks};
use crate::error::{Error, Result};
use crate::host::HostFacts;
use crate::id::ContainerId;
use crate::launch::{Child, Lane, launch, user_namespaces};
use crate::plan::{HookKind, Plan};
use crate::prepare::{Prepare, check_preserved, prepare};
use crate::resctrl::{self, Group};
use crate::spec::{Bundle, KEEP_GROUPS, keeps_groups, load};
use crate::state::{Entry, Lock, Origin, ProcStat, Record, StoredFilter, now};
use crate::timings::Timer;
use crate::validate::{HostLimits, validate};

/// Whether the process waits for `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Create,
    Run,
}

/// Everything known before the first effect.
pub(super) struct Draft {
    pub bundle: Bundle,
    pub host: HostFacts,
    pub layout: Layout,
    pub paths: Paths,
    resctrl: Option<Group>,
    pub resctrl_tasks: Vec<PathBuf>,
    links: Vec<(usize, PathBuf)>,
    pub filter: Option<Compiled>,
}

impl Draft {
    pub fn read(
        runtime: &Runtime,
        id: &ContainerId,
        bundle: &Path,
        timer: &mut Timer,
    ) -> Result<Self> {
        let bundle = load(bundle)?;
        timer.stage("load");
        bundle.warnings.iter().for_each(|warning| runtime.warn(warning));
        let host = runtime.host_for(&bundle.spec, bundle.spec.process().as_ref());
        validate(&bundle.spec, &HostLimits { euid: host.euid })?;
        host_namespaces::refuse_changes(&bundle.spec)?;
        warn_of_kept_groups(runtime, &bundle.spec);
        let process = bundle.spec.process().as_ref();
        process.into_iter().flat_map(compile::not_raised).for_each(|text| runtime.warn(&text));
        let limits = limits::resources_of(&bundle.spec);
        limits.and_then(resources::weight_of_idle).iter().for_each(|text| runtime.warn(text));
        timer.stage("validate");
        let layout = Layout::probe()?;
        let paths = places(runtime, &layout, &bundle.spec, id, &host)?;
        let resctrl = resctrl_group(&bundle.spec, id)?;
        let resctrl_tasks = resctrl.as_ref().map_or_else(Vec::new, Group::tasks);
        let links = links::read(&bundle)?;
        timer.stage("look at the host");
        let filter = Compiled::of(&bundle.spec, runtime.store().filter_cache())?;
        timer.stage("compile the filter");
        Ok(Self { bundle, host, layout, paths, resctrl, resctrl_tasks, links, filter })
    }

    pub fn request<'a>(&'a self, cgroup: &'a CgroupShape) -> Request<'a> {
        Request {
            spec: &self.bundle.spec,
            bundle: &self.bundle.dir,
            rootfs: &self.bundle.rootfs,
            host: &self.host,
            cgroup,
            resctrl: &self.resctrl_tasks,
            links: &self.links,
            wait_for_start: true,
            own_stdio: false,
            foreground: None,
            preserve_fds: 0,
            no_pivot: false,
            keyring: None,
            filter: self.filter.as_ref().map(|compiled| &compiled.filter),
        }
    }

    /// LISTEN_PID has to be the process's own pid as it sees it, which is known beforehand only in a
    /// pid namespace of its own.
    fn announce_sockets(&mut self, count: u32) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        if !self.namespace_names().iter().any(|name| name == "pid") {
            let reason = "needs a pid namespace of the container's own";
            return Err(Error::unsupported("LISTEN_FDS", reason));
        }
        if let Some(process) = self.bundle.spec.process_mut() {
            let mut env = process.env().clone().unwrap_or_default();
            env.extend([format!("LISTEN_FDS={count}"), "LISTEN_PID=1".to_owned()]);
            process.set_env(Some(env));
        }
        Ok(())
    }

    pub fn terminal(&self) -> bool {
        self.bundle.spec.process().as_ref().and_then(|p| p.terminal()).unwrap_or(false)
    }

    fn namespace_names(&self) -> Vec<String> {
        let linux = self.bundle.spec.linux().as_ref();
        let list = linux.and_then(|linux| linux.namespaces().as_deref()).unwrap_or_default();
        list.iter().map(|namespace| namespace.typ().to_string()).collect()
    }

    pub fn record(&self, id: &ContainerId) -> Record {
        let annotations = self.bundle.spec.annotations().clone().unwrap_or_default();
        Record {
            version: Record::VERSION,
            oci_version: self.bundle.spec.version().clone(),
            id: id.to_string(),
            pid: 0,
            start_time: 0,
            origin: Origin::default(),
            bundle: self.bundle.dir.clone(),
            rootfs: self.bundle.rootfs.clone(),
            created: now(),
            owner_uid: self.host.euid,
            owner: String::new(),
            annotations: annotations.into_iter().collect::<BTreeMap<_, _>>(),
            cgroup: self.paths.clone(),
            resctrl: self.resctrl.clone(),
            namespaces: self.namespace_names(),
            own_keyring: false,
            poststop: !compile::hooks(&self.bundle.spec, HookKind::Poststop).is_empty(),
            resources: None,
            streams: Vec::new(),
            filter: None,
        }
    }
}

/// The words are runc's.
const NO_WAY_TO_KILL: &str = "Creating a rootless container with no cgroup and no private pid namespace. Such \
     configuration is strongly discouraged (as it is impossible to properly kill all container's processes)";

/// podman lists the groups of the image's user as well; crun passes over them.
fn warn_of_kept_groups(runtime: &Runtime, spec: &Spec) {
    let groups = spec.process().as_ref().and_then(|p| p.user().additional_gids().as_ref());
    if keeps_groups(spec) && groups.is_some_and(|groups| !groups.is_empty()) {
        runtime.warn(&format!("{KEEP_GROUPS}: process.user.additionalGids are not set"));
    }
}

pub(super) fn plan(runtime: &Runtime, id: &ContainerId, bundle: &Path) -> Result<String> {
    let draft = Draft::read(runtime, id, bundle, &mut Timer::off())?;
    let shape = shape(&draft.layout, &Cgroup::open(draft.paths.clone()));
    let record = Record { own_keyring: true, ..draft.record(id) };
    let request = Request { keyring: record.keyring(), ..draft.request(&shape) };
    Ok(compile::create(&request)?.to_string())
}

pub(super) fn create(
    runtime: &Runtime,
    id: &ContainerId,
    bundle: &Path,
    options: CreateOptions,
    mode: Mode,
) -> Result<Process> {
    check_preserved(options.listen_fds.saturating_add(options.preserve_fds))?;
    let mut timer = Timer::new(options.timings);
    let mut draft = Draft::read(runtime, id, bundle, &mut timer)?;
    draft.announce_sockets(options.listen_fds)?;
    if options.notify {
        notify::announce(&mut draft.bundle.spec, &runtime.store().path_of(id)?);
    }
    let mut record = draft.record(id);
    let shares_pids = record.shares_pids();
    record.own_keyring = !options.no_new_keyring;
    let mut site = Site::open(runtime, id)?;
    let started = site.build(&draft, record, options, mode, timer);
    if started.is_err() {
        site.undo(runtime);
    } else if shares_pids && site.cgroup.as_ref().is_some_and(|cgroup| cgroup.paths().is_empty()) {
        runtime.warn(NO_WAY_TO_KILL);
    }
    started
}

/// What a create has made so far.
pub(super) struct Site {
    entry: Option<Entry>,
    #[allow(dead_code, reason = "held until the container is whole")]
    lock: Lock,
    cgroup: Option<Cgroup>,
    resctrl: Option<Group>,
}

impl Site {
    /// The container's directory in the state root.
    pub fn open(runtime: &Runtime, id: &ContainerId) -> Result<Self> {
        let (entry, lock) = runtime.store().create(id)?;
        Ok(Self { entry: Some(entry), lock, cgroup: None, resctrl: None })
    }

    pub fn entry(&self) -> Result<&Entry> {
        self.entry.as_ref().ok_or(Error::NotFound)
    }

    /// Both, once the cgroup is made.
    pub fn parts(&mut self) -> Result<(&Entry, &mut Cgroup)> {
        Ok((
            self.entry.as_ref().ok_or(Error::NotFound)?,
            self.cgroup.as_mut().ok_or(Error::NotFound)?,
        ))
    }

    /// Config and record first: whatever happens from here on, `delete --force` knows where to look
    /// for what is left.
    pub fn write(&self, draft: &Draft, record: &mut Record) -> Result<()> {
        let entry = self.entry()?;
        record.origin = Origin::here(entry.dir());
        entry.write_config(&draft.bundle.raw)?;
        if let Some(Compiled { filter, .. }) = &draft.filter {
            let program = filter.to_bytes();
            entry.write_filter(&program)?;
            record.filter = Some(StoredFilter::of(&program, filter.flags()));
        }
        entry.write_record(record)
    }

    /// With its limits, unless it is for systemd to make, and its share of caches.
    pub fn make_cgroup(&mut self, draft: &Draft, record: &mut Record) -> Result<()> {
        let cgroup = self.cgroup.insert(Cgroup::create(draft.paths.clone())?);
        record.cgroup = cgroup.paths().clone();
        if cgroup.paths().unit.is_none() {
            limits::apply(cgroup, &draft.bundle.spec, &draft.host)?;
        }
        if let (Some(group), Some(wanted)) = (&draft.resctrl, rdt_of(&draft.bundle.spec)) {
            let group = self.resctrl.insert(group.clone());
            group.create(wanted)?;
            record.resctrl = Some(group.clone());
        }
        Ok(())
    }

    fn build(
        &mut self,
        draft: &Draft,
        mut record: Record,
        options: CreateOptions,
        mode: Mode,
        mut timer: Timer,
    ) -> Result<Process> {
        let stdio = options.stdio.into_fds();
        if !draft.terminal() {
            record.streams = files::streams(stdio.as_ref());
        }
        self.write(draft, &mut record)?;
        if options.notify {
            self.entry()?.make_notify_dir()?;
        }
        let notify = if mode == Mode::Run { notify::listen(self.entry()?)? } else { None };
        timer.stage("state");
        self.make_cgroup(draft, &mut record)?;
        timer.stage("cgroups and limits");
        let (entry, cgroup) = self.parts()?;
        let shape = shape(&draft.layout, cgroup);
        let mut delivery = Delivery::open(&options.console, draft.terminal())?;
        let plan = compile::create(&Request {
            wait_for_start: mode == Mode::Create,
            own_stdio: stdio.is_some(),
            foreground: delivery.foreground,
            preserve_fds: options.listen_fds + options.preserve_fds,
            no_pivot: options.no_pivot,
            keyring: record.keyring(),
            ..draft.request(&shape)
        })?;
        timer.stage("compile");
        let prepared = prepare(
            &plan,
            Prepare {
                cgroup_dir: if shape.into_cgroup { cgroup.unified_fd()? } else { None },
                start: match mode {
                    Mode::Create => Some(files::make_start_fifo(entry)?),
                    Mode::Run => None,
                },
                stdio,
                console: delivery.executor.take(),
                user_namespaces: user_namespaces(&plan)?,
                ..Prepare::default()
            },
        )?;
        timer.stage("prepare");
        let CreateOptions { pid_file, pidfd_socket, .. } = options;
        let mut lane =
            CreateLane { draft, entry, cgroup: &mut *cgroup, record, pid_file, pidfd_socket };
        let child = launch_and_settle(&plan, prepared, &mut lane, mode, &mut timer)
            .map_err(|e| limits::explain_death(e, cgroup))?;
        draft.filter.iter().for_each(Compiled::keep);
        let process = Process::adopt(child, delivery.master()?)?;
        Ok(process.with_notify(notify).with_timings(timer.finish(&plan)))
    }

    /// Takes everything back. Errors of it only warn: the first error is the one that counts. The state
    /// goes last, and stays if a cgroup does: `delete --force` and `gc` find it by that.
    pub fn undo(&mut self, runtime: &Runtime) {
        let mut cleaned = Ok(());
        if let Some(cgroup) = &mut self.cgroup {
            if cgroup.is_ours() {
                let _ = cgroup.kill_all();
            }
            cleaned = cgroup.undo();
        }
        cleaned = self.resctrl.as_ref().map_or(Ok(()), Group::undo).and(cleaned);
        if let Some(entry) = self.entry.take()
            && cleaned.is_ok()
        {
            cleaned = entry.remove();
        }
        if let Err(e) = cleaned {
            runtime.warn(&format!("cleaning up: {e}"));
        }
    }
}

fn launch_and_settle(
    plan: &Plan,
    prepared: crate::prepare::Prepared,
    lane: &mut CreateLane<'_>,
    mode: Mode,
    timer: &mut Timer,
) -> Result<Child> {
    let child = match launch(plan, prepared, lane, timer) {
        Ok(child) => child,
        Err(e) => {
            // The specification continues a failed create at its delete, hence with poststop.
            lane.context(None).run_all(HookKind::Poststop);
            return Err(e);
        }
    };
    if mode == Mode::Run {
        if let Err(e) = lane.context(Some(&child)).run(HookKind::Poststart) {
            // The drop of the child ends it (runtime.md, lifecycle step 9).
            drop(child);
            lane.context(None).run_all(HookKind::Poststop);
            return Err(e);
        }
        timer.stage("hooks poststart");
    }
    Ok(child)
}

/// The runtime's part of a container start.
struct CreateLane<'a> {
    draft: &'a Draft,
    entry: &'a Entry,
    cgroup: &'a mut Cgroup,
    record: Record,
    pid_file: Option<PathBuf>,
    pidfd_socket: Option<PathBuf>,
}

impl CreateLane<'_> {
    fn context<'b>(&'b self, init: Option<&'b Child>) -> HookContext<'b> {
        let init = init.and_then(|child| Some((child.pid, child.pidfd()?)));
        let Draft { bundle, host, filter, .. } = self.draft;
        let filter = filter.as_ref().map(|compiled| &compiled.filter);
        HookContext { spec: &bundle.spec, record: &self.record, host, init, filter }
    }
}

impl Lane for CreateLane<'_> {
    fn start_unit(&mut self, init: &Child) -> Result<()> {
        start_unit(self.draft, self.cgroup, init.pid)
    }

    fn hooks(&mut self, kind: HookKind, init: &Child) -> Result<()> {
        self.context(Some(init)).run(kind)
    }

    fn save(&mut self, init: &Child) -> Result<()> {
        let stat =
            ProcStat::read(init.pid)?.ok_or_else(|| Error::ExecutorDied("is gone".into()))?;
        self.record.pid = init.pid;
        self.record.start_time = stat.start_time;
        self.entry.write_record(&self.record)?;
        if let (Some(path), Some(pidfd)) = (&self.pidfd_socket, init.pidfd()) {
            console::send_to(path, "pidfd socket", pidfd.as_raw_fd())?;
        }
        self.pid_file.as_deref().map_or(Ok(()), |path| files::write_pid_file(path, init.pid))
    }

    fn listener(&mut self, listener: OwnedFd, init: &Child) -> Result<()> {
        let status = ("creating", init.pid);
        send_listener(&self.draft.bundle.spec, &self.record, status, listener, init.pid)
    }
}

/// `linux.intelRdt` of a config.
pub(super) fn rdt_of(spec: &Spec) -> Option<&LinuxIntelRdt> {
    spec.linux().as_ref().and_then(|linux| linux.intel_rdt().as_ref())
}

fn resctrl_group(spec: &Spec, id: &ContainerId) -> Result<Option<Group>> {
    rdt_of(spec).map(|wanted| Group::find(wanted, id, &resctrl::mount_point()?)).transpose()
}

/// systemd makes the cgroup with the first process in it.
pub(super) fn start_unit(draft: &Draft, cgroup: &mut Cgroup, pid: i32) -> Result<()> {
    let Draft { bundle, host, .. } = draft;
    let devices = limits::devices_for_unit(&bundle.spec, host);
    cgroup.start_unit(pid, &bundle.spec, devices)?;
    limits::apply(cgroup, &limits::of_unit(&bundle.spec), host)
}

/// What compile has to know of the cgroups.
pub(super) fn shape(layout: &Layout, cgroup: &Cgroup) -> CgroupShape {
    let paths = cgroup.paths();
    let hierarchies = layout.v1.iter().filter_map(|hierarchy| {
        let place = paths.v1.iter().find(|place| place.mount == hierarchy.mount);
        let own = if paths.disabled { hierarchy.own.as_ref() } else { None };
        Some(Hierarchy {
            name: hierarchy.mount.file_name()?.to_string_lossy().into_owned(),
            options: hierarchy.controllers.clone(),
            path: place.map(|place| &place.dir).or(own)?.clone(),
        })
    });
    let start = paths
        .unit
        .as_ref()
        .map(|unit| BySystemd::Start { name: unit.name.clone(), slice: unit.slice.clone() });
    let joining = joining(cgroup);
    CgroupShape {
        hierarchies: hierarchies.collect(),
        into_cgroup: joining.into_cgroup && start.is_none(),
        by_systemd: start,
        ..joining
    }
}

/// How a process gets into the cgroups.
pub(super) fn joining(cgroup: &Cgroup) -> CgroupShape {
    let tasks = cgroup.tasks().into_iter().map(|file| Tasks {
        path: file.path,
        dispensable: file.dispensable,
        counted: file.counted,
    });
    CgroupShape {
        into_cgroup: cgroup.paths().unified.is_some(),
        by_systemd: None,
        tasks: tasks.collect(),
        hierarchies: Vec::new(),
    }
}
