//! What the fuzz targets (`fuzz/`, docs/fuzzing.md) do with their input. Compiled for them, and for the
//! test that all seeds pass.
//!
//! A target fails by a panic, in here or below: an error that is more than a line is one.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::Path;

use oci_spec::runtime::{LinuxResources, Process, Spec};

use crate::cgroup::{self, Mode, Paths, Place, devices, resources, stats, systemd};
use crate::compile::samples::{cgroups, host};
use crate::compile::{self, ExecRequest, Foreground, HookPlace, Request};
use crate::error::Result;
use crate::host::HostFacts;
use crate::plan::op::{OnError, Op, Slot, Step, signal};
use crate::plan::record::Record as Packet;
use crate::plan::{Builder, HookKind, MountSource, Plan, RuntimeStep, Source};
use crate::seccomp::{Arch, Filter};
use crate::spec::{bit_mask, parse, sysctl_path};
use crate::state::{ProcStat, Record, StoredFilter};
use crate::validate::{HostLimits, validate, validate_process};

const HOSTS: [&str; 4] = ["x", "x@v2", "x@user", "x@systemd"];

/// The error, if it is one, has to be one line that blames the input.
fn told<T>(result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(e) => {
            let text = e.to_string();
            assert!(!text.is_empty() && text.lines().count() == 1, "{text:?}");
            assert!(!text.contains("internal:"), "{text}");
            None
        }
    }
}

/// A config, on every kind of host: its plans, limits, device rules and unit's properties.
pub fn create(json: &[u8]) {
    for (plan, _) in read(json).iter().flat_map(all_plans) {
        std::hint::black_box(plan.to_string());
        let steps = plan.steps.iter().map(|planned| planned.step);
        assert!(steps.clone().all(|step| Step::decode(&step.encode()) == Some(step)));
    }
    let Some(spec) = read(json) else { return };
    told(cgroup::systemd::properties_of(&spec, Mode::V1));
    told(systemd::properties_of(&spec, Mode::V2));
    let linux = spec.linux().as_ref();
    if let Some(asked) = linux.and_then(|linux| linux.resources().as_ref()) {
        limits(asked, asked);
    }
}

/// The resources of an update, on top of their own and of none.
pub fn update(json: &[u8]) {
    if let Some(update) = told(crate::read_resources(json, Path::new("resources.json"))) {
        limits(&update, &update);
        limits(&LinuxResources::default(), &update);
    }
}

fn limits(old: &LinuxResources, update: &LinuxResources) {
    let merged = resources::merged(old, update);
    for list in [&merged, &resources::widened(update, &merged)] {
        for (mode, fresh) in
            [(Mode::V1, true), (Mode::V1, false), (Mode::V2, true), (Mode::V2, false)]
        {
            told(resources::compile(
                list,
                resources::Target { mode, fresh, document: "config.json" },
            ));
        }
        told(devices::compile(list.devices().as_deref().unwrap_or_default()));
        told(devices::unit::systemd_properties(list.devices().as_deref().unwrap_or_default()));
    }
}

fn read(json: &[u8]) -> Option<Spec> {
    told(parse(json, Path::new("config.json")))
}

fn all_plans(spec: &Spec) -> Vec<(Plan, &'static str)> {
    let profile = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let filter = profile.map(|profile| told(Filter::compile_for(profile, Arch::X86_64)));
    let Some(filter) = filter.map_or(Some(None), |compiled| compiled.map(Some)) else {
        return Vec::new();
    };
    HOSTS.iter().flat_map(|kind| plans_on(spec, kind, filter.as_ref())).collect()
}

fn plans_on(spec: &Spec, kind: &'static str, filter: Option<&Filter>) -> Vec<(Plan, &'static str)> {
    let (host, cgroup) = (host(kind), cgroups(kind));
    if told(validate(spec, &HostLimits { euid: host.euid })).is_none() {
        return Vec::new();
    }
    let mut plans = Vec::new();
    for wait_for_start in [true, false] {
        plans.extend(told(compile::create(&Request {
            spec,
            bundle: Path::new("/bundle"),
            rootfs: Path::new("/bundle/rootfs"),
            host: &host,
            cgroup: &cgroup,
            resctrl: &[],
            links: &[],
            wait_for_start,
            own_stdio: wait_for_start,
            foreground: None,
            preserve_fds: 0,
            no_pivot: false,
            keyring: Some("_ses.c".into()),
            filter,
        })));
    }
    plans.extend(spec.process().as_ref().and_then(|process| plan_of_exec(spec, process, kind)));
    plans.extend(plans_of_hooks(spec, &host));
    plans.into_iter().map(|plan| (plan, kind)).collect()
}

