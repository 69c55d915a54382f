use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread::sleep;

use super::super::{Layout, devices, may_use_real_cgroups};
use super::*;

fn place(root: &Path, controllers: &[&str], dir: &str) -> Place {
    let name = controllers.first().map_or("unified", |name| name.trim_start_matches("name="));
    let mount = root.join(name);
    fs::create_dir_all(&mount).unwrap();
    let controllers = controllers.iter().map(|&s| s.to_owned()).collect();
    Place { controllers, dir: mount.join(dir), mount }
}

fn v1(places: Vec<Place>) -> Paths {
    Paths { v1: places, ..Paths::default() }
}

#[test]
fn undo_takes_back_what_was_made_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let (memory, pids) =
        (place(root.path(), &["memory"], "a/b/c"), place(root.path(), &["pids"], "a"));
    fs::create_dir_all(memory.mount.join("a")).unwrap();
    let mut cgroup = Cgroup::create(v1(vec![memory.clone(), pids.clone()])).unwrap();
    assert!(memory.dir.is_dir() && pids.dir.is_dir());
    fs::create_dir(memory.dir.join("made-by-the-container")).unwrap();
    cgroup.undo().unwrap();
    assert!(memory.mount.join("a").is_dir());
    assert!(!memory.mount.join("a/b").exists() && !pids.dir.exists());
}

#[test]
fn a_failed_create_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let memory = place(root.path(), &["memory"], "a/b");
    let mut broken = place(root.path(), &["pids"], "file/b");
    fs::write(broken.mount.join("file"), "").unwrap();
    broken.dir = broken.mount.join("file/b");
    let e = Cgroup::create(v1(vec![memory.clone(), broken])).unwrap_err();
    assert!(e.to_string().contains("pids/file/b: ENOTDIR"), "{e}");
    assert!(!memory.mount.join("a").exists());
}

#[test]
fn parents_that_others_use_survive_undo() {
    let root = tempfile::tempdir().unwrap();
    let memory = place(root.path(), &["memory"], "pod/one");
    let mut cgroup = Cgroup::create(v1(vec![memory.clone()])).unwrap();
    fs::create_dir(memory.mount.join("pod/two")).unwrap();
    cgroup.undo().unwrap();
    assert!(!memory.dir.exists() && memory.mount.join("pod/two").exists());
}

#[test]
fn a_populated_cgroup_is_refused_in_runcs_words() {
    let root = tempfile::tempdir().unwrap();
    let memory = place(root.path(), &["memory"], "a");
    fs::create_dir_all(memory.dir.join("below")).unwrap();
    fs::write(memory.dir.join("cgroup.procs"), "").unwrap();
    fs::write(memory.dir.join("below/cgroup.procs"), "4\n5\n").unwrap();
    let e = Cgroup::create(v1(vec![memory.clone()])).unwrap_err();
    assert_eq!(e.to_string(), "container's cgroup is not empty: 2 process(es) found");
    assert!(memory.dir.is_dir());
}

#[test]
fn a_frozen_cgroup_is_refused_in_runcs_words() {
    let root = tempfile::tempdir().unwrap();
    let freezer = place(root.path(), &["freezer"], "a");
    fs::create_dir_all(&freezer.dir).unwrap();
    for (name, text) in
        [("cgroup.procs", ""), ("freezer.state", "FROZEN\n"), ("freezer.self_freezing", "0\n")]
    {
        fs::write(freezer.dir.join(name), text).unwrap();
    }
    let e = Cgroup::create(v1(vec![freezer])).unwrap_err();
    assert_eq!(e.to_string(), "container's cgroup unexpectedly frozen");
}

#[test]
fn an_empty_cpuset_inherits_over_several_levels() {
    let root = tempfile::tempdir().unwrap();
    let cpuset = place(root.path(), &["cpuset"], "a/b");
    fs::create_dir_all(&cpuset.dir).unwrap();
    let file = |dir: &str, name: &str| cpuset.mount.join(dir).join(format!("cpuset.{name}"));
    for (dir, cpus, mems) in [("", "0-3\n", "0\n"), ("a", "\n", "0\n"), ("a/b", "\n", "\n")] {
        fs::write(file(dir, "cpus"), cpus).unwrap();
        fs::write(file(dir, "mems"), mems).unwrap();
    }
    inherit_cpuset(&cpuset, false).unwrap();
    for dir in ["a", "a/b"] {
        assert_eq!(fs::read_to_string(file(dir, "cpus")).unwrap().trim(), "0-3");
        assert_eq!(fs::read_to_string(file(dir, "mems")).unwrap().trim(), "0");
    }
}

