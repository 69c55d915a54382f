//! Intel RDT, on a resctrl filesystem of the tests' own (`integration_tests::resctrl`), since few
//! machines have one. teu alone: the others look for a filesystem of the kernel's.

use integration_tests::resctrl::Resctrl;
use integration_tests::{Bundle, Value, json, require};

fn with(config: Value) -> (Bundle, Resctrl) {
    let mut b = Bundle::new();
    let resctrl = Resctrl::for_bundle(&mut b);
    b.set("/linux/intelRdt", config);
    (b, resctrl)
}

/// A share as the file shows it.
fn line(resctrl: &Resctrl, group: &str, name: &str) -> String {
    let text = resctrl.read(&format!("{group}/schemata")).unwrap();
    text.lines().map(str::trim).find(|line| line.starts_with(name)).unwrap().to_owned()
}

#[test]
fn a_container_has_a_group_of_its_own_as_long_as_it_lives() {
    require!("root", "teu", "fuse");
    let (b, resctrl) = with(json!({ "l3CacheSchema": "L3:0=f", "memBwSchema": "MB:1=15" }));
    let c = b.start_sleeper();
    assert_eq!(resctrl.groups(), [b.id()]);
    assert_eq!(resctrl.tasks(b.id()), [c.pid()]);
    assert_eq!(line(&resctrl, b.id(), "L3"), "L3:0=0000f;1=fffff");
    assert_eq!(line(&resctrl, b.id(), "MB"), "MB:0=100;1= 20");
    c.finish();
    assert!(resctrl.groups().is_empty());
    b.assert_clean();
}

#[test]
fn schemata_come_last_and_overrule_the_others() {
    require!("root", "teu", "fuse");
    let (b, resctrl) =
        with(json!({ "l3CacheSchema": "L3:0=f;1=f0", "schemata": ["L3:0=ff", "MB:0=30"] }));
    let c = b.start_sleeper();
    assert_eq!(line(&resctrl, b.id(), "L3"), "L3:0=000ff;1=000f0");
    assert_eq!(line(&resctrl, b.id(), "MB"), "MB:0= 30;1=100");
    c.finish();
}

#[test]
fn a_group_with_a_name_is_made_and_stays() {
    require!("root", "teu", "fuse");
    let (mut b, resctrl) = with(json!({ "closID": "gold", "memBwSchema": "MB:0=25" }));
    b.args(&["echo"]);
    b.run().ok();
    assert_eq!(resctrl.groups(), ["gold"]);
    // Another container of the same name and shares is welcome, one of others is not.
    b.run().ok();
    b.set("/linux/intelRdt/memBwSchema", json!("MB:0=50"));
    let refused = b.run().fails_with(&["linux.intelRdt.memBwSchema: MB:0=50 is asked for"]);
    assert!(refused.stderr.contains("MB:0= 30;1=100 is there"), "{}", refused.stderr);
    assert_eq!(line(&resctrl, "gold", "MB"), "MB:0= 30;1=100");
}

#[test]
fn a_group_that_is_there_is_joined_and_stays() {
    require!("root", "teu", "fuse");
    let (mut b, resctrl) = with(json!({ "closID": "silver" }));
    b.try_create().fails_with(&["linux.intelRdt.closID (silver): there is no such group"]);
    b.assert_clean();
    std::fs::create_dir(resctrl.path("silver")).unwrap();
    let c = b.start_sleeper();
    assert_eq!(resctrl.tasks("silver"), [c.pid()]);
    c.finish();
    // So does one that has the container's name, and is not the container's; nor is it changed.
    std::fs::create_dir(resctrl.path(b.id())).unwrap();
    let before = line(&resctrl, b.id(), "L3");
    b.set("/linux/intelRdt", json!({ "schemata": ["L3:0=1"] }));
    b.try_create().fails_with(&["is there already; a closID would join it"]);
    assert_eq!(line(&resctrl, b.id(), "L3"), before);
    b.set("/linux/intelRdt", json!({}));
    b.start_sleeper().finish();
    assert_eq!(resctrl.groups(), ["silver", b.id()]);
}

#[test]
fn the_default_group_can_be_asked_for() {
    require!("root", "teu", "fuse");
    let (b, resctrl) = with(json!({ "closID": "/", "enableMonitoring": true }));
    let c = b.start_sleeper();
    assert!(resctrl.tasks("").contains(&c.pid()));
    assert_eq!(resctrl.tasks(&format!("mon_groups/{}", b.id())), [c.pid()]);
    c.finish();
    assert!(!resctrl.path("mon_groups").join(b.id()).exists());
    assert!(resctrl.path("tasks").exists());
}

#[test]
fn a_monitoring_group_is_the_containers_alone_and_is_counted() {
    require!("root", "teu", "fuse");
    let (b, resctrl) =
        with(json!({ "closID": "gold", "schemata": ["MB:0=30"], "enableMonitoring": true }));
    let c = b.start_sleeper();
    let group = format!("gold/mon_groups/{}", b.id());
    assert_eq!((resctrl.tasks("gold"), resctrl.tasks(&group)), (vec![c.pid()], vec![c.pid()]));
    let stats = c.verb("events", &["--stats"]).ok().json();
    let rdt = &stats["data"]["intel_rdt"];
    assert_eq!(
        rdt["l3_cache_info"],
        json!({"cbm_mask": "fffff", "min_cbm_bits": 1, "num_closids": 3})
    );
    assert_eq!(
        (&rdt["mem_bw_schema"], &rdt["mem_bw_schema_root"]),
        (&json!("MB:0= 30;1=100"), &json!("MB:0=100;1=100"))
    );
    assert_eq!(rdt["cmt_stats"], json!([{"llc_occupancy": 4096}, {"llc_occupancy": 4096}]));
    assert_eq!(rdt["mbm_stats"][1], json!({"mbm_total_bytes": 200, "mbm_local_bytes": 100}));
    c.finish();
    assert_eq!(resctrl.groups(), ["gold"]);
    assert!(!resctrl.path(&group).exists());
}

