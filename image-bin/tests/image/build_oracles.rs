//! `build` beside `docker build` and `buildah bud`: the same Dockerfiles make the same configs and files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use integration_tests::engine::Docker;
use integration_tests::{Cmd, require};
use serde_json::{Map, Value};

use crate::build::context;
use crate::place::Place;

macro_rules! dockerfiles {
    ($($name:literal),+) => {
        [$(($name, include_str!(concat!("dockerfiles/", $name, ".Dockerfile")))),+]
    };
}

/// What all builders know: nothing of BuildKit's, nothing of the time.
const COMMON: [(&str, &str); 4] = dockerfiles!("settings", "commands", "copies", "archives");
/// What buildah does otherwise: it makes the directory of `WORKDIR` the user's, and `SHELL` changes nothing
/// of `CMD`.
const OF_DOCKER: [(&str, &str); 2] = dockerfiles!("owners", "shells");

/// One context each, of the same files.
fn files(place: &Place, name: &str, dockerfile: &str) -> String {
    let files = [
        ("file", "file"),
        ("a.txt", "a"),
        ("b.txt", "b"),
        ("dir/sub/deep", "deep"),
        ("dir/other", "other"),
        ("with space", "space"),
        ("exe", "exe"),
        ("ignored/x", "x"),
        ("ignored/kept", "kept"),
        ("dir/no.log", "log"),
        (".dockerignore", "# c\nignored/*\n!ignored/kept\n**/*.log\nDockerfile\n"),
    ];
    let word = context(place, name, dockerfile, &files);
    let path = place.path(name);
    fs::set_permissions(path.join("exe"), PermissionsExt::from_mode(0o751)).unwrap();
    fs::set_permissions(path.join("dir/sub"), PermissionsExt::from_mode(0o700)).unwrap();
    symlink("other", path.join("dir/link")).unwrap();
    symlink("/etc/passwd", path.join("dir/absolute")).unwrap();
    let tar = path.join("a.tar.gz").display().to_string();
    let args = ["--owner=33", "--group=34", "-C", &word, "-czf", &tar, "dir"];
    Cmd::new("tar").args(args).run().ok();
    word
}

/// What matters of a config, without what says nothing.
fn config(place: &Place, name: &str) -> Value {
    const FIELDS: [&str; 12] = [
        "Cmd",
        "Entrypoint",
        "Env",
        "Labels",
        "WorkingDir",
        "User",
        "Volumes",
        "ExposedPorts",
        "StopSignal",
        "Healthcheck",
        "Shell",
        "OnBuild",
    ];
    let mut image = place.run(&["inspect", name]).ok().json()[0]["Config"].clone();
    if let Some(labels) = image["config"]["Labels"].as_object_mut() {
        labels.remove("io.buildah.version");
    }
    let of = |field: &str| image["config"][field].clone();
    let said = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
        _ => true,
    };
    let fields = FIELDS.map(|field| (field.to_owned(), of(field)));
    let mut map: Map<_, _> = fields.into_iter().filter(|(_, value)| said(value)).collect();
    map.insert("author".into(), image["author"].clone());
    map.insert("os".into(), image["os"].clone());
    Value::Object(map)
}

/// buildah leaves them in the image.
const MOUNT_POINTS: [&str; 4] = ["run", "etc/hostname", "etc/hosts", "etc/resolv.conf"];

/// One line for each file: type, mode, owner, content, and the time of those that are copied.
fn tree(place: &Place, name: &str) -> BTreeMap<PathBuf, String> {
    let bundle = place.word("bundle");
    place.ok(&["bundle", "--copy", name, &bundle, "true"]);
    let mut tree = BTreeMap::new();
    walk(&place.path("bundle/rootfs"), Path::new(""), &mut tree);
    place.ok(&["unbundle", &bundle]);
    MOUNT_POINTS.iter().for_each(|path| drop(tree.remove(Path::new(path))));
    tree
}

fn walk(root: &Path, path: &Path, tree: &mut BTreeMap<PathBuf, String>) {
    let full = root.join(path);
    let meta = fs::symlink_metadata(&full).unwrap();
    let mut line = format!("{:o} {}:{}", meta.mode(), meta.uid(), meta.gid());
    if meta.is_symlink() {
        line += &format!(" -> {}", fs::read_link(&full).unwrap().display());
    } else if meta.is_file() {
        line += &format!(" {:?}", &fs::read(&full).unwrap()[..meta.len().min(64) as usize]);
    }
    tree.insert(path.to_owned(), line);
    if meta.is_dir() {
        for entry in fs::read_dir(&full).unwrap() {
            walk(root, &path.join(entry.unwrap().file_name()), tree);
        }
    }
}

/// Builds with teu-image, and with another that leaves an archive; compares.
fn compare(place: &Place, dockerfiles: &[(&str, &str)], theirs: impl Fn(&str, &str, &str)) {
    for (name, dockerfile) in dockerfiles {
        let context = files(place, name, dockerfile);
        place.ok(&["build", "--network=none", "-t", "ours", &context]);
        let archive = place.word(&format!("{name}.tar"));
        theirs(name, &context, &archive);
        place.ok(&["load", "-i", &archive]);
        let other = format!("localhost/{name}:theirs");
        assert_eq!(config(place, "ours"), config(place, &other), "{name}");
        crate::tree::assert_same(&tree(place, "ours"), &tree(place, &other));
    }
}

#[test]
fn docker_builds_the_same() {
    require!("root", "busybox", "docker");
    let place = Place::new();
    place.busybox();
    let docker = Docker::start(&[]);
    let base = place.word("base.tar");
    place.ok(&["save", "-o", &base, "busybox"]);
    docker.client(&["load", "-i", &base]).run().ok();
    compare(&place, &[&COMMON[..], &OF_DOCKER].concat(), |name, context, archive| {
        let tag = format!("localhost/{name}:theirs");
        let build = docker.client(&["build", "--network=none", "-t", &tag, context]);
        build.env("DOCKER_BUILDKIT", "0").run().ok();
        docker.client(&["save", "-o", archive, &tag]).run().ok();
    });
}

#[test]
fn buildah_builds_the_same() {
    require!("root", "busybox", "buildah");
    let place = Place::new();
    place.busybox();
    let (root, run) = (place.word("buildah"), place.word("buildah-run"));
    let buildah = |words: &[&str]| {
        let base = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
        Cmd::new("buildah").args(base).args(words).run().ok()
    };
    let base = place.word("base.tar");
    place.ok(&["save", "-o", &base, "busybox"]);
    buildah(&["pull", &format!("docker-archive:{base}")]);
    compare(&place, &COMMON, |name, context, archive| {
        let tag = format!("localhost/{name}:theirs");
        let flags = ["--format=docker", "--network=host", "--pull=never", "--isolation=chroot"];
        buildah(&[&["bud", "--layers=false", "-t", &tag], &flags[..], &[context]].concat());
        buildah(&["push", &tag, &format!("docker-archive:{archive}:{tag}")]);
    });
}
