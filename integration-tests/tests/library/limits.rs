//! Limits by the library's types.

use integration_tests::cgroup::Cgroup;
use integration_tests::{Bundle, json, require};
use libteu::{Container, ErrorKind, KillTarget, Signal};
use oci_spec::runtime::{LinuxCpu, LinuxPids, LinuxResources};

use crate::alone::alone;
use crate::drive;

fn pids(limit: i64) -> LinuxResources {
    let (mut resources, mut pids) = (LinuxResources::default(), LinuxPids::default());
    pids.set_limit(limit);
    resources.set_pids(Some(pids));
    resources
}

fn cpus(list: &str) -> LinuxResources {
    let (mut resources, mut cpu) = (LinuxResources::default(), LinuxCpu::default());
    cpu.set_cpus(Some(list.to_owned()));
    resources.set_cpu(Some(cpu));
    resources
}

fn limit_of(container: &Container) -> String {
    Cgroup::of(container.state().unwrap().pid).read("pids.max", "pids.max")
}

#[test]
fn updates_are_kept_for_the_next_one_and_errors_have_kinds() {
    require!("root");
    alone(|| {
        let mut bundle = Bundle::probe(&["sleep"]);
        bundle.set("/linux/resources/pids/limit", 20);
        bundle.set("/linux/resources/devices", json!([{ "allow": true, "access": "rwm" }]));
        bundle.write();
        let (container, init) = drive::started(&bundle, &drive::id(&bundle, ""));
        assert_eq!(limit_of(&container), "20");
        container.update(&pids(30)).unwrap();
        assert_eq!(limit_of(&container), "30");
        container.update(&LinuxResources::default()).unwrap();
        assert_eq!(limit_of(&container), "30");
        let e = container.update(&cpus("99999")).unwrap_err();
        assert_eq!((e.kind(), e.errno()), (ErrorKind::System, Some(nix::errno::Errno::ERANGE)));
        container.kill(Signal::KILL, KillTarget::Init).unwrap();
        init.wait().unwrap();
        assert_eq!(container.update(&pids(5)).unwrap_err().kind(), ErrorKind::WrongStatus);
        container.delete(false).unwrap();
        assert!(container.update(&pids(5)).is_err());
        bundle.assert_clean();
    });
}

/// Each sees what the one before wrote down.
#[test]
fn updates_exclude_each_other() {
    require!("root");
    alone(|| {
        let mut bundle = Bundle::probe(&["sleep"]);
        bundle.set("/linux/resources/devices", json!([{ "allow": true, "access": "rwm" }]));
        bundle.write();
        let (container, init) = drive::started(&bundle, &drive::id(&bundle, ""));
        std::thread::scope(|threads| {
            for limit in 20..28 {
                let container = &container;
                threads.spawn(move || container.update(&pids(limit)).unwrap());
            }
        });
        let limit: i64 = limit_of(&container).parse().unwrap();
        let state = std::fs::read_to_string(bundle.root().join(bundle.id()).join("state.json"));
        assert!(state.unwrap().contains(&format!("\"pids\":{{\"limit\":{limit}}}")));
        container.kill(Signal::KILL, KillTarget::Init).unwrap();
        init.wait().unwrap();
        container.delete(false).unwrap();
    });
}
