//! Plans are reviewed text: `tests/plans/NAME.json` compiles to `NAME.plan`. `BLESS=1` writes the plans
//! anew; the diff is then for a person to read, since order is what security hangs on here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use oci_spec::runtime::Process;

use super::samples::{cgroups, host};
use super::*;
use crate::plan::op::Op;
use crate::resctrl::Group;
use crate::seccomp::Arch;
use crate::spec::parse;
use crate::validate::{HostLimits, validate};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn spec(path: &Path) -> Spec {
    parse(&fs::read(path).unwrap(), path).unwrap()
}

/// Sources that are called `link` are symlinks here.
fn links(spec: &Spec) -> Vec<(usize, PathBuf)> {
    let link = |source: &Option<PathBuf>| source.as_ref().is_some_and(|s| s.ends_with("link"));
    let mounts = spec.mounts().iter().flatten().enumerate();
    mounts.filter(|(_, m)| link(m.source())).map(|(i, _)| (i, "../where/it/leads".into())).collect()
}

fn resctrl_tasks(spec: &Spec) -> Vec<PathBuf> {
    let wanted = spec.linux().as_ref().and_then(|linux| linux.intel_rdt().as_ref());
    let group = |wanted| Group::find(wanted, &"c".parse().unwrap(), Path::new("/sys/fs/resctrl"));
    wanted.map_or_else(Vec::new, |wanted| group(wanted).unwrap().tasks())
}

fn compiled(path: &Path) -> Plan {
    let name = path.file_stem().unwrap().to_str().unwrap();
    let (spec, host, cgroup) = (spec(path), host(name), cgroups(name));
    validate(&spec, &HostLimits { euid: host.euid })
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let links = links(&spec);
    let resctrl = resctrl_tasks(&spec);
    let profile = spec.linux().as_ref().and_then(|linux| linux.seccomp().as_ref());
    let filter = profile.map(|profile| Filter::compile_for(profile, Arch::X86_64).unwrap());
    let request = Request {
        spec: &spec,
        bundle: Path::new("/bundle"),
        rootfs: Path::new("/bundle/rootfs"),
        host: &host,
        cgroup: &cgroup,
        resctrl: &resctrl,
        links: &links,
        wait_for_start: !name.starts_with("run-"),
        own_stdio: name.starts_with("stdio"),
        foreground: None,
        preserve_fds: 0,
        no_pivot: name.contains("no-pivot"),
        keyring: Some("_ses.c".into()),
        filter: filter.as_ref(),
    };
    if name.starts_with("exec-") {
        let process = Process::default();
        let process = spec.process().as_ref().unwrap_or(&process);
        return exec(&ExecRequest {
            spec: &spec,
            process,
            program: None,
            home: true,
            host: &host,
            cgroup: &cgroup,
            resctrl: &resctrl,
            own_stdio: false,
            foreground: Some(Foreground { size: Some((30, 100)) }),
            preserve_fds: 0,
            keyring: Some("_ses.c".into()),
            filter: filter.as_ref(),
        })
        .unwrap();
    }
    create(&request).unwrap()
}

fn configs() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder("plans")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == "json")).collect();
    paths.sort();
    paths
}

#[test]
fn plans_are_as_reviewed() {
    for path in configs() {
        let plan = compiled(&path).to_string();
        let file = path.with_extension("plan");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&file, &plan).unwrap();
        }
        let reviewed = fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(plan, reviewed, "{} differs; BLESS=1 writes it anew", file.display());
    }
}

#[test]
fn every_op_stands_in_a_reviewed_plan() {
    let used: BTreeSet<&str> = configs()
        .iter()
        .flat_map(|path| compiled(path).steps)
        .map(|planned| planned.step.op.name())
        .collect();
    // Only large plans close as they go, see the next test.
    let used = |name: &str| used.contains(name) || name == "Close";
    let unused: Vec<_> = Op::NAMES.iter().filter(|name| !used(name)).collect();
    assert!(unused.is_empty(), "no plan in tests/plans has {unused:?}");
}

