//! Each mount option by its effect, as the kernel shows it inside.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use integration_tests::{Bundle, Cmd, Report, json, known_difference, require};

fn volume(b: &Bundle) -> PathBuf {
    let dir = b.scratch("volume");
    fs::create_dir_all(dir.join("sub")).unwrap();
    dir
}

/// Runs it where `dir/sub` is a tmpfs with these options, seen by nobody else.
fn with_submount(cmd: Cmd, dir: &Path, options: &str) -> Cmd {
    let dir = dir.join("sub");
    let mount = format!("mount -t tmpfs -o {options} tmpfs {}", dir.display());
    cmd.through_shell(&format!("{mount} && exec \"$@\"")).wrapped(["unshare", "--mount"])
}

#[track_caller]
fn tmpfs(options: &[&str]) -> Report {
    let mut b = Bundle::new();
    b.mount("/tmp", "tmpfs", "tmpfs", options);
    b.report()
}

#[track_caller]
fn assert_options(r: &Report, at: &str, wanted: &[&str], unwanted: &[&str], given: &str) {
    for option in wanted {
        assert!(r.mount_has(at, option), "{given}: no {option}: {}", r.mount(at));
    }
    for option in unwanted {
        assert!(!r.mount_has(at, option), "{given}: {option}: {}", r.mount(at));
    }
}

#[test]
fn every_flag_of_a_new_mount_takes_effect() {
    require!("root");
    for (option, shown) in [
        ("ro", "ro"),
        ("nosuid", "nosuid"),
        ("nodev", "nodev"),
        ("noexec", "noexec"),
        ("noatime", "noatime"),
        ("nodiratime", "nodiratime"),
        ("relatime", "relatime"),
        ("sync", "sync"),
        ("dirsync", "dirsync"),
    ] {
        assert_options(&tmpfs(&[option]), "/tmp", &[shown], &[], option);
    }
}

#[test]
fn flags_that_not_all_runtimes_have_take_effect() {
    require!("root");
    known_difference!("mount-flags");
    for option in ["lazytime", "nosymfollow"] {
        assert_options(&tmpfs(&[option]), "/tmp", &[option], &[], option);
    }
    // What the kernel shows no trace of, and what is the default.
    let quiet = ["silent", "loud", "nolazytime", "noiversion", "symfollow", "defaults", "async"];
    let r = tmpfs(&[&quiet[..], &["nomand", "norelatime"]].concat());
    assert_options(&r, "/tmp", &["rw"], &["lazytime", "nosymfollow", "sync"], "defaults");
}

#[test]
fn every_flag_can_be_taken_back() {
    require!("root");
    known_difference!("option-order");
    for (on, off, shown) in [
        ("ro", "rw", "ro"),
        ("nosuid", "suid", "nosuid"),
        ("nodev", "dev", "nodev"),
        ("noexec", "exec", "noexec"),
        ("noatime", "atime", "noatime"),
        ("nodiratime", "diratime", "nodiratime"),
        ("sync", "async", "sync"),
    ] {
        assert_options(&tmpfs(&[on, off]), "/tmp", &[], &[shown], off);
    }
    let strict = tmpfs(&["strictatime"]);
    assert_options(&strict, "/tmp", &[], &["relatime", "noatime"], "strictatime");
    let default = tmpfs(&["strictatime", "nostrictatime"]);
    assert_options(&default, "/tmp", &["relatime"], &[], "nostrictatime");
}

#[test]
fn versions_of_inodes_are_asked_for_where_there_are_some() {
    require!("root", "teu");
    let mut b = Bundle::new();
    b.mount("/tmp", "tmpfs", "tmpfs", &["iversion"]);
    b.run().fails_with(&["iversion"]);
}

#[test]
fn a_mount_of_the_host_can_be_followed_or_not() {
    require!("root");
    known_difference!("mount-slave");
    let mut b = Bundle::new();
    let dir = volume(&b);
    for (at, option) in
        [("/followed", "rslave"), ("/once", "slave"), ("/left", "rprivate"), ("/alone", "private")]
    {
        b.bind(&dir.join("sub"), at, &["rbind", option]);
    }
    let sub = dir.join("sub");
    let script = format!(
        "mount -t tmpfs tmpfs {0} && mount --make-rshared {0} && exec \"$@\"",
        sub.display()
    );
    let cmd = b.run_cmd(&[]).through_shell(&script).wrapped(["unshare", "--mount"]);
    let r = Report(cmd.run().ok().json());
    let propagation = |at: &str| r.mount(at)["propagation"].to_string();
    for at in ["/followed", "/once"] {
        assert!(propagation(at).contains("master:"), "{at}: {}", propagation(at));
    }
    for at in ["/left", "/alone"] {
        assert_eq!(propagation(at), "[]", "{at}");
    }
}

