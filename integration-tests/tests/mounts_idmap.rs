//! Id-mapped mounts: whose files they are inside, and who owns on disk what is written there.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use integration_tests::{Bundle, Value, json, known_difference, require};

/// A directory with a file of uid 1000 and gid 2000, writable by all.
fn volume(b: &Bundle) -> PathBuf {
    let dir = b.scratch("volume");
    fs::create_dir(&dir).unwrap();
    open_to_all(&dir);
    let file = dir.join("a");
    fs::write(&file, "content").unwrap();
    chown(&file, Some(1000), Some(2000)).unwrap();
    dir
}

fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
}

fn map(container: u32, host: u32, size: u32) -> Value {
    json!([{ "containerID": container, "hostID": host, "size": size }])
}

/// A mount with mappings of its own: filesystem ids 0 to 9999 are shown from 50000 (uid), 60000 (gid).
fn mapped(source: &Path, typ: &str, options: &[&str]) -> Value {
    json!({
        "destination": "/data", "type": typ, "source": source, "options": options,
        "uidMappings": map(0, 50_000, 10_000), "gidMappings": map(0, 60_000, 10_000),
    })
}

/// The image is not the container root's: the mount points have to be there.
fn user_namespace(b: &mut Bundle) {
    b.dir("data");
    b.dir("plain");
    b.namespace(json!({ "type": "user" }))
        .set("/linux/uidMappings", map(0, 100_000, 65536))
        .set("/linux/gidMappings", map(0, 100_000, 65536));
}

#[track_caller]
fn owner(b: &mut Bundle, path: &str) -> (u64, u64) {
    let stat: Value = parsed(&b.run_probe(&["stat", path]));
    (stat["uid"].as_u64().unwrap(), stat["gid"].as_u64().unwrap())
}

fn parsed(text: &str) -> Value {
    text.parse().unwrap()
}

/// Who owns on disk what the container wrote.
fn owner_on_disk(path: &Path) -> (u32, u32) {
    let meta = fs::metadata(path).unwrap();
    (meta.uid(), meta.gid())
}

#[test]
fn a_mounts_own_mappings_hold_without_a_user_namespace() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    b.push("/mounts", mapped(&dir, "bind", &["bind", "idmap"]));
    assert_eq!(owner(&mut b, "/data/a"), (51_000, 62_000));
    b.set("/process/user", json!({ "uid": 50_007, "gid": 60_008 }));
    assert_eq!(b.run_probe(&["write", "/data/new", "x"]), "ok");
    assert_eq!(owner_on_disk(&dir.join("new")), (7, 8));
}

#[test]
fn ids_outside_of_the_mapping_are_nobodys() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    chown(dir.join("a"), Some(20_000), Some(0)).unwrap();
    b.push("/mounts", mapped(&dir, "bind", &["bind", "idmap"]));
    assert_eq!(owner(&mut b, "/data/a"), (65_534, 60_000));
    // Root itself has no id on that filesystem.
    b.args(&["write", "/data/new", "x"]);
    assert_eq!(b.run().out(), "EOVERFLOW");
}

#[test]
fn mappings_without_the_option_hold_as_well() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    b.push("/mounts", mapped(&dir, "bind", &["bind"]));
    assert_eq!(owner(&mut b, "/data/a"), (51_000, 62_000));
}

#[test]
fn a_user_namespaces_mapping_is_taken_where_the_mount_has_none() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    user_namespace(&mut b);
    b.bind(&dir, "/data", &["bind", "idmap"]).bind(&dir, "/plain", &["bind"]);
    assert_eq!(owner(&mut b, "/data/a"), (1000, 2000));
    assert_eq!(owner(&mut b, "/plain/a"), (65_534, 65_534));
    assert_eq!(b.run_probe(&["write", "/data/new", "x"]), "ok");
    assert_eq!(owner_on_disk(&dir.join("new")), (0, 0));
}

#[test]
fn a_mounts_own_mappings_hold_in_a_user_namespace() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    user_namespace(&mut b);
    let mut mount = mapped(&dir, "bind", &["rbind", "ridmap"]);
    // uid 1000 of the disk is the container's 7, which is the host's 100007.
    mount["uidMappings"] = map(1000, 100_007, 1);
    mount["gidMappings"] = map(2000, 100_008, 1);
    b.push("/mounts", mount);
    assert_eq!(owner(&mut b, "/data/a"), (7, 8));
}

#[test]
fn a_joined_user_namespaces_mapping_is_taken() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    known_difference!("join-userns");
    let mut first = Bundle::new();
    user_namespace(&mut first);
    let holder = first.start_sleeper();
    let mut b = Bundle::new();
    let dir = volume(&b);
    b.dir("data");
    b.namespace(json!({ "type": "user", "path": format!("/proc/{}/ns/user", holder.pid()) }));
    b.bind(&dir, "/data", &["bind", "idmap"]);
    assert_eq!(owner(&mut b, "/data/a"), (1000, 2000));
}

