//! Images to other tools and from them.

use integration_tests::{Cmd, Outcome, require};

use crate::place::{Place, unique};

/// The image every test passes on: two layers, the second with a whiteout.
fn layered(place: &Place) {
    place.busybox();
    let name = unique("layered");
    place.ok(&["run", "--name", &name, "busybox", "sh", "-c", "echo 2 > /tmp/two; rm /bin/cat"]);
    place.ok(&["commit", "-c", "CMD [\"ls\", \"/tmp\", \"/bin\"]", &name, "user/image:tag"]);
    place.ok(&["rm", &name]);
}

const NAME: &str = "docker.io/user/image:tag";

fn skopeo(words: &[&str]) -> Outcome {
    Cmd::new("skopeo").arg("--insecure-policy").args(words).run()
}

/// Loads an archive into another store: the id has to be the same, and the command to run.
fn check(archive: &str, place: &Place, name: &str) {
    let other = Place::new();
    other.ok(&["load", "-i", archive]);
    assert_eq!(other.image(name)["Id"], place.image(NAME)["Id"]);
    let out = other.ok(&["run", "--rm", name]);
    assert!(out.contains("two") && !out.lines().any(|line| line == "cat"), "{out}");
}

#[test]
fn skopeo_reads_the_store_itself_and_writes_to_it() {
    require!("root", "busybox", "skopeo");
    let place = Place::new();
    layered(&place);
    let (store, copy) = (place.word("store"), place.word("copy"));
    let copied = |from: &str, to: &str| skopeo(&["copy", "--preserve-digests", from, to]).ok();
    copied(&format!("oci:{store}:{NAME}"), &format!("oci:{copy}:x"));
    let inspected = skopeo(&["inspect", &format!("oci:{copy}:x")]).ok().json();
    assert_eq!(inspected["Digest"], place.image(NAME)["Digest"]);
    skopeo(&["copy", &format!("oci:{copy}:x"), &format!("oci:{store}:docker.io/library/back:1")])
        .ok();
    assert_eq!(place.image("docker.io/library/back:1")["Digest"], place.image(NAME)["Digest"]);
    assert!(place.ok(&["run", "--rm", "back:1"]).contains("two"));
}

#[test]
fn archives_go_to_skopeo_and_back() {
    require!("root", "busybox", "skopeo");
    let place = Place::new();
    layered(&place);
    for (format, transport) in [("docker", "docker-archive"), ("oci", "oci-archive")] {
        let (ours, theirs) = (place.word("ours.tar"), place.word(&format!("{transport}.tar")));
        place.ok(&["save", "--format", format, "-o", &ours, "user/image:tag"]);
        let target = format!("{transport}:{theirs}:{NAME}");
        skopeo(&["copy", &format!("{transport}:{ours}"), &target]).ok();
        check(&ours, &place, NAME);
        check(&theirs, &place, NAME);
    }
}

#[test]
fn every_name_that_an_archive_brings_is_told_once() {
    require!("root", "busybox");
    let (place, other) = (Place::new(), Place::new());
    layered(&place);
    place.ok(&["tag", "user/image:tag", "user/second:2"]);
    for (format, names) in [("docker", 2), ("oci", 2)] {
        let archive = place.word(format);
        place.ok(&["save", "--format", format, "-o", &archive, "user/image:tag", "user/second:2"]);
        let told = other.ok(&["load", "-q", "-i", &archive]);
        assert_eq!(told.lines().count(), names, "{told}");
        assert!(told.contains("Loaded image: user/second:2"), "{told}");
    }
    let cut = other.command(&["load"]).stdin("no archive").run();
    cut.fails_with(&["archive: ends within a header"]);
}

#[test]
fn the_same_image_makes_the_same_archive() {
    require!("root", "busybox");
    let place = Place::new();
    layered(&place);
    let files = ["one.tar", "two.tar"].map(|name| place.word(name));
    for file in &files {
        place.ok(&["save", "-o", file, "user/image:tag"]);
    }
    Cmd::new("cmp").args(&files).run().ok();
}