fn plans_of_hooks(spec: &Spec, host: &HostFacts) -> Vec<Plan> {
    let hooks =
        [HookKind::CreateRuntime, HookKind::CreateContainer].map(|k| compile::hooks(spec, k));
    let hooks = hooks.into_iter().flatten();
    let places = [
        HookPlace::Runtime { bundle: Path::new("/bundle"), env: &[] },
        HookPlace::Container { spec, host, rootfs: Path::new("/bundle/rootfs") },
    ];
    hooks.flat_map(|hook| places.map(|place| told(compile::hook(hook, place)))).flatten().collect()
}

fn plan_of_exec(spec: &Spec, process: &Process, kind: &str) -> Option<Plan> {
    let (host, cgroup) = (host(kind), cgroups(kind));
    told(compile::exec(&ExecRequest {
        spec,
        process,
        program: None,
        home: true,
        host: &host,
        cgroup: &cgroup,
        resctrl: &[],
        own_stdio: true,
        foreground: Some(Foreground { size: Some((30, 100)) }),
        preserve_fds: 0,
        keyring: None,
        filter: None,
    }))
}

/// The process of an exec, as it was read from a file, in a container that has its own user namespace.
pub fn exec(process: &Process) {
    let spec = br#"{"ociVersion": "1.2.0", "root": {"path": "r"}, "linux": {
        "namespaces": [{"type": "mount"}, {"type": "pid"}, {"type": "user"}],
        "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
        "gidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}]}}"#;
    let spec = read(spec).unwrap();
    for kind in HOSTS {
        let limits = HostLimits { euid: host(kind).euid };
        if told(validate_process(process, &spec, &limits, Path::new("p.json"))).is_some() {
            std::hint::black_box(plan_of_exec(&spec, process, kind).map(|plan| plan.to_string()));
        }
    }
}

/// Encoded plans of a config, with the descriptors that they begin with, the control socket first.
pub fn plans(json: &[u8]) -> Vec<(Vec<u8>, Vec<i32>)> {
    let plans = read(json).map(|spec| all_plans(&spec)).unwrap_or_default();
    plans.iter().map(|(plan, _)| encoded(plan)).collect()
}

/// A plan of these steps, if the checker takes it. Slots 1 to 7 are filled; the runtime's lane meets
/// the executor wherever that wants to.
pub fn checked_plan(steps: &[u8]) -> Option<(Vec<u8>, Vec<i32>)> {
    let mut builder = Builder::new();
    builder.bytes(b"/a/../b\0proc\0\0=\0/dev/null\0");
    (0..16).for_each(|word| _ = builder.words([word]));
    (0..7).for_each(|_| _ = builder.input(Source::Pidfd));
    builder.source(MountSource { path: "/a".into(), nofollow: false });
    for step in steps.chunks_exact(Step::SIZE).filter_map(Step::decode) {
        let Step { op, on_error } = step;
        // Nobody writes such plans.
        if on_error.action <= OnError::SKIP {
            builder.push_with(op, on_error);
        }
        match op {
            Op::Offer { number: signal::LISTENER, .. } => {
                builder.runtime(RuntimeStep::SendListener)
            }
            Op::Signal { number } | Op::Offer { number, .. } | Op::HandOver { number, .. } => {
                builder.runtime(RuntimeStep::Await(number));
            }
            Op::Clone { .. } => builder.runtime(RuntimeStep::Await(signal::BORN)),
            Op::Wait { number } => builder.runtime(RuntimeStep::Answer(number)),
            _ => {}
        }
    }
    builder.finish().ok().map(|plan| encoded(&plan))
}

fn encoded(plan: &Plan) -> (Vec<u8>, Vec<i32>) {
    let number = |slot: Slot| 100 + i32::from(slot.0);
    let fds: Vec<_> = plan.inputs.iter().map(|input| (input.slot, number(input.slot))).collect();
    (plan.encode(&fds), fds.into_iter().map(|(_, fd)| fd).collect())
}

/// What is kept of a container, and what /proc and an executor say of it.
pub fn state(data: &[u8]) {
    let file = Path::new("/run/teu/c/state.json");
    if let Some(record) = told(Record::parse(data, file)) {
        let written = told(record.to_json(file)).unwrap();
        assert_eq!(told(Record::parse(&written, file)), Some(record));
    }
    ProcStat::parse(data);
    StoredFilter::of(data, 0).matches(data);
    let plan = Builder::new().finish().unwrap();
    if let (Some(packet), Some(detail)) = (Packet::from_bytes(data), data.get(Packet::SIZE..)) {
        told::<()>(Err(plan.failure(packet, detail)));
    }
    systemd::read_message(data);
}