#[test]
fn a_new_tmpfs_can_be_id_mapped() {
    require!("root", "userns", "idmap", "idmap-tmpfs");
    known_difference!("idmap");
    known_difference!("idmap-tmpfs");
    let mut b = Bundle::new();
    user_namespace(&mut b);
    b.mount("/data", "tmpfs", "tmpfs", &["idmap", "size=1m", "mode=1777"]);
    let r = b.report();
    assert!(r.mount_has("/data", "size=1024k"), "{}", r.mount("/data"));
    b.args(&["seq", "write", "/data/x", "1", "--", "stat", "/data/x"]);
    let out = b.run().ok().out().to_owned();
    let stat = parsed(out.lines().nth(1).unwrap());
    assert_eq!(json!([stat["uid"], stat["gid"]]), json!([0, 0]));
}

#[test]
fn cruns_form_of_the_option_works() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    user_namespace(&mut b);
    b.bind(&dir, "/data", &["bind", "idmap=uids=1000-100005-1#0-100000-1;gids=@2000-6-1"]);
    assert_eq!(owner(&mut b, "/data/a"), (5, 6));
}

#[test]
fn idmap_is_for_one_mount_and_ridmap_for_all_below() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    known_difference!("ridmap");
    for (option, below) in [("idmap", 1000), ("ridmap", 51_000)] {
        let mut b = Bundle::new();
        let dir = volume(&b);
        let inner = b.scratch("inner");
        fs::create_dir(&inner).unwrap();
        fs::create_dir(dir.join("sub")).unwrap();
        fs::write(inner.join("b"), "").unwrap();
        chown(inner.join("b"), Some(1000), Some(0)).unwrap();
        b.push("/mounts", mapped(&dir, "bind", &["rbind", option]));
        b.args(&["seq", "stat", "/data/a", "--", "stat", "/data/sub/b"]);
        let out = b.run_cmd(&[]).bind(&inner, dir.join("sub")).run().ok().out().to_owned();
        let uids: Vec<_> = out.lines().map(|l| parsed(l)["uid"].clone()).collect();
        assert_eq!(json!(uids), json!([51_000, below]), "{option}");
    }
}

#[test]
fn several_mounts_share_a_mapping_and_nothing_is_left() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    for n in 0..5 {
        let mut mount = mapped(&dir, "bind", &["bind", "idmap"]);
        mount["destination"] = json!(format!("/data{n}"));
        b.push("/mounts", mount);
    }
    let c = b.start_sleeper();
    for n in 0..5 {
        let stat = c.exec(&["stat", &format!("/data{n}/a")]).ok().json();
        assert_eq!(stat["uid"], 51_000);
    }
    c.finish();
}

#[test]
fn what_cannot_be_id_mapped_is_an_error_that_says_why() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    let mut b = Bundle::new();
    // sysfs does not know of it.
    b.push("/mounts", mapped(Path::new("/sys/kernel"), "bind", &["bind", "idmap"]));
    b.run().fails_with(&["EINVAL", "does not support", "idmap mounts"]);
}

#[test]
fn a_mapping_the_kernel_refuses_is_an_error_that_names_the_mount() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    let mut mount = mapped(&dir, "bind", &["bind", "idmap"]);
    mount["gidMappings"] =
        json!([map(0, 0, 5)[0].clone(), json!({ "containerID": 4, "hostID": 100, "size": 5 })]);
    b.push("/mounts", mount);
    b.run().fails_with(&["gidMappings[1]: overlaps"]);
}

#[test]
fn mappings_are_given_in_pairs() {
    require!("root");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    let mut mount = mapped(&dir, "bind", &["bind", "idmap"]);
    mount.as_object_mut().unwrap().remove("gidMappings");
    b.push("/mounts", mount);
    b.run().fails_with(&["both uid and gid mappings", "invalid mappings"]);
}

#[test]
fn the_option_alone_needs_a_user_namespace() {
    require!("root");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    b.bind(&dir, "/data", &["bind", "idmap"]);
    b.run().fails_with(&["must have both uid and gid mappings specified"]);
}

#[test]
fn an_ordinary_user_gets_the_kernels_refusal() {
    require!("root", "userns", "idmap");
    known_difference!("idmap");
    let mut b = Bundle::new();
    let dir = volume(&b);
    b.as_user(1000).namespace(json!({ "type": "user" }));
    b.set("/linux/uidMappings", map(0, 1000, 1)).set("/linux/gidMappings", map(0, 1000, 1));
    b.unmount("/dev/pts");
    b.bind(&dir, "/data", &["bind", "idmap"]);
    b.run().fails_with(&["/data", "idmap"]);
}