#[test]
fn compressed_archives_are_read_from_a_pipe() {
    require!("root", "busybox");
    let place = Place::new();
    layered(&place);
    let file = place.word("image.tar");
    place.ok(&["save", "-o", &file, "user/image:tag"]);
    for program in ["gzip", "zstd"] {
        let other = Place::new();
        let script = format!("{program} -c {file} | \"$@\"");
        let load = other.command(&["load"]).through_shell(&script);
        assert!(load.run().ok().stdout.contains("user/image:tag"));
    }
}

#[test]
fn umoci_unpacks_the_store_and_what_it_repacks_is_run() {
    require!("root", "busybox", "umoci");
    let place = Place::new();
    layered(&place);
    let image = format!("{}:{NAME}", place.word("store"));
    let bundle = place.word("umoci");
    Cmd::new("umoci").args(["unpack", "--image", &image, &bundle]).run().ok();
    std::fs::write(place.path("umoci/rootfs/tmp/three"), "3").unwrap();
    std::fs::remove_file(place.path("umoci/rootfs/tmp/two")).unwrap();
    let target = format!("{}:docker.io/user/image:umoci", place.word("store"));
    Cmd::new("umoci").args(["repack", "--image", &target, &bundle]).run().ok();
    let out = place.ok(&["run", "--rm", "user/image:umoci"]);
    assert!(out.contains("three") && !out.contains("two"), "{out}");
}

#[test]
fn podman_loads_and_saves() {
    require!("root", "busybox", "podman");
    let place = Place::new();
    layered(&place);
    let (root, run) = (place.word("podman"), place.word("podman-run"));
    let podman = |words: &[&str]| {
        let base = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
        Cmd::new("podman").args(base).args(words).run().ok().out().to_owned()
    };
    let (ours, theirs) = (place.word("ours.tar"), place.word("theirs.tar"));
    place.ok(&["save", "-o", &ours, "user/image:tag"]);
    podman(&["load", "-i", &ours]);
    let id = podman(&["image", "inspect", "--format", "{{.Id}}", NAME]);
    assert_eq!(place.image(NAME)["Id"], format!("sha256:{id}"));
    for format in ["docker-archive", "oci-archive"] {
        let _ = std::fs::remove_file(&theirs);
        podman(&["save", "--format", format, "-o", &theirs, NAME]);
        check(&theirs, &place, NAME);
    }
}

#[test]
fn buildah_builds_on_what_the_store_has() {
    require!("root", "busybox", "buildah");
    let place = Place::new();
    layered(&place);
    let (root, run) = (place.word("buildah"), place.word("buildah-run"));
    let buildah = |words: &[&str]| {
        let base = ["--root", &root, "--runroot", &run, "--storage-driver", "vfs"];
        Cmd::new("buildah").args(base).args(words).run().ok().out().to_owned()
    };
    let store = place.word("store");
    let container = buildah(&["from", &format!("oci:{store}:{NAME}")]);
    buildah(&["config", "--cmd", "echo built", &container]);
    buildah(&["commit", &container, &format!("oci:{store}:docker.io/user/image:buildah")]);
    assert_eq!(place.ok(&["run", "--rm", "user/image:buildah"]), "built");
    buildah(&["rm", "--all"]);
}

#[test]
fn docker_loads_and_saves() {
    require!("root", "busybox", "docker");
    let place = Place::new();
    layered(&place);
    let docker = integration_tests::engine::Docker::start(&[]);
    let (ours, theirs) = (place.word("ours.tar"), place.word("theirs.tar"));
    place.ok(&["save", "-o", &ours, "user/image:tag"]);
    docker.client(&["load", "-i", &ours]).run().ok();
    let id =
        docker.client(&["image", "inspect", "--format", "{{.Id}}", "user/image:tag"]).run().ok();
    assert_eq!(place.image(NAME)["Id"], id.out());
    docker.client(&["save", "-o", &theirs, "user/image:tag"]).run().ok();
    check(&theirs, &place, NAME);
}