#[test]
fn controllers_are_handed_down_from_the_mount_to_the_parent() {
    let root = tempfile::tempdir().unwrap();
    let unified = place(root.path(), &[], "a/b");
    fs::create_dir_all(&unified.dir).unwrap();
    for (dir, has) in [("", "cpu io\n"), ("a", "cpu io\n"), ("a/b", "\n")] {
        fs::write(unified.mount.join(dir).join("cgroup.controllers"), has).unwrap();
        fs::write(unified.mount.join(dir).join("cgroup.subtree_control"), "").unwrap();
    }
    enable_controllers(&unified).unwrap();
    let order = |dir: &str| {
        fs::read_to_string(unified.mount.join(dir).join("cgroup.subtree_control")).unwrap()
    };
    assert_eq!((order("").as_str(), order("a").as_str()), ("+cpu +io", "+cpu +io"));
    assert_eq!(order("a/b"), "");
}

#[test]
fn hierarchies_are_left_out_only_where_that_is_allowed() {
    let cgroup = |mode, best_effort| Cgroup::open(Paths { mode, best_effort, ..Paths::default() });
    let root = tempfile::tempdir().unwrap();
    let memory = place(root.path(), &["memory"], "a");
    let systemd = place(root.path(), &["name=systemd"], "a");
    let unified = place(root.path(), &[], "a");
    assert!(!cgroup(Mode::V1, false).can_do_without(&memory));
    assert!(cgroup(Mode::V1, true).can_do_without(&memory));
    assert!(cgroup(Mode::V1, false).can_do_without(&systemd));
    assert!(cgroup(Mode::V1, false).can_do_without(&unified));
    assert!(!cgroup(Mode::V2, false).can_do_without(&unified));
}