#[test]
fn symlinks_on_a_mount_can_be_dead() {
    require!("root");
    known_difference!("mount-flags");
    let mut b = Bundle::new();
    let dir = volume(&b);
    fs::write(dir.join("file"), "x").unwrap();
    symlink("file", dir.join("link")).unwrap();
    b.bind(&dir, "/data", &["bind", "nosymfollow"]);
    b.args(&["seq", "read", "/data/file", "--", "read", "/data/link"]);
    assert_eq!(b.run().out(), "x\nELOOP");
}

#[test]
fn recursive_flags_reach_the_mounts_below() {
    require!("root");
    known_difference!("recursive-flags");
    for (option, before, wanted, unwanted) in [
        ("rro", "rw", "ro", "rw"),
        ("rrw", "ro", "rw", "ro"),
        ("rnosuid", "suid", "nosuid", "-"),
        ("rsuid", "nosuid", "rw", "nosuid"),
        ("rnodev", "dev", "nodev", "-"),
        ("rdev", "nodev", "rw", "nodev"),
        ("rnoexec", "exec", "noexec", "-"),
        ("rexec", "noexec", "rw", "noexec"),
        ("rnoatime", "atime", "noatime", "relatime"),
        ("ratime", "noatime", "relatime", "noatime"),
        ("rnodiratime", "diratime", "nodiratime", "-"),
        ("rdiratime", "nodiratime", "rw", "nodiratime"),
        ("rrelatime", "noatime", "relatime", "noatime"),
        ("rnorelatime", "relatime", "relatime", "noatime"),
        ("rstrictatime", "relatime", "rw", "relatime"),
        ("rnostrictatime", "strictatime", "relatime", "-"),
        ("rnosymfollow", "rw", "nosymfollow", "-"),
        ("rsymfollow", "nosymfollow", "rw", "nosymfollow"),
    ] {
        let mut b = Bundle::new();
        let dir = volume(&b);
        b.bind(&dir, "/data", &["rbind", option]);
        let out = with_submount(b.run_cmd(&[]), &dir, before).run().ok();
        let r = Report(out.json());
        let mount = r.mount("/data/sub")["options"].as_array().unwrap();
        let has = |name: &str| mount.iter().any(|o| o == name);
        assert!(has(wanted) && !has(unwanted), "{option}: {mount:?}");
    }
}

#[test]
fn plain_flags_do_not_reach_the_mounts_below() {
    require!("root");
    let mut b = Bundle::new();
    let dir = volume(&b);
    b.bind(&dir, "/data", &["rbind", "ro", "nosuid"]);
    let r = Report(with_submount(b.run_cmd(&[]), &dir, "rw").run().ok().json());
    assert!(r.mount_has("/data", "ro") && r.mount_has("/data", "nosuid"));
    let below = r.mount("/data/sub")["options"].as_array().unwrap();
    assert!(!below.iter().any(|o| o == "ro" || o == "nosuid"), "{below:?}");
}

#[test]
fn a_plain_bind_brings_no_mounts_below() {
    require!("root");
    let mut b = Bundle::new();
    let dir = volume(&b);
    b.bind(&dir, "/data", &["bind"]);
    let r = Report(with_submount(b.run_cmd(&[]), &dir, "rw").run().ok().json());
    assert!(r.mounts("/data/sub").is_empty(), "{}", r["mounts"]);
}

/// As with runc: once a flag is named, those that are not named are cleared, but for access times.
#[test]
fn a_bind_keeps_the_flags_of_its_source_until_one_is_named() {
    require!("root");
    known_difference!("bind-flags");
    let mut b = Bundle::new();
    let dir = volume(&b);
    let source = dir.join("sub");
    b.bind(&source, "/kept", &["bind"]).bind(&source, "/named", &["bind", "ro"]);
    b.bind(&source, "/cleared", &["bind", "suid", "atime"]);
    b.bind(&source, "/times", &["bind", "relatime"]);
    let cmd = with_submount(b.run_cmd(&[]), &dir, "ro,nosuid,nodev,noatime");
    let r = Report(cmd.run().ok().json());
    assert_options(&r, "/kept", &["ro", "nosuid", "nodev", "noatime"], &[], "kept");
    assert_options(&r, "/named", &["ro", "noatime"], &["nosuid", "nodev"], "named");
    assert_options(&r, "/cleared", &["rw", "noatime"], &["nosuid", "nodev"], "cleared");
    assert_options(&r, "/times", &["rw", "relatime"], &["nosuid", "noatime"], "times");
}

