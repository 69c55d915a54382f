use std::fs;

use proptest::prelude::*;

use super::*;

/// A tree of plain directories in which a file named `.v1` or `.v2` stands for the filesystem.
struct Fake {
    dir: tempfile::TempDir,
}

fn fake_kind(dir: &Path) -> Kind {
    match (dir.join(".v1").exists(), dir.join(".v2").exists()) {
        (true, _) => Kind::V1,
        (_, true) => Kind::V2,
        _ => Kind::Other,
    }
}

impl Fake {
    fn new(self_cgroup: &str) -> Self {
        let fake = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(fake.root()).unwrap();
        fs::write(fake.dir.path().join("cgroup"), self_cgroup).unwrap();
        fs::write(fake.dir.path().join("mountinfo"), "").unwrap();
        fake
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("sys")
    }

    fn mount(self, name: &str, kind: &str) -> Self {
        fs::create_dir_all(self.root().join(name)).unwrap();
        fs::write(self.root().join(name).join(kind), "").unwrap();
        self
    }

    fn mountinfo(self, lines: &str) -> Self {
        let lines = lines.replace("SYS", self.root().to_str().unwrap());
        fs::write(self.dir.path().join("mountinfo"), lines).unwrap();
        self
    }

    fn probe(&self) -> Layout {
        let from = Sources {
            root: &self.root(),
            self_cgroup: &self.dir.path().join("cgroup"),
            mountinfo: &self.dir.path().join("mountinfo"),
            kind: fake_kind,
        };
        Prober::new(from).probe().unwrap()
    }
}

#[test]
fn hybrid() {
    let fake = Fake::new("3:name=systemd:/\n2:cpu:/\n1:name=other:/\n0::/x\n")
        .mount("cpu", ".v1")
        .mount("systemd", ".v1")
        .mount("other", ".v1")
        .mount("unified", ".v2");
    let layout = fake.probe();
    assert_eq!(layout.mode, Mode::V1);
    let names: Vec<_> = layout.v1.iter().map(|h| h.controllers.join(",")).collect();
    assert_eq!(names, [SYSTEMD, "cpu"]);
    let unified = layout.unified.unwrap();
    assert_eq!(unified.mount, fake.root().join("unified"));
    assert_eq!(unified.own, Some(unified.mount));
}

#[test]
fn controllers_mounted_together_are_one_hierarchy() {
    let fake = Fake::new("4:cpu,cpuacct:/\n5:net_cls,net_prio:/\n")
        .mount("cpu,cpuacct", ".v1")
        .mount("net_cls", ".v1");
    let layout = fake.probe();
    let mounts: Vec<_> = layout.v1.iter().map(|h| h.mount.clone()).collect();
    assert_eq!(mounts, [fake.root().join("cpu,cpuacct"), fake.root().join("net_cls")]);
    assert_eq!(layout.unified, None);
}

#[test]
fn v2_alone_takes_the_parent_of_the_callers_cgroup() {
    let fake = Fake::new("0::/user.slice/session.scope\n").mount("", ".v2");
    let layout = fake.probe();
    assert_eq!(layout.mode, Mode::V2);
    assert!(layout.v1.is_empty());
    assert_eq!(layout.unified.unwrap().own, Some(fake.root().join("user.slice")));
}

#[test]
fn the_root_has_no_parent() {
    let fake = Fake::new("0::/\n").mount("", ".v2");
    assert_eq!(fake.probe().unified.unwrap().own, Some(fake.root()));
}

#[test]
fn an_own_cgroup_that_the_mount_shows_is_taken_as_it_is() {
    let fake = Fake::new("1:memory:/a/b\n").mount("memory", ".v1").mount("memory/a/b", ".x");
    assert_eq!(fake.probe().v1[0].own, Some(fake.root().join("memory/a/b")));
}

#[test]
fn a_mount_of_a_subtree_is_found_in_the_mount_table() {
    let fake = Fake::new("1:memory:/docker/x/y\n2:pids:/elsewhere\n")
        .mount("memory", ".v1")
        .mount("memory/y", ".x")
        .mount("pids", ".v1")
        .mountinfo(
            "36 31 0:35 /docker/x SYS/memory rw shared:9 - cgroup cgroup rw,memory\n\
             37 31 0:36 /docker/x SYS/pids rw - cgroup cgroup rw,pids\n",
        );
    let layout = fake.probe();
    assert_eq!(layout.v1[0].own, Some(fake.root().join("memory/y")));
    assert_eq!(layout.v1[1].own, None);
}

#[test]
fn a_hierarchy_mounted_elsewhere_is_found_and_one_that_is_not_mounted_left_out() {
    let fake = Fake::new("1:memory:/\n2:name=systemd:/\n3:pids:/\n").mount("odd", ".v1").mountinfo(
        "36 31 0:35 / SYS/odd rw - cgroup cgroup rw,memory\n\
             37 31 0:36 / SYS/odder rw - cgroup cgroup rw,xattr,name=systemd\n\
             38 31 0:37 / SYS/pids rw - tmpfs pids rw,pids\n",
    );
    let mounts: Vec<_> = fake.probe().v1.into_iter().map(|h| h.mount).collect();
    assert_eq!(mounts, [fake.root().join("odd"), fake.root().join("odder")]);
}

#[test]
fn a_cgroup_that_is_gone_or_outside_is_not_a_place_to_start() {
    let mount = Path::new("/m");
    assert_eq!(below(mount, Path::new("/../../x")), None);
    assert_eq!(below(mount, Path::new("/x (deleted)")), None);
    assert_eq!(below(mount, Path::new("/x//y/.")), Some("/m/x/y".into()));
}

#[test]
fn this_host_can_be_probed() {
    let layout = Layout::probe().unwrap();
    assert!(layout.unified.is_some() || !layout.v1.is_empty());
}

proptest! {
    #[test]
    fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_memberships(&bytes);
    }

    #[test]
    fn a_path_may_hold_colons(path in "/[^\n]{0,40}") {
        let line = format!("12:cpu:{path}\n");
        let parsed = parse_memberships(line.as_bytes());
        prop_assert_eq!(&parsed[0].path, Path::new(&path));
    }
}

/// Found by the fuzz target `cgroup`: procfs tells its errors in several lines.
#[test]
fn a_damaged_mount_table_is_one_line() {
    let fake = Fake::new("3:cpu:/\n").mountinfo("1:cpu:/\n");
    let e = probe_files(&fake.dir.path().join("cgroup"), &fake.dir.path().join("mountinfo"));
    let text = e.unwrap_err().to_string();
    assert!(text.contains("mountinfo: not in the form of proc(5): "), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}