#[test]
fn a_denied_hierarchy_is_an_error_that_names_path_and_errno() {
    if nix::unistd::geteuid().is_root() {
        crate::cgroup::skip("SKIP: root is denied nothing here");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let memory = place(root.path(), &["memory"], "a");
    fs::set_permissions(&memory.mount, fs::Permissions::from_mode(0o555)).unwrap();
    let e = Cgroup::create(v1(vec![memory.clone()])).unwrap_err();
    assert!(e.to_string().contains("memory/a: EACCES: "), "{e}");
    let paths = Paths { best_effort: true, ..v1(vec![memory]) };
    assert!(Cgroup::create(paths).unwrap().paths().is_empty());
}

#[test]
fn what_is_gone_is_removed_and_killed_without_error() {
    let root = tempfile::tempdir().unwrap();
    let cgroup = Cgroup::open(v1(vec![place(root.path(), &["freezer"], "a")]));
    cgroup.signal_all(Signal::TERM, true).unwrap();
    assert!(cgroup.pids().unwrap().is_empty());
    cgroup.remove().unwrap();
    assert!(!cgroup.paths().is_frozen().unwrap());
}

/// A cgroup of this host, removed with all that is in it even if the test fails.
struct Real(Cgroup);

impl Real {
    fn new(name: &str) -> Option<Self> {
        may_use_real_cgroups().then(|| {
            let name = format!("teu-test-{name}-{}", std::process::id());
            let path = PathBuf::from(format!("/{name}/inner"));
            let id = name.parse().unwrap();
            let layout = Layout::probe().unwrap();
            let paths = Paths::resolve(&layout, Some(&path), &id, false).unwrap();
            Self(Cgroup::create(paths).unwrap())
        })
    }

    /// Starts a process that joined, and waits until it has.
    fn spawn(&self, script: &str) -> Child {
        let mut command = Command::new("sh");
        let mut join = String::new();
        for place in self.0.paths().places() {
            join += &format!("echo 0 > {}/cgroup.procs\n", place.dir.display());
        }
        command.args(["-c", &format!("{join}{script}")]);
        let child = command.spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let joined = |place: &Place| list(place).unwrap().contains(&pid);
        wait_until(|| self.0.paths().places().all(joined));
        child
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.0.kill_all();
        let _ = self.0.remove();
        let _ = self.0.undo();
    }
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "waited too long");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn real_the_tasks_files_move_a_single_threaded_process() {
    let Some(real) = Real::new("join") else { return };
    let tasks = real.0.tasks();
    assert_eq!(tasks.len(), real.0.paths().v1.len());
    let unified = real.0.unified_fd().unwrap();
    assert_eq!(unified.is_some(), real.0.paths().unified.is_some());
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    for file in tasks {
        fs::write(file.path, child.id().to_string()).unwrap();
    }
    let joined = fs::read_to_string(format!("/proc/{}/cgroup", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    for place in &real.0.paths().v1 {
        let path = place.dir.strip_prefix(&place.mount).unwrap().display();
        let line = format!(":{}:/{path}", place.controllers.join(","));
        assert!(joined.lines().any(|l| l.ends_with(&line)), "{line} in\n{joined}");
    }
}

#[test]
fn real_kill_all_reaches_everyone_also_when_frozen() {
    let Some(real) = Real::new("kill") else { return };
    let mut child = real.spawn("sleep 60 & sleep 60 & exec sleep 60");
    wait_until(|| real.0.pids().unwrap().len() == 3);
    assert!(!real.0.paths().is_frozen().unwrap());
    real.0.freeze().unwrap();
    assert!(real.0.paths().is_frozen().unwrap());
    real.0.kill_all().unwrap();
    assert!(!child.wait().unwrap().success());
    wait_until(|| real.0.pids().unwrap().is_empty());
    real.0.remove().unwrap();
    assert!(real.0.paths().places().all(|place| !place.dir.exists()));
    real.0.remove().unwrap();
}

#[test]
fn real_other_signals_and_thaw() {
    let Some(real) = Real::new("term") else { return };
    let mut child = real.spawn("exec sleep 60");
    real.0.freeze().unwrap();
    real.0.signal_all(Signal::TERM, true).unwrap();
    assert!(real.0.paths().is_frozen().unwrap());
    real.0.thaw().unwrap();
    assert!(!real.0.paths().is_frozen().unwrap());
    assert!(!child.wait().unwrap().success());
}

#[test]
fn real_a_fork_bomb_without_a_freezer_is_hunted_down() {
    let Some(mut real) = Real::new("bomb") else { return };
    real.0.paths.v1.retain(|place| !place.has("freezer"));
    if real.0.paths.mode == Mode::V1 {
        real.0.paths.unified = None;
    }
    let mut child = real.spawn("while :; do sleep 1 & sleep 0.001; done");
    sleep(Duration::from_millis(50));
    real.0.kill_all().unwrap();
    child.wait().unwrap();
    wait_until(|| real.0.pids().unwrap().is_empty());
    let id = "x".parse().unwrap();
    let inner = real.0.paths.v1.first().or(real.0.paths.unified.as_ref()).unwrap();
    let inner = Path::new("/").join(inner.dir.strip_prefix(&inner.mount).unwrap());
    let layout = Layout::probe().unwrap();
    real.0.paths = Paths::resolve(&layout, Some(&inner), &id, false).unwrap();
}

#[test]
fn real_a_populated_or_frozen_cgroup_is_refused() {
    let Some(real) = Real::new("again") else { return };
    let mut child = real.spawn("exec sleep 60");
    let e = Cgroup::create(real.0.paths().clone()).unwrap_err();
    assert_eq!(e.to_string(), "container's cgroup is not empty: 1 process(es) found");
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until(|| real.0.pids().unwrap().is_empty());
    real.0.freeze().unwrap();
    let e = Cgroup::create(real.0.paths().clone()).unwrap_err();
    assert_eq!(e.to_string(), "container's cgroup unexpectedly frozen");
    real.0.thaw().unwrap();
    Cgroup::create(real.0.paths().clone()).unwrap();
}

#[test]
fn real_removal_waits_for_the_last_process_and_is_bounded() {
    let Some(real) = Real::new("busy") else { return };
    let mut child = real.spawn("exec sleep 0.3");
    let reaper = std::thread::spawn(move || child.wait());
    real.0.remove().unwrap();
    reaper.join().unwrap().unwrap();
    assert!(real.0.paths().places().all(|place| !place.dir.exists()));
}

#[test]
fn real_a_stuck_removal_names_path_and_errno() {
    let Some(real) = Real::new("stuck") else { return };
    let mut child = real.spawn("exec sleep 60");
    let started = Instant::now();
    let text = real.0.remove().unwrap_err().to_string();
    assert!(started.elapsed() < Duration::from_secs(4));
    assert!(text.contains("/inner: EBUSY: "), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn real_device_rules_are_what_the_kernel_then_lists() {
    let Some(real) = Real::new("devices") else { return };
    let Some(dir) = real.0.paths().v1_dir("devices") else {
        crate::cgroup::skip("SKIP: needs the v1 devices controller");
        return;
    };
    devices::apply(real.0.paths(), &[], false).unwrap();
    let listed = fs::read_to_string(dir.join("devices.list")).unwrap();
    assert_eq!(listed.lines().count(), 11, "{listed}");
    assert!(listed.lines().any(|line| line == "c 136:* rwm"), "{listed}");
    let all = serde_json::from_str(r#"[{"allow":true,"access":"rwm"}]"#);
    let all: Vec<oci_spec::runtime::LinuxDeviceCgroup> = all.unwrap();
    devices::apply(real.0.paths(), &all, false).unwrap();
    let listed = fs::read_to_string(dir.join("devices.list")).unwrap();
    assert_eq!(listed.trim(), "a *:* rwm");
}