/// The mounts of an outer user namespace keep their flags: an ordinary user may not clear them.
#[test]
fn locked_flags_stay_and_asking_for_less_is_an_error() {
    require!("root", "userns", "setpriv");
    known_difference!("locked-flags");
    let run = |options: &[&str]| {
        let mut b = Bundle::new();
        let dir = volume(&b);
        b.as_user(1000).namespace(json!({ "type": "user" })).unmount("/dev/pts");
        let map = json!([{ "containerID": 0, "hostID": 1000, "size": 1 }]);
        b.set("/linux/uidMappings", map.clone()).set("/linux/gidMappings", map);
        b.bind(&dir.join("sub"), "/data", options);
        let user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
        let cmd = b.run_cmd(&[]).user(None).wrapped(user);
        with_submount(cmd, &dir, "nosuid,nodev").run()
    };
    for options in [&["bind"][..], &["bind", "ro"]] {
        let r = Report(run(options).ok().json());
        assert_options(&r, "/data", &["nosuid", "nodev"], &[], "kept");
        let own = r.mount("/data")["options"].as_array().unwrap();
        assert_eq!(own.iter().any(|o| o == "ro"), options.len() == 2, "{own:?}");
    }
    run(&["bind", "suid"]).fails_with(&["EPERM", "operation not permitted"]);
}

#[test]
fn a_filesystems_own_options_on_a_bind_are_an_error() {
    require!("root");
    known_difference!("bind-data");
    let mut b = Bundle::new();
    let dir = volume(&b);
    b.bind(&dir, "/data", &["bind", "mode=700"]);
    b.run().fails_with(&["bind mounts cannot have any filesystem-specific options applied"]);
}

#[test]
fn a_relative_destination_counts_from_the_root() {
    require!("root");
    let mut b = Bundle::new();
    b.mount("tmp/../run", "tmpfs", "tmpfs", &["mode=700"]);
    assert_eq!(b.report().mount("/run")["fstype"], "tmpfs");
}

/// Some callers write destinations as the host sees them.
#[test]
fn a_destination_may_begin_with_the_path_of_the_rootfs() {
    require!("root");
    known_difference!("destination-on-host");
    let mut b = Bundle::new();
    let destination = b.rootfs().join("run");
    b.mount(destination.to_str().unwrap(), "tmpfs", "tmpfs", &[]);
    assert_eq!(b.report().mount("/run")["fstype"], "tmpfs");
    // And is held to what holds for it there.
    let destination = b.rootfs().join("proc/sys");
    b.mount(destination.to_str().unwrap(), "tmpfs", "tmpfs", &[]);
    b.run().fails_with(&["proc"]);
}

#[test]
fn what_is_mounted_can_be_remounted() {
    require!("root");
    let mut b = Bundle::new();
    b.mount("/tmp", "tmpfs", "tmpfs", &[]);
    b.mount("/tmp", "tmpfs", "tmpfs", &["remount", "ro", "nosuid"]);
    let r = b.report();
    assert_options(&r, "/tmp", &["ro", "nosuid"], &[], "remount");
    assert_eq!(r.mounts("/tmp").len(), 1);
}

fn user_namespace(b: &mut Bundle) {
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }]);
    b.namespace(json!({ "type": "user" }))
        .set("/linux/uidMappings", map.clone())
        .set("/linux/gidMappings", map);
}

#[test]
fn a_user_namespace_without_a_network_gets_the_hosts_sysfs_read_only() {
    require!("root", "userns");
    known_difference!("sysfs-fallback");
    let mut b = Bundle::new();
    user_namespace(&mut b);
    b.without_namespace("network");
    let r = b.report();
    assert_options(&r, "/sys", &["ro", "nosuid", "nodev", "noexec"], &[], "sysfs");
    assert_eq!(r.mount("/sys")["fstype"], "sysfs");
    let all = r["mounts"].as_array().unwrap().iter();
    for mount in all.filter(|m| m["mountpoint"].as_str().unwrap().starts_with("/sys")) {
        assert!(mount["options"].as_array().unwrap().iter().any(|o| o == "ro"), "{mount}");
    }
}

#[test]
fn a_user_namespace_sees_its_cgroups_with_and_without_a_cgroup_namespace() {
    require!("root", "userns", "cgroup1");
    for own in [true, false] {
        let mut b = Bundle::new();
        user_namespace(&mut b);
        if own {
            b.namespace(json!({ "type": "cgroup" }));
        }
        b.mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", "ro"]);
        let r = b.report();
        assert_eq!(r.mount("/sys/fs/cgroup/pids")["fstype"], "cgroup", "{own}");
        let procs = b.run_probe(&["read", "/sys/fs/cgroup/pids/cgroup.procs"]);
        assert_eq!(procs, "1", "{own}");
    }
}
