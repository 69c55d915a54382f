use std::fs;

use super::*;

/// A tree as the kernel shows it, but of plain files: a group that is made here has none.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for dir in ["info/L3", "info/MB", "info/L3_MON", "mon_groups", "shared/mon_groups"] {
            fs::create_dir_all(tree.path().join(dir)).unwrap();
        }
        for (file, text) in [
            ("info/last_cmd_status", "ok\n"),
            ("info/L3/cbm_mask", "fffff\n"),
            ("info/L3/min_cbm_bits", "1\n"),
            ("info/L3/num_closids", "16\n"),
            ("info/MB/bandwidth_gran", "10\n"),
            ("info/MB/delay_linear", "1\n"),
            ("info/MB/min_bandwidth", "10\n"),
            ("info/MB/num_closids", "8\n"),
            ("schemata", "    MB:0=100;1=100\n    L3:0=fffff;1=fffff\n"),
            ("shared/schemata", "    MB:0= 20;1=100\n    L3:0=0000f;1=fffff\n"),
            ("shared/tasks", ""),
        ] {
            fs::write(tree.path().join(file), text).unwrap();
        }
        tree
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn find(&self, json: &str) -> Result<Group> {
        Group::find(&wanted(json), &"c1".parse().unwrap(), self.path())
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

fn wanted(json: &str) -> LinuxIntelRdt {
    serde_json::from_str(json).unwrap()
}

#[test]
fn the_filesystem_is_found_wherever_it_is_mounted_whole() {
    let line = |root: &str, at: &str, kind: &str| {
        format!("30 24 0:27 {root} {at} rw,relatime shared:9 - {kind} {kind} rw\n")
    };
    let lines = line("/", "/sys/fs/cgroup", "cgroup2")
        + &line("/group", "/srv/part", "resctrl")
        + &line("/", "/srv/all\\040of\\040it", "resctrl")
        + &line("/", "/sys/fs/resctrl", "resctrl");
    assert_eq!(mounted_at(lines.as_bytes()).unwrap(), Some("/srv/all of it".into()));
    assert_eq!(mounted_at(line("/", "/a", "fuse.resctrl").as_bytes()).unwrap(), None);
    assert!(mounted_at(b"nonsense\n").is_err());
}

#[test]
fn a_group_is_the_containers_unless_it_has_a_name() {
    let tree = Tree::new();
    let tasks = |json: &str| -> Vec<_> {
        let tasks = tree.find(json).unwrap().tasks();
        let below =
            |file: &PathBuf| file.strip_prefix(tree.path()).unwrap().to_str().unwrap().to_owned();
        tasks.iter().map(below).collect()
    };
    assert_eq!(tasks("{}"), ["c1/tasks"]);
    assert_eq!(tasks(r#"{"closID": ""}"#), ["c1/tasks"]);
    assert_eq!(tasks(r#"{"closID": "shared"}"#), ["shared/tasks"]);
    assert_eq!(tasks(r#"{"closID": "new", "schemata": ["L3:0=f"]}"#), ["new/tasks"]);
    assert_eq!(tasks(r#"{"closID": "/"}"#), ["tasks"]);
    let monitored = r#"{"closID": "/", "enableMonitoring": true}"#;
    assert_eq!(tasks(monitored), ["tasks", "mon_groups/c1/tasks"]);
    let monitored = r#"{"closID": "", "enableMonitoring": true}"#;
    assert_eq!(tasks(monitored), ["c1/tasks", "c1/mon_groups/c1/tasks"]);
}

#[test]
fn a_named_group_without_shares_has_to_be_there() {
    let e = Tree::new().find(r#"{"closID": "missing", "enableMonitoring": true}"#).unwrap_err();
    assert!(e.to_string().starts_with("linux.intelRdt.closID (missing): there is no such"), "{e}");
}

#[test]
fn a_group_of_others_is_not_changed() {
    let tree = Tree::new();
    let create = |json: &str| tree.find(json).unwrap().create(&wanted(json));
    let e = create(r#"{"closID": "shared", "l3CacheSchema": "L3:0=ff"}"#).unwrap_err().to_string();
    let expected = "linux.intelRdt.l3CacheSchema: L3:0=ff is asked for, L3:0=0000f;1=fffff is there, \
                    and others may be in ";
    assert!(e.starts_with(expected), "{e}");
    assert!(create(r#"{"closID": "shared", "memBwSchema": "MB:0=30"}"#).is_err());
    let read = || fs::read_to_string(tree.path().join("shared/schemata")).unwrap();
    assert_eq!(read(), "    MB:0= 20;1=100\n    L3:0=0000f;1=fffff\n");
    create(r#"{"closID": "shared", "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:0=15"}"#).unwrap();
    create(r#"{"closID": "shared"}"#).unwrap();
}

#[test]
fn what_the_kernel_has_against_it_is_in_the_error() {
    let tree = Tree::new();
    tree.write("info/last_cmd_status", "Mask out of range\n");
    let e = tree.find("{}").unwrap().create(&wanted(r#"{"l3CacheSchema": "L3:0=ffffff"}"#));
    let text = e.unwrap_err().to_string();
    let file = tree.path().join("c1/schemata");
    let expected = format!(
        "write linux.intelRdt.l3CacheSchema (L3:0=ffffff) to {}: ENOENT: no such file or directory \
         (last_cmd_status: Mask out of range)",
        file.display()
    );
    assert_eq!(text, expected);
}

#[test]
fn only_what_was_made_is_removed() {
    let tree = Tree::new();
    let there = |dir: &str| tree.path().join(dir).exists();
    // Its own: made, and removed.
    let mut own = tree.find("{}").unwrap();
    own.create(&wanted("{}")).unwrap();
    assert!(there("c1"));
    own.remove().unwrap();
    own.remove().unwrap();
    assert!(!there("c1"));
    // Its own by name, but it was there before.
    tree.write("c1/tasks", "");
    tree.find("{}").unwrap().remove().unwrap();
    assert!(there("c1"));
    // Then it is not changed either.
    tree.write("c1/schemata", "L3:0=f\n");
    let json = r#"{"l3CacheSchema": "L3:0=ff"}"#;
    assert!(tree.find(json).unwrap().create(&wanted(json)).is_err());
    assert_eq!(fs::read_to_string(tree.path().join("c1/schemata")).unwrap(), "L3:0=f\n");
    // Somebody else's: the monitoring group alone.
    let json = r#"{"closID": "shared", "enableMonitoring": true}"#;
    let mut shared = tree.find(json).unwrap();
    shared.create(&wanted(json)).unwrap();
    assert!(there("shared/mon_groups/c1"));
    shared.remove().unwrap();
    assert!(there("shared") && !there("shared/mon_groups/c1"));
    // Unless that is somebody else's as well.
    tree.write("shared/mon_groups/c1/tasks", "");
    let mut foreign = tree.find(json).unwrap();
    let e = foreign.create(&wanted(json)).unwrap_err().to_string();
    assert!(e.starts_with("linux.intelRdt.enableMonitoring: "), "{e}");
    foreign.undo().unwrap();
    assert!(there("shared/mon_groups/c1/tasks"));
}

#[test]
fn a_failed_create_leaves_a_new_group_of_a_name_only_if_others_came_in() {
    let tree = Tree::new();
    let json = r#"{"closID": "new", "schemata": ["L3:0=f"]}"#;
    let group = tree.find(json).unwrap();
    tree.write("new/tasks", "4711\n");
    group.undo().unwrap();
    assert!(tree.path().join("new").exists());
    assert!(tree.find(r#"{"closID": "shared"}"#).unwrap().undo().is_ok());
    assert!(tree.path().join("shared").exists());
}

#[test]
fn statistics_are_runcs_to_the_letter() {
    let tree = Tree::new();
    let json = |group: &Group| serde_json::to_string(&group.stats().unwrap()).unwrap();
    let info = r#"{"l3_cache_info":{"cbm_mask":"fffff","min_cbm_bits":1,"num_closids":16},"l3_cache_schema_root":"L3:0=fffff;1=fffff","l3_cache_schema":"L3:0=0000f;1=fffff","mem_bw_info":{"bandwidth_gran":10,"delay_linear":1,"min_bandwidth":10,"num_closids":8},"mem_bw_schema_root":"MB:0=100;1=100","mem_bw_schema":"MB:0= 20;1=100","schemata":["MB:0= 20;1=100","L3:0=0000f;1=fffff"]"#;
    let shared = tree.find(r#"{"closID": "shared"}"#).unwrap();
    assert_eq!(json(&shared), format!("{info}}}"));

    tree.write("info/L3_MON/mon_features", "llc_occupancy\nmbm_total_bytes\nmbm_local_bytes\n");
    for (domain, numbers) in [("01", ["7", "8", "9"]), ("00", ["1", "2", "Unavailable"])] {
        for (file, number) in
            ["mbm_total_bytes", "mbm_local_bytes", "llc_occupancy"].into_iter().zip(numbers)
        {
            let dir = format!("shared/mon_groups/c1/mon_data/mon_L3_{domain}");
            tree.write(&format!("{dir}/{file}"), &format!("{number}\n"));
        }
    }
    let monitored = tree.find(r#"{"closID": "shared", "enableMonitoring": true}"#).unwrap();
    let counters = r#","mbm_stats":[{"mbm_total_bytes":1,"mbm_local_bytes":2},{"mbm_total_bytes":7,"mbm_local_bytes":8}],"cmt_stats":[{"llc_occupancy":9}]}"#;
    assert_eq!(json(&monitored), format!("{info}{counters}"));
    assert_eq!(serde_json::to_string(&IntelRdt::default()).unwrap(), "{}");
}
