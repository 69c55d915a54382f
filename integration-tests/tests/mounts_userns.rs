//! Bind mounts of a container with a user namespace: made in its own mount namespace, where earlier mounts are in
//! place and the kernel has locked the host's flags, of sources that its root may not reach by itself.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use integration_tests::{Bundle, Cmd, Outcome, Report, Value, json, known_difference, require};

fn map() -> Value {
    json!([{ "containerID": 0, "hostID": 100_000, "size": 65536 }])
}

/// With mount points: the image is not the container root's.
fn bundle() -> Bundle {
    let mut b = Bundle::new();
    b.dir("data");
    b.dir("again");
    b.namespace(json!({ "type": "user" }))
        .set("/linux/uidMappings", map())
        .set("/linux/gidMappings", map());
    b
}

/// A directory with `sub` and a file `name` that says so.
fn volume(b: &Bundle, name: &str) -> PathBuf {
    let dir = b.scratch(name);
    fs::create_dir_all(dir.join("sub")).unwrap();
    fs::write(dir.join("file"), name).unwrap();
    dir
}

/// The same where nobody but its owner may go, who is nobody in the container.
fn closed_volume(b: &Bundle, name: &str) -> PathBuf {
    let closed = b.scratch("closed");
    fs::create_dir_all(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    chown(&closed, Some(1234), Some(1234)).unwrap();
    volume(b, &format!("closed/{name}"))
}

/// A run with a tmpfs on `volume/sub` that has these options on the mount, and is bound with those.
fn run_bound(on_host: &str, options: &[&str]) -> Outcome {
    let mut b = bundle();
    let sub = volume(&b, "volume").join("sub");
    b.bind(&sub, "/data", options);
    let sub = sub.display();
    let script = format!(
        "mount -t tmpfs tmpfs {sub} && mount -o bind,remount,{on_host} {sub} && exec \"$@\""
    );
    in_own_namespace(b.run_cmd(&[]), &script).run()
}

fn in_own_namespace(cmd: Cmd, script: &str) -> Cmd {
    cmd.through_shell(script).wrapped(["unshare", "--mount"])
}

#[track_caller]
fn assert_options(on_host: &str, options: &[&str], wanted: &[&str], unwanted: &[&str]) {
    let r = Report(run_bound(on_host, options).ok().json());
    for option in wanted {
        assert!(r.mount_has("/data", option), "{options:?}: no {option}: {}", r.mount("/data"));
    }
    for option in unwanted {
        assert!(!r.mount_has("/data", option), "{options:?}: {option}: {}", r.mount("/data"));
    }
}

#[test]
fn flags_of_the_hosts_mounts_are_kept() {
    require!("root", "userns");
    known_difference!("locked-flags-root");
    let host = "ro,nosuid,nodev,noatime";
    for options in [&["bind"][..], &["rbind"], &["bind", "exec"], &["bind", "atime"]] {
        assert_options(host, options, &["ro", "nosuid", "nodev", "noatime"], &["noexec"]);
    }
    assert_options("nosuid,nodev", &["bind", "ro"], &["ro", "nosuid", "nodev"], &["noexec"]);
    assert_options("nodev,nosymfollow", &["bind", "ro"], &["ro", "nodev"], &["nosymfollow"]);
}

#[test]
fn to_ask_for_less_than_the_hosts_flags_is_an_error() {
    require!("root", "userns");
    known_difference!("locked-flags-root");
    for (on_host, option) in [
        ("ro", "rw"),
        ("nosuid", "suid"),
        ("nodev", "dev"),
        ("noexec", "exec"),
        ("noatime", "relatime"),
        ("relatime", "noatime"),
    ] {
        let run = run_bound(on_host, &["bind", option]);
        run.fails_with(&["error mounting", "/data", "operation not permitted"]);
    }
}

/// What lies below a mount of the host may be covered on purpose.
#[test]
fn what_the_hosts_mounts_cover_stays_covered() {
    require!("root", "userns");
    known_difference!("uncovered");
    let run = |option: &str| {
        let mut b = bundle();
        let dir = volume(&b, "volume");
        fs::write(dir.join("sub/secret"), "x").unwrap();
        b.bind(&dir, "/data", &[option]).args(&["ls", "/data/sub"]);
        let script = format!("mount -t tmpfs tmpfs {}/sub && exec \"$@\"", dir.display());
        in_own_namespace(b.run_cmd(&[]), &script).run()
    };
    assert_eq!(run("rbind").ok().out(), "");
    run("bind").fails_with(&["/data", "invalid argument"]);
}

#[test]
fn a_source_that_the_containers_root_may_not_reach_is_opened_for_it() {
    require!("root", "userns");
    let mut b = bundle();
    let dir = closed_volume(&b, "volume");
    let link = b.scratch("closed/link");
    symlink(dir.join("file"), &link).unwrap();
    b.file("linked", "");
    b.bind(&dir, "/data", &["bind", "ro"]).bind(&link, "/linked", &["bind"]);
    b.args(&["seq", "read", "/data/file", "--", "read", "/linked", "--", "write", "/data/x", "x"]);
    let out = b.run();
    let lines: Vec<&str> = out.out().lines().collect();
    assert_eq!(lines.get(..2), Some(&["closed/volume", "closed/volume"][..]), "{out:?}");
    assert!(lines.get(2).is_some_and(|line| line.contains("EROFS")), "{out:?}");
}

#[test]
fn a_missing_source_behind_a_closed_directory_is_an_error_that_names_it() {
    require!("root", "userns");
    let mut b = bundle();
    let missing = closed_volume(&b, "volume").join("nothing");
    b.bind(&missing, "/data", &["bind"]);
    b.run().fails_with(&[missing.to_str().unwrap(), "no such file or directory"]);
    b.assert_clean();
}

/// Mounts one volume into another, and then all of it a second time by its path on the host.
fn bound_again(b: &mut Bundle, [first, second]: [&Path; 2], again: Value) {
    b.bind(first, "/data", &["rbind"]).bind(second, "/data/sub", &["rbind"]);
    b.push("/mounts", again);
}

fn again(b: &Bundle) -> Value {
    let source = b.rootfs().join("data");
    json!({ "destination": "/again", "type": "bind", "source": source, "options": ["rbind"] })
}

#[test]
fn a_source_may_be_what_was_mounted_before() {
    require!("root", "userns");
    known_difference!("mount-order");
    let mut b = bundle();
    let volumes = [volume(&b, "one"), closed_volume(&b, "two")];
    let again = again(&b);
    bound_again(&mut b, [&volumes[0], &volumes[1]], again);
    assert_eq!(b.run_probe(&["read", "/again/file"]), "one");
    assert_eq!(b.run_probe(&["read", "/again/sub/file"]), "closed/two");
}

#[test]
fn an_id_mapped_source_may_be_what_was_mounted_before() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    known_difference!("mount-order");
    let mut b = bundle();
    let volumes = [volume(&b, "one"), closed_volume(&b, "two")];
    let mut again = again(&b);
    again["options"] = json!(["rbind", "ridmap"]);
    (again["uidMappings"], again["gidMappings"]) = (map(), map());
    bound_again(&mut b, [&volumes[0], &volumes[1]], again);
    for (path, owner) in [("/data/sub/file", 65534), ("/again/sub/file", 0)] {
        let stat: Value = b.run_probe(&["stat", path]).parse().unwrap();
        assert_eq!(stat["uid"], owner, "{path}");
    }
}

/// A link of procfs, which leads out of every mount namespace.
#[test]
fn a_namespace_of_the_hosts_can_be_bound() {
    require!("root", "userns");
    let mut b = bundle();
    b.file("ns", "");
    let source = format!("/proc/{}/ns/uts", std::process::id());
    b.bind(Path::new(&source), "/ns", &["bind"]);
    assert_eq!(b.report().mount("/ns")["fstype"], "nsfs");
}
