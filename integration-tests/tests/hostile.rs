//! Ways out that an attacker would try and that have no number: nobody has got through, so far.

use std::fs;
use std::os::unix::fs::symlink;

use integration_tests::{Bundle, json, require};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

const ROOT: &str = "dev etc probe proc run sys tmp";

/// What follows a link in /proc before the root is switched, is where its process is: on the host.
#[test]
fn links_of_proc_do_not_lead_what_is_made_out() {
    require!("root", "teu");
    let places = ["self/root", "1/root", "self/cwd", "thread-self/root", "self/fd/3", "self/fd/5"];
    for place in places {
        let name = format!("teu-escaped-{}", std::process::id());
        let mut b = Bundle::probe(&["exit", "0"]);
        b.symlink("link", &format!("/proc/{place}"));
        b.mount(&format!("/link/{name}/mount"), "tmpfs", "tmpfs", &[]);
        b.run().fails_with(&["mounts["]);
        let mut b = Bundle::probe(&["exit", "0"]);
        b.symlink("link", &format!("/proc/{place}"));
        let null =
            json!({ "path": format!("/link/{name}/node"), "type": "c", "major": 1, "minor": 3 });
        b.push("/linux/devices", null);
        b.run().fails_with(&["linux.devices["]);
        let mut b = Bundle::probe(&["exit", "0"]);
        b.symlink("link", &format!("/proc/{place}"));
        b.set("/process/cwd", format!("/link/{name}/cwd"));
        b.run().fails_with(&["process.cwd"]);
        for dir in ["/".into(), std::env::current_dir().unwrap(), b.path(), b.rootfs()] {
            assert!(!dir.join(&name).exists(), "{place}: {}", dir.display());
        }
    }
}

/// Each step makes the path longer, or leads back.
#[test]
fn links_without_an_end_end() {
    require!("root");
    for (name, target) in [("a", "a/a"), ("a", "/a"), ("a", "b"), ("a", "../a/x/../a")] {
        let mut b = Bundle::probe(&["exit", "0"]);
        b.symlink(name, target);
        b.symlink("b", "a");
        b.mount("/a/mount", "tmpfs", "tmpfs", &[]);
        b.run().fails();
    }
}

/// What a hostile owner of the bundle, or of the directory that it lies in, can do while root's container waits.
#[test]
fn a_bundle_that_is_exchanged_after_create_changes_nothing() {
    require!("root");
    let b = Bundle::probe(&["seq", "ls", "/", "--", "sleep"]);
    let c = b.create();
    let aside = b.scratch("aside");
    fs::rename(b.rootfs(), &aside).unwrap();
    symlink("/", b.rootfs()).unwrap();
    let mut config = b.config().clone();
    config["process"]["args"] = json!(["/probe", "echo", "another"]);
    config["hooks"] = json!({ "poststart": [{ "path": "/no/such/hook" }] });
    fs::write(b.path().join("config.json"), config.to_string()).unwrap();
    c.start().ok();
    c.wait_stdout("tmp");
    assert_eq!(c.stdout().trim(), ROOT);
    assert_eq!(c.exec(&["ls", "/"]).ok().out(), ROOT);
    fs::remove_file(b.rootfs()).unwrap();
    fs::rename(aside, b.rootfs()).unwrap();
    c.finish();
}

#[test]
fn a_pid_file_that_is_a_link_is_replaced_and_not_followed() {
    require!("root", "teu");
    let b = Bundle::probe(&["sleep"]);
    let (victim, file) = (b.scratch("victim"), b.scratch("the.pid"));
    fs::write(&victim, "of the host").unwrap();
    symlink(&victim, &file).unwrap();
    // Where it is written first.
    symlink(&victim, b.scratch(".the.pid")).unwrap();
    let c = b.create_with(&["--pid-file", file.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&file).unwrap(), c.pid().to_string());
    assert_eq!(fs::read_to_string(&victim).unwrap(), "of the host");
    c.finish();
}

#[test]
fn a_console_socket_that_is_none_is_refused_at_once() {
    require!("root");
    let mut b = Bundle::probe(&["terminal"]);
    b.set("/process/terminal", true).write();
    mkfifo(&b.scratch("fifo"), Mode::S_IRWXU).unwrap();
    fs::write(b.scratch("file"), "").unwrap();
    symlink("link", b.scratch("link")).unwrap();
    let datagram = std::os::unix::net::UnixDatagram::bind(b.scratch("datagram")).unwrap();
    for name in ["fifo", "file", "link", "datagram", "state", "none"] {
        let create = b.verb("create").arg("--console-socket").arg(b.scratch(name));
        create.arg("--bundle").arg(b.path()).arg(b.id()).run().fails();
        b.assert_clean();
    }
    drop(datagram);
}

/// An exec enters the namespaces that the init is in, be they of its own making: another user namespace, in which the
/// ids mean something else and groups cannot be set, is no place to become the user that was asked for.
#[test]
fn an_init_in_a_user_namespace_of_its_own_making_is_not_followed() {
    require!("root", "userns");
    let mut b = Bundle::new();
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65_536 }]);
    b.namespace(json!({ "type": "user" }));
    b.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
    b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    b.args(&["nested", "seq", "echo", "ready", "--", "sleep"]);
    let c = b.create();
    c.start().ok();
    c.wait_stdout("ready");
    for user in ["0", "1000", "2000"] {
        c.exec_with(&["--user", user], &["report"]).fails();
    }
    c.finish();
}
