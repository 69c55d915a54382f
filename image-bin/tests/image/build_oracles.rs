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

/// What both builders know: nothing of BuildKit's, nothing of the time.
const DOCKERFILES: [(&str, &str); 5] = [
    (
        "settings",
        "ARG TAG=latest\nFROM busybox:$TAG\nARG X=1\nARG Y\nENV A=$X B=\"a b\" C='$A'\nENV D ${Y:-none} ${A:+set}\n\
         ENV A=2 E=$A\nLABEL one=$A \"t w o\"=\"$B\"\nEXPOSE 80 53/udp $X\nVOLUME /v1 /v2\n\
         VOLUME [\"/v 3\"]\nUSER web:log\nWORKDIR /a\nWORKDIR b/../c\nSTOPSIGNAL SIGTERM\n\
         HEALTHCHECK --interval=1m --timeout=3s --retries=2 CMD test -f /x\nONBUILD RUN true\n\
         ENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"echo\", \"x\"]\n",
    ),
    (
        "shells",
        "FROM busybox\nCMD first\nENTRYPOINT second\nSHELL [\"/bin/sh\", \"-x\", \"-c\"]\nENTRYPOINT third $A\n\
         CMD fourth\nHEALTHCHECK NONE\nMAINTAINER somebody\n",
    ),
    (
        "commands",
        "FROM busybox\nARG X=arg\nENV E=env\nRUN echo $X $E > /one && mkdir -p /dir/sub && echo 2 > /dir/sub/two\n\
         RUN [\"sh\", \"-c\", \"echo exec > /three\"]\nRUN rm /etc/group && rm -r /dir && mkdir /dir && echo 4 > /dir/four\n\
         RUN mkdir -m 777 /pub\nUSER web\nWORKDIR /home/web\nRUN id -u > /pub/id; pwd > /pub/pwd\nUSER root\nRUN echo \\\n  # no\n  joined > /joined\n",
    ),
    (
        "copies",
        "FROM busybox\nCOPY file /f\nCOPY file /etc/\nCOPY file dir/link /new/\nCOPY dir /tree\nCOPY dir/sub/ /tree2/\n\
         COPY --chown=web:log file /owned\nCOPY --chown=33:34 dir /owned-tree\nCOPY *.txt dir/s*b /globs/\nWORKDIR /w\nCOPY file .\n\
         COPY file rel/name\nCOPY [\"with space\", \"to here/\"]\nCOPY . /all/\nRUN busybox ln -s /w /to-w\nCOPY file /to-w/linked\n\
         COPY exe /exe\n",
    ),
    (
        "archives",
        "FROM busybox AS first\nRUN mkdir /x && echo 1 > /x/1 && busybox chown 33:34 /x/1\nFROM busybox\n\
         COPY --from=first /x /x\nCOPY --from=first /x/1 /one\nCOPY --from=0 /etc/passwd /p\nADD a.tar.gz /added/\nADD a.tar.gz file /added2/\n\
         COPY a.tar.gz /copied/\n",
    ),
];

fn contexts(place: &Place) -> Vec<(&'static str, String)> {
    DOCKERFILES.map(|(name, dockerfile)| (name, files(place, name, dockerfile))).into()
}

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
    let image = place.run(&["inspect", name]).ok().json()[0]["Config"].clone();
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

/// One line for each file: type, mode, owner, content, and the time of those that are copied.
fn tree(place: &Place, name: &str) -> BTreeMap<PathBuf, String> {
    let bundle = place.word("bundle");
    place.ok(&["bundle", "--copy", name, &bundle, "true"]);
    let mut tree = BTreeMap::new();
    walk(&place.path("bundle/rootfs"), Path::new(""), &mut tree);
    place.ok(&["unbundle", &bundle]);
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
fn compare(place: &Place, theirs: impl Fn(&str, &str, &str)) {
    for (name, context) in contexts(place) {
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
    compare(&place, |name, context, archive| {
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
    compare(&place, |name, context, archive| {
        let tag = format!("localhost/{name}:theirs");
        let flags = ["--format=docker", "--network=none", "--pull=never", "--isolation=chroot"];
        buildah(&[&["bud", "--layers=false", "-t", &tag], &flags[..], &[context]].concat());
        buildah(&["push", &tag, &format!("docker-archive:{archive}:{tag}")]);
    });
}
