//! `ps`.

use integration_tests::{Bundle, Container, cgroup, json, known_difference, require, wait_until};

fn started(b: &Bundle) -> Container<'_> {
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    c
}

fn pids(b: &Bundle) -> Vec<i64> {
    let list = b.verb("ps").args(["--format", "json", b.id()]).run().ok().json();
    let mut pids: Vec<_> = list.as_array().unwrap().iter().map(|p| p.as_i64().unwrap()).collect();
    pids.sort_unstable();
    pids
}

#[test]
fn ps_as_json_is_an_array_of_host_pids() {
    require!("container", "delegation");
    let b = Bundle::probe(&["spawn-children", "2"]);
    let c = started(&b);
    let pids = pids(&b);
    assert_eq!(pids.len(), 3);
    assert!(pids.contains(&i64::from(c.pid())));
    for pid in pids {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.starts_with("Name:\tprobe"), "{status}");
    }
}

#[test]
fn ps_finds_processes_in_sub_cgroups() {
    require!("container", "delegation");
    known_difference!("ps-sub-cgroups");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let pid = c.pid();
    // Every hierarchy that one of the runtimes might ask.
    let controllers: &[&str] =
        if cgroup::is_v2() { &[""] } else { &["devices", "freezer", "pids"] };
    for controller in controllers {
        let inner = cgroup::dir(pid, controller).join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("cgroup.procs"), pid.to_string()).unwrap();
    }
    assert_eq!(pids(&b), [i64::from(pid)]);
    c.finish();
}

#[test]
fn ps_as_a_table_shows_the_containers_processes_alone() {
    require!("container", "delegation", "ps");
    known_difference!("ps-table");
    let b = Bundle::probe(&["spawn-children", "2"]);
    let c = started(&b);
    let table = b.verb("ps").arg(b.id()).run().ok().stdout;
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("UID "), "{table}");
    let pid = c.pid().to_string();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows.iter().any(|row| row[1] == pid), "{table}");
    assert!(rows.iter().all(|row| row.contains(&"/probe")), "{table}");
}

#[test]
fn options_behind_the_id_are_for_the_hosts_ps() {
    require!("container", "delegation", "ps");
    known_difference!("ps-table");
    let b = Bundle::new();
    let c = b.start_sleeper();
    let table = b.verb("ps").args([b.id(), "-e", "-o", "comm,pid"]).run().ok().stdout;
    let words: Vec<&str> = table.split_whitespace().collect();
    assert_eq!(words, ["COMMAND", "PID", "probe", &c.pid().to_string()]);
    for (options, error) in [
        (&["-e", "-o", "ppid"][..], "couldn't find PID field in ps output"),
        (&["--no-such-option"], "exit status 1: "),
    ] {
        b.verb("ps").arg(b.id()).args(options).run().fails_with(&[error]);
    }
}

#[test]
fn an_unknown_format_is_refused() {
    require!("container", "delegation");
    known_difference!("ps-table");
    let b = Bundle::new();
    let _c = b.start_sleeper();
    b.verb("ps").args(["-f", "xml", b.id()]).run().fails_with(&["invalid format option"]);
}

#[test]
fn a_stopped_container_has_no_processes() {
    require!("container", "delegation", "ps");
    known_difference!("ps-stopped");
    let b = Bundle::probe(&["exit", "0"]);
    let c = b.create();
    c.start().ok();
    c.wait_status("stopped");
    wait_until("no process", || b.leaks().processes.is_empty());
    assert_eq!(b.verb("ps").args(["-f", "json", b.id()]).run().ok().json(), json!(null));
    let table = b.verb("ps").arg(b.id()).run().ok().stdout;
    assert_eq!(table.lines().count(), 1, "{table}");
    b.verb("ps").arg("nobody").run().fails_with(&["container does not exist"]);
}

#[test]
fn without_a_cgroup_of_its_own_a_rootless_container_has_no_list() {
    require!("root", "userns");
    let mut b = Bundle::new();
    b.as_user(1000).namespace(json!({ "type": "user" })).unmount("/dev/pts");
    b.set("/linux/uidMappings", json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]));
    b.set("/linux/gidMappings", json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]));
    let c = b.start_sleeper();
    c.verb("ps", &["-f", "json"]).fails_with(&["unable to get all container pids"]);
}