#[test]
fn a_plan_with_a_thousand_mounts_closes_as_it_goes() {
    let mount = r#"{"destination": "/m", "source": "/srv", "options": ["bind"]}"#;
    let mounts = vec![mount; 1000].join(",");
    let json = format!(
        r#"{{"ociVersion": "1.0.0", "root": {{"path": "r"}}, "mounts": [{mounts}],
            "linux": {{"namespaces": [{{"type": "mount"}}]}}}}"#
    );
    let spec = parse(json.as_bytes(), Path::new("c")).unwrap();
    let (host, cgroup) = (host("x"), cgroups("x"));
    let plan = create(&Request {
        spec: &spec,
        bundle: Path::new("/b"),
        rootfs: Path::new("/b/r"),
        host: &host,
        cgroup: &cgroup,
        resctrl: &[],
        links: &[],
        wait_for_start: true,
        own_stdio: false,
        foreground: None,
        preserve_fds: 0,
        no_pivot: false,
        keyring: None,
        filter: None,
    })
    .unwrap();
    let close = |p: &&crate::plan::PlannedStep| matches!(p.step.op, Op::Close { .. });
    assert!(plan.steps.iter().filter(close).count() > 1500);
}

#[test]
fn steps_survive_encoding() {
    use crate::plan::op::Step;
    for path in configs() {
        for planned in compiled(&path).steps {
            assert_eq!(Step::decode(&planned.step.encode()), Some(planned.step));
        }
    }
    assert_eq!(Step::decode(&[0xff; Step::SIZE]), None);
    assert_eq!(Step::decode(&[0; Step::SIZE - 1]), None);
}

#[test]
fn the_realistic_configs_compile_on_every_kind_of_host() {
    for entry in fs::read_dir(folder("configs")).unwrap() {
        let spec = spec(&entry.unwrap().path());
        for kind in ["x", "x@v2", "x@user"] {
            let (host, cgroup) = (host(kind), cgroups(kind));
            create(&Request {
                spec: &spec,
                bundle: Path::new("/b"),
                rootfs: Path::new("/b/rootfs"),
                host: &host,
                cgroup: &cgroup,
                resctrl: &[],
                links: &[],
                wait_for_start: true,
                own_stdio: true,
                foreground: None,
                preserve_fds: 3,
                no_pivot: true,
                keyring: None,
                filter: None,
            })
            .unwrap();
        }
    }
}

#[test]
fn what_mounts_without_a_mount_namespace_would_lose_is_refused() {
    let refusal = |namespaces: &str, options: &str| {
        let json = format!(
            r#"{{"ociVersion": "1.0.0", "root": {{"path": "rootfs"}},
            "linux": {{"namespaces": [{namespaces}]}},
            "mounts": [{{"destination": "/t", "type": "tmpfs", "options": [{options}]}}]}}"#
        );
        let spec = parse(json.as_bytes(), Path::new("c")).unwrap();
        create(&request(&spec, &host("x"), &cgroups("x"))).err().map(|e| e.to_string())
    };
    assert_eq!(refusal("", r#""rshared""#), None);
    assert_eq!(refusal(r#"{"type": "mount"}"#, r#""unbindable""#), None);
    let unbindable = refusal("", r#""runbindable""#).unwrap();
    assert!(unbindable.starts_with("mounts[0] (/t): unbindable needs a mount"), "{unbindable}");
    let user = refusal(r#"{"type": "user"}"#, "").unwrap();
    assert!(user.starts_with("mounts: needs a mount namespace"), "{user}");
}

fn request<'a>(spec: &'a Spec, host: &'a HostFacts, cgroup: &'a CgroupShape) -> Request<'a> {
    Request {
        spec,
        bundle: Path::new("/b"),
        rootfs: Path::new("/b/rootfs"),
        host,
        cgroup,
        resctrl: &[],
        links: &[],
        wait_for_start: true,
        own_stdio: false,
        foreground: None,
        preserve_fds: 0,
        no_pivot: false,
        keyring: None,
        filter: None,
    }
}