#[test]
fn an_exec_is_in_the_group_as_long_as_there_is_one() {
    require!("root", "teu", "fuse");
    let (b, resctrl) =
        with(json!({ "closID": "gold", "schemata": ["L3:0=f"], "enableMonitoring": true }));
    let c = b.start_sleeper();
    let exec = b.verb("exec").arg(b.id()).args(["/probe", "sleep"]).spawn();
    let group = format!("gold/mon_groups/{}", b.id());
    integration_tests::wait_until("the exec is in the group", || resctrl.tasks(&group).len() == 2);
    assert_eq!(resctrl.tasks("gold").len(), 2);
    c.kill("KILL").ok();
    exec.wait();
    c.finish();
    // An administrator may take it away.
    let c = b.start_sleeper();
    std::fs::remove_dir(resctrl.path("gold")).unwrap();
    c.exec(&["echo"]).ok();
    c.finish();
}

#[test]
fn shares_can_be_updated() {
    require!("root", "teu", "fuse");
    let (b, resctrl) = with(json!({ "l3CacheSchema": "L3:0=f" }));
    let c = b.start_sleeper();
    let shares = || (line(&resctrl, b.id(), "L3"), line(&resctrl, b.id(), "MB"));
    c.verb("update", &["--l3-cache-schema", "L3:1=7"]).ok();
    c.verb("update", &["--mem-bw-schema=MB:0=40"]).ok();
    let now = ("L3:0=0000f;1=00007".to_owned(), "MB:0= 40;1=100".to_owned());
    assert_eq!(shares(), now);
    // What is refused is not done in part.
    let both = ["--l3-cache-schema=L3:0=1", "--mem-bw-schema=MB:0=1"];
    let refused = c.verb("update", &both).fails_with(&["linux.intelRdt.memBwSchema (MB:0=1)"]);
    assert!(
        refused.stderr.contains("(last_cmd_status: Value 1 out of range)"),
        "{}",
        refused.stderr
    );
    assert_eq!(shares(), now);
    c.finish();
}

#[test]
fn a_container_without_a_group_gets_none_by_an_update() {
    require!("root", "teu");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let refused = c.verb("update", &["--l3-cache-schema=L3:0=1"]);
    refused.fails_with(&["updating a non-existent Intel RDT configuration is not supported"]);
    let stats = c.verb("events", &["--stats"]).ok().json();
    assert_eq!(stats["data"]["intel_rdt"], json!({}));
    c.finish();
}

#[test]
fn a_failed_create_leaves_no_group() {
    require!("root", "teu", "fuse");
    let (mut b, resctrl) = with(json!({ "schemata": ["L3:0=5"], "enableMonitoring": true }));
    let refused = b.try_create().fails_with(&["write linux.intelRdt.schemata (L3:0=5) to "]);
    assert!(refused.stderr.contains("EINVAL"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("(last_cmd_status: Value 5 out of range)"),
        "{}",
        refused.stderr
    );
    b.assert_clean();
    assert!(resctrl.groups().is_empty());
    // Later, too, when the process is in it; and one with a name of its own.
    for config in
        [json!({ "enableMonitoring": true }), json!({ "closID": "new", "schemata": ["L3:0=1"] })]
    {
        b.set("/linux/intelRdt", config);
        b.set("/hooks/createRuntime", json!([{ "path": "/bin/false" }]));
        b.try_create().fails_with(&["createRuntime"]);
        b.assert_clean();
        assert!(resctrl.groups().is_empty(), "{:?}", resctrl.groups());
    }
}

#[test]
fn the_number_of_groups_is_the_hardwares() {
    require!("root", "teu", "fuse");
    let (b, resctrl) = with(json!({}));
    for name in ["a", "b"] {
        std::fs::create_dir(resctrl.path(name)).unwrap();
    }
    let refused = b.try_create().fails_with(&["mkdir linux.intelRdt: "]);
    assert!(refused.stderr.contains("ENOSPC"), "{}", refused.stderr);
    assert!(refused.stderr.contains("(last_cmd_status: Out of CLOSIDs)"), "{}", refused.stderr);
    b.assert_clean();
}

#[test]
fn a_killed_create_leaves_a_group_to_delete() {
    require!("root", "teu", "fuse");
    let (mut b, resctrl) = with(json!({ "enableMonitoring": true }));
    b.set("/hooks/createRuntime", json!([{ "path": "/bin/sleep", "args": ["sleep", "1000"] }]));
    b.write();
    let create = b.verb("create").arg("--bundle").arg(b.path()).arg(b.id()).spawn();
    integration_tests::wait_until("the hook runs", || resctrl.tasks(b.id()).len() == 1);
    create.signal(nix::sys::signal::Signal::SIGKILL);
    create.wait();
    b.verb("delete").args(["--force", b.id()]).run().ok();
    integration_tests::wait_until("the group is gone", || resctrl.groups().is_empty());
}

#[test]
fn without_the_filesystem_it_is_refused() {
    require!("root", "teu");
    if std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(" - resctrl ") {
        return;
    }
    let mut b = Bundle::new();
    b.set("/linux/intelRdt", json!({ "closID": "guaranteed" }));
    b.try_create().fails_with(&["linux.intelRdt: Intel RDT is not enabled: no resctrl"]);
    b.assert_clean();
}
