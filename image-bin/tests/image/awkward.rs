//! Layers with everything that archives can hold, compared file by file with what umoci and docker make of
//! them. `TEU_TEST_ROOTFS` names an archive to be put below them, as of a whole distribution.

use std::fs;
use std::path::Path;

use integration_tests::{Cmd, require};

use crate::place::Place;
use crate::tree::{assert_same, describe};

/// Six layers, each a script that fills a directory, and the format that GNU tar packs it in.
const LAYERS: [(&str, &str); 6] = [
    // Kinds of files, owners, modes, times.
    ("gnu", "mkdir -p usr/lib etc var/log; echo a > usr/lib/a; ln -s usr/lib lib; ln -s /usr/lib/a etc/abs
      ln usr/lib/a usr/lib/b; mkfifo var/fifo; mknod var/null c 1 3; mknod var/loop b 7 0
      cp /bin/true usr/su; chown 5:6 usr/su; chmod 4755 usr/su; mkdir -m 1777 tmp; mkdir -m 2750 var/g
      chown 7:8 var/g; touch -d '2001-02-03 04:05:06.789' usr/lib/a; touch -h -d @86400 lib"),
    // Long and strange names.
    ("gnu", "d=$(printf 'd%.0s' $(seq 200)); mkdir -p $d/$d; echo deep > $d/$d/$d; ln -s $d/$d/$d long-link
      echo 1 > 'white space'; echo 2 > \"new
line\"; echo 3 > caf\u{e9}; echo 4 > .whatever; ln $d/$d/$d long-hard"),
    // Attributes and capabilities; sparse.
    ("posix", "cp /bin/true cap; setcap cap_net_raw+ep cap; echo x > attr; mkdir ad
      truncate -s 10M sparse; echo middle | dd of=sparse bs=1 seek=5000000 conv=notrunc status=none
      chown 3000000:4000000000 ad; touch -d @1.25 ad"),
    // Deleted files, opaque directories.
    ("gnu", "mkdir -p usr/lib var; touch usr/lib/.wh.b var/.wh.fifo .wh.long-link; mkdir etc; echo n > etc/n
      touch etc/.wh..wh..opq"),
    // Something else in the place of something.
    ("gnu", "echo file > tmp; mkdir attr; echo in > attr/in; ln -s nowhere cap; rm -rf ad; echo d > ad"),
    // Deleted and made again; deleted what is not there.
    ("posix", "mkdir -p usr; touch .wh.etc .wh.never; mkdir etc; echo again > etc/again"),
];

/// Below them, from outside.
fn base() -> Option<std::path::PathBuf> {
    std::env::var_os("TEU_TEST_ROOTFS").map(Into::into)
}

/// How GNU tar packs files with holes. What docker and podman save of a sparse entry is not what they loaded,
/// which they notice, and give up (docker 20.10, podman 4.3).
const SPARSE: &str = "--sparse";
const DENSE: &str = "--no-check-device";

/// The one whose files get further attributes.
const ATTRIBUTES: usize = 2;

#[test]
fn awkward_layers_are_unpacked_as_umoci_does() {
    require!("root", "busybox", "umoci", "setcap");
    let place = Place::new();
    let archive = awkward(&place, SPARSE);
    place.ok(&["load", "-i", &archive]);
    let bundle = place.word("bundle");
    place.ok(&["bundle", "--copy", "awkward", &bundle, "true"]);
    let mounted = place.word("mounted");
    place.ok(&["bundle", "awkward", &mounted, "true"]);
    let image = format!("{}:docker.io/library/awkward:latest", place.word("store"));
    Cmd::new("umoci").args(["unpack", "--image", &image, &place.word("umoci")]).run().ok();
    let theirs = describe(&place.path("umoci/rootfs"));
    for ours in ["bundle/rootfs", "mounted/rootfs"] {
        let mut ours = describe(&place.path(ours));
        without_mount_points(&mut ours);
        let mut theirs = theirs.clone();
        without_mount_points(&mut theirs);
        assert_same(&ours, &theirs);
    }
    place.ok(&["rm", &bundle, &mounted]);
}

/// What is exported and imported again is the same.
#[test]
fn an_export_brings_all_of_it_back() {
    require!("root", "busybox", "setcap");
    let place = Place::new();
    place.ok(&["load", "-i", &awkward(&place, SPARSE)]);
    let [first, second] = ["first", "second"].map(|name| place.word(name));
    place.ok(&["bundle", "awkward", &first, "true"]);
    let tar = place.word("export.tar");
    place.ok(&["export", "-o", &tar, &first]);
    place.ok(&["import", &tar, "again"]);
    place.ok(&["bundle", "again", &second, "true"]);
    let (mut before, mut after) =
        (describe(&place.path("first/rootfs")), describe(&place.path("second/rootfs")));
    // Times are packed in whole seconds, as docker does.
    for tree in [&mut before, &mut after] {
        without_mount_points(tree);
        for line in tree.values_mut() {
            *line = whole_seconds(line);
        }
    }
    assert_same(&before, &after);
    place.ok(&["rm", &first, &second]);
}

/// The root, and `etc` with what is mounted on in it: the image has no root of its own, and
/// what a runtime needs is made in `etc`.
fn without_mount_points(tree: &mut std::collections::BTreeMap<std::path::PathBuf, String>) {
    for path in ["", "dev", "proc", "sys", "etc", "etc/hosts", "etc/hostname", "etc/resolv.conf"] {
        tree.remove(Path::new(path));
    }
}

fn whole_seconds(line: &str) -> String {
    let mut fields: Vec<&str> = line.split(' ').collect();
    if let Some(time) = fields.get_mut(2) {
        *time = time.split('.').next().unwrap();
    }
    fields.join(" ")
}

fn sum(file: &Path) -> String {
    let sum = Cmd::new("sha256sum").arg(file).run().ok();
    format!("sha256:{}", sum.out().split(' ').next().unwrap())
}

const NAME: &str = "docker.io/library/awkward:latest";

/// Byte for byte: the id is the digest of all layers' digests.
fn comes_back(place: &Place, archive: &str) {
    let other = Place::new();
    other.ok(&["load", "-i", archive]);
    assert_eq!(other.image(NAME)["Id"], place.image(NAME)["Id"]);
}

#[test]
fn docker_sees_the_same_files_and_gives_the_same_layers_back() {
    require!("root", "busybox", "docker", "setcap");
    let place = Place::new();
    place.ok(&["load", "-i", &awkward(&place, DENSE)]);
    let (bundle, ours, theirs) =
        (place.word("bundle"), place.word("ours.tar"), place.word("theirs.tar"));
    place.ok(&["bundle", "awkward", &bundle, "true"]);
    place.ok(&["save", "-o", &ours, "awkward"]);
    let docker = integration_tests::engine::Docker::start(&[]);
    let docker = |words: &[&str]| docker.client(words).run().ok().out().to_owned();
    docker(&["load", "-i", &ours]);
    assert_eq!(
        place.image(NAME)["Id"],
        docker(&["image", "inspect", "-f", "{{.Id}}", "awkward"]).as_str()
    );
    docker(&["save", "-o", &theirs, "awkward"]);
    comes_back(&place, &theirs);
    if docker(&["info", "-f", "{{.Driver}}"]) != "overlay2" {
        integration_tests::say(
            "SKIP: docker's files cannot be looked at: its driver is not overlay2",
        );
        return;
    }
    let data = "{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}";
    let options = format!("ro,lowerdir={}", docker(&["image", "inspect", "-f", data, "awkward"]));
    let mounted = place.path("docker");
    fs::create_dir(&mounted).unwrap();
    Cmd::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&mounted).run().ok();
    let (mut ours, mut theirs) = (describe(&place.path("bundle/rootfs")), describe(&mounted));
    without_mount_points(&mut ours);
    without_mount_points(&mut theirs);
    Cmd::new("umount").arg(&mounted).run().ok();
    // Where a layer has both a marker and a directory of that name docker forgets the marker: what lower layers
    // have in the directory comes back. The specification and umoci are of another mind.
    assert!(theirs.remove(Path::new("etc/n")).is_some());
    assert_same(&ours, &theirs);
    place.ok(&["rm", &bundle]);
}

#[test]
fn skopeo_and_podman_give_the_same_layers_back() {
    require!("root", "busybox", "skopeo", "podman", "setcap");
    let place = Place::new();
    place.ok(&["load", "-i", &awkward(&place, DENSE)]);
    let (ours, theirs) = (place.word("ours.tar"), place.word("theirs.tar"));
    place.ok(&["save", "-o", &ours, "awkward"]);
    for transport in ["docker-archive", "oci-archive"] {
        let (from, to) = (format!("{transport}:{ours}"), format!("{transport}:{theirs}:{NAME}"));
        Cmd::new("skopeo").args(["--insecure-policy", "copy", "-q", &from, &to]).run().ok();
        comes_back(&place, &theirs);
        fs::remove_file(&theirs).unwrap();
    }
    let (root, run) = (place.word("podman"), place.word("podman-run"));
    let podman = |words: &[&str]| {
        let base = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
        Cmd::new("podman").args(base).args(words).limit(LONG).run().ok();
    };
    podman(&["load", "-i", &ours]);
    podman(&["save", "-o", &theirs, NAME]);
    comes_back(&place, &theirs);
}

/// A distribution takes its time.
const LONG: std::time::Duration = std::time::Duration::from_secs(300);

/// A docker-archive called awkward.
fn awkward(place: &Place, holes: &str) -> String {
    let dir = place.path("awkward");
    fs::create_dir_all(&dir).unwrap();
    let mut layers = Vec::new();
    let mut ids = Vec::new();
    if let Some(base) = base() {
        fs::copy(base, dir.join("base.tar")).unwrap();
        ids.push(sum(&dir.join("base.tar")));
        layers.push("base.tar".to_owned());
    }
    for (number, (format, script)) in LAYERS.iter().enumerate() {
        let tree = dir.join(format!("tree{number}"));
        fs::create_dir_all(&tree).unwrap();
        Cmd::new("bash").args(["-ec", script]).cwd(&tree).run().ok();
        if number == ATTRIBUTES {
            for (path, name, value) in [
                ("attr", "user.text", &b"value"[..]),
                ("attr", "user.binary", b"\0\n\n=\n "),
                ("attr", "trusted.t", b"t"),
                ("ad", "user.dir", b"d"),
            ] {
                let flags = rustix::fs::XattrFlags::empty();
                rustix::fs::setxattr(tree.join(path), name, value, flags).unwrap();
            }
        }
        let name = format!("{number}.tar");
        let file = dir.join(&name);
        let kind = format!("--format={format}");
        let mut flags = vec!["--sort=name", holes, "--numeric-owner", &kind];
        if *format == "posix" {
            flags.extend(["--xattrs", "--xattrs-include=*"]);
        }
        let packed = Cmd::new("tar").args(flags).arg("-C").arg(&tree);
        packed.arg("-cf").arg(&file).arg(".").run().ok();
        ids.push(sum(&file));
        layers.push(name);
    }
    let config = serde_json::json!({
        "architecture": "amd64", "os": "linux", "config": { "Cmd": ["true"] },
        "rootfs": { "type": "layers", "diff_ids": ids },
    });
    fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let manifest = serde_json::json!([
        { "Config": "config.json", "RepoTags": ["awkward:latest"], "Layers": layers }
    ]);
    fs::write(dir.join("manifest.json"), manifest.to_string()).unwrap();
    let archive = place.word("awkward.tar");
    let files = layers.iter().map(String::as_str).chain(["config.json", "manifest.json"]);
    Cmd::new("tar").arg("-C").arg(&dir).args(["-cf", &archive]).args(files).run().ok();
    archive
}