/// Ids and names as callers write them.
pub fn names(text: &str) {
    if let Some(id) = told(text.parse::<crate::ContainerId>()) {
        let path = Path::new("/run/teu").join(id.as_str());
        assert_eq!(path.parent(), Some(Path::new("/run/teu")), "{path:?}");
        assert!(path.file_name().is_some() && text != "..", "{path:?}");
    }
    if let Some(path) = sysctl_path(text) {
        let up = path.components().any(|part| part == std::path::Component::ParentDir);
        assert!(path.is_relative() && !up, "{path:?}");
    }
    let _ = bit_mask(text);
    let options: Vec<String> = text.split(',').map(str::to_owned).collect();
    let _ = crate::spec::MountOptions::parse(&options);
}

/// The statistics of a cgroup whose files are in `dir`, as JSON.
pub fn stats(dir: &Path, v2: bool) -> Option<String> {
    let all = ["cpu", "cpuacct", "cpuset", "memory", "pids", "blkio", "hugetlb", "rdma"];
    let controllers = if v2 { Vec::new() } else { all.map(str::to_owned).to_vec() };
    let place = Place { controllers, mount: "/".into(), dir: dir.to_owned() };
    let paths = if v2 {
        Paths { mode: Mode::V2, unified: Some(place), ..Paths::default() }
    } else {
        Paths { v1: vec![place], ..Paths::default() }
    };
    told(stats::Stats::read(&paths)).map(|stats| serde_json::to_string(&stats).unwrap())
}

/// The hierarchies that `/proc/self/cgroup` and `/proc/self/mountinfo` tell of.
pub fn layout(self_cgroup: &Path, mountinfo: &Path) {
    std::hint::black_box(told(cgroup::probe_files(self_cgroup, mountinfo)));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    /// The files of a folder of the repository. (The package has none but its own.)
    fn files(folder: &str) -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// What the fuzzer begins with, and what it has found so far.
    #[test]
    fn every_seed_passes() {
        let of = |folder: &str| files(folder).into_iter().map(|file| fs::read(file).unwrap());
        of("fuzz/seeds/update").for_each(|json| update(&json));
        of("fuzz/seeds/state").for_each(|data| state(&data));
        of("fuzz/seeds/names").for_each(|text| names(std::str::from_utf8(&text).unwrap()));
    }

    /// Steps alone have no seeds: their tags change with the vocabulary.
    #[test]
    fn steps_that_are_in_order_make_a_plan() {
        let steps = [
            Op::Dup { slot: Slot(2), to: 0 },
            Op::Close { slot: Slot(7) },
            Op::CloseRest { keep: Slot::CONTROL, second: Slot::NONE, third: Slot::NONE, from: 3 },
            Op::Exit {},
        ];
        let encode = |op| Step { op, on_error: OnError::fail() }.encode();
        let bytes = steps.map(encode).concat();
        assert!(checked_plan(&bytes).is_some());
        let twice = [encode(steps[1]), encode(steps[1])].concat();
        assert!(checked_plan(&twice).is_none());
    }

    #[test]
    fn every_config_of_the_tests_passes() {
        for folder in ["runtime-lib/tests/plans", "runtime-lib/tests/configs"] {
            let configs = files(folder).into_iter();
            for file in configs.filter(|file| file.extension().is_some_and(|e| e == "json")) {
                let json = fs::read(&file).unwrap();
                create(&json);
                read(&json).and_then(|spec| spec.process().clone()).iter().for_each(exec);
                assert!(!plans(&json).is_empty(), "{}", file.display());
            }
        }
    }

    #[test]
    fn files_of_cgroups_pass() {
        let dir = tempfile::tempdir().unwrap();
        for file in files("fuzz/seeds/cgroup") {
            let text = fs::read_to_string(file).unwrap();
            let (name, content) = text.split_once('\n').unwrap();
            let (kind, name) = name.split_once('/').unwrap();
            fs::write(dir.path().join(name), content).unwrap();
            match kind {
                "proc" => layout(&dir.path().join(name), &dir.path().join(name)),
                _ => assert!(stats(dir.path(), kind == "v2").is_some(), "{name}"),
            }
            fs::remove_file(dir.path().join(name)).unwrap();
        }
    }
}
