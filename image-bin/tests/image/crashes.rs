//! Many at once, and killed at any moment: the store stays whole.

use std::fs;
use std::time::Duration;

use integration_tests::{Cmd, require};
use nix::sys::signal::Signal;

use crate::fake::{Content, Fake};
use crate::place::{Place, unique};

/// As fast as they can: pulls of one name, removals of it, collections. Each pull that ends well leaves an
/// image that runs, unless another process has removed it since.
#[test]
fn pulls_removals_and_collections_race() {
    require!("root", "busybox");
    let (source, place) = (Place::new(), Place::new());
    source.busybox();
    let fake = Fake::start(Content::busybox(&source), |_, right| right);
    let name = fake.name("image");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (place, name) = (&place, &name);
            scope.spawn(move || {
                for _ in 0..5 {
                    place.ok(&["pull", "-q", name]);
                    match worker {
                        0 => drop(place.run(&["rmi", "--force", name])),
                        1 => drop(place.ok(&["gc"])),
                        _ => {
                            let out = place.run(&["run", "--rm", name, "echo", "1"]);
                            assert!(out.stdout == "1\n", "{out:#?}");
                        }
                    }
                }
            });
        }
    });
    place.ok(&["pull", "-q", &name]);
    assert_eq!(place.ok(&["run", "--rm", &name, "echo", "1"]), "1");
    place.ok(&["rmi", &name]);
    assert!(place.ok(&["gc"]).starts_with("0 blobs"));
}

/// An archive with two layers, and the id of the image in it.
fn archive(place: &Place) -> (String, String) {
    place.busybox();
    let name = unique("crash");
    place.ok(&["run", "--name", &name, "busybox", "sh", "-c", "echo 2 > /tmp/two"]);
    let id = place.ok(&["commit", &name, "two"]);
    place.ok(&["rm", &name]);
    let file = place.word("two.tar");
    place.ok(&["save", "-o", &file, "two"]);
    (file, id)
}

#[test]
fn a_load_that_is_killed_anywhere_leaves_a_store_that_works() {
    require!("root", "busybox");
    let source = Place::new();
    let (file, id) = archive(&source);
    let place = Place::new();
    for step in 0..40 {
        let running = place.command(&["load", "-i", &file]).spawn();
        std::thread::sleep(Duration::from_millis(step * 3));
        running.signal(Signal::SIGKILL);
        running.wait();
        // Whatever is named is whole.
        for image in place.images().as_array().unwrap() {
            assert_eq!(image["Id"], id.as_str());
            assert_eq!(place.ok(&["run", "--rm", "two", "cat", "/tmp/two"]), "2");
            place.ok(&["rmi", "two"]);
        }
    }
    place.ok(&["load", "-i", &file]);
    assert_eq!(place.ok(&["run", "--rm", "two", "cat", "/tmp/two"]), "2");
    place.ok(&["rmi", "two"]);
    place.ok(&["gc"]);
    let left =
        Cmd::new("find").arg(place.path("store")).args(["-type", "f", "-name", "*[0-9]*"]).run();
    assert_eq!(left.ok().out(), "");
}

/// Both read every blob and compare its digest.
fn others_find_it_whole(place: &Place, name: &str) {
    let (store, copy) = (place.word("store"), place.word("copy"));
    let image = format!("{store}:docker.io/library/{name}");
    Cmd::new("skopeo")
        .args(["--insecure-policy", "copy", "-q", "--preserve-digests"])
        .args([format!("oci:{image}"), format!("dir:{copy}")])
        .run()
        .ok();
    Cmd::new("umoci").args(["stat", "--image", &image]).run().ok();
    let unpacked = place.word("unpacked");
    Cmd::new("umoci").args(["unpack", "--image", &image, &unpacked]).run().ok();
    for dir in [copy, unpacked] {
        std::fs::remove_dir_all(dir).unwrap();
    }
}

/// One verb after the other, each killed somewhere: what others read of the store is whole.
#[test]
fn any_verb_that_is_killed_leaves_a_layout_that_others_read() {
    require!("root", "busybox", "skopeo", "umoci");
    let place = Place::new();
    let (file, _) = archive(&place);
    let name = unique("killed");
    place.ok(&["run", "--name", &name, "busybox", "sh", "-c", "echo 3 > /tmp/three"]);
    let busybox = place.word("busybox.tar");
    let verbs: [&[&str]; 7] = [
        &["load", "-i", &file],
        &["import", &busybox, "imported"],
        &["commit", &name, "committed"],
        &["tag", "busybox", "tagged"],
        &["rmi", "--force", "imported", "committed"],
        &["gc"],
        &["bundle", "two", &place.word("bundle")],
    ];
    let mut random = u64::from(std::process::id());
    for round in 0..8 {
        for verb in verbs {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let running = place.command(verb).spawn();
            std::thread::sleep(Duration::from_micros((random >> 33) % 60_000));
            running.signal(Signal::SIGKILL);
            running.wait();
        }
        if round % 4 == 3 {
            others_find_it_whole(&place, "busybox:latest");
        }
    }
    for line in place.ok(&["ps", "-q"]).lines().filter(|line| *line != name) {
        place.ok(&["rm", line]);
    }
    for verb in [verbs[0], verbs[1], verbs[2], verbs[3]] {
        place.ok(verb);
    }
    for image in ["two", "imported", "committed", "tagged"] {
        others_find_it_whole(&place, &format!("{image}:latest"));
    }
    place.ok(&["rm", &name]);
}

#[test]
fn loads_runs_and_collections_at_once_do_not_disturb_each_other() {
    require!("root", "busybox");
    let place = Place::new();
    let (file, _) = archive(&place);
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let (place, file) = (&place, &file);
            scope.spawn(move || {
                for round in 0..4 {
                    place.ok(&["load", "-i", file]);
                    let name = format!("image{worker}:{round}");
                    place.ok(&["tag", "two", &name]);
                    assert_eq!(place.ok(&["run", "--rm", &name, "cat", "/tmp/two"]), "2");
                    place.ok(&["rmi", &name]);
                    place.ok(&["gc"]);
                }
            });
        }
    });
    assert_eq!(place.ok(&["run", "--rm", "two", "cat", "/tmp/two"]), "2");
}

/// As if the machine had lost its power before it wrote the layer to disk.
fn lose(place: &Place) {
    let layers = place.path("store/layers/sha256");
    for layer in fs::read_dir(layers).unwrap() {
        let layer = layer.unwrap().path();
        fs::write(layer.join("boot"), "another").unwrap();
        fs::write(layer.join("fs/bin/busybox"), "").unwrap();
    }
}

#[test]
fn layers_that_a_loss_of_power_may_have_damaged_are_unpacked_again() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let name = unique("lost");
    place.ok(&["run", "--name", &name, "busybox", "sh", "-c", "echo new > /tmp/new"]);
    Cmd::new("umount").args([&place.word(&format!("store/containers/{name}/rootfs"))]).run().ok();
    lose(&place);
    // Of a container that is there, too: nothing of the image has changed.
    assert_eq!(place.ok(&["diff", &name]), "C /tmp\nA /tmp/new");
    assert_eq!(place.ok(&["run", "--rm", "busybox", "echo", "whole"]), "whole");
    lose(&place);
    assert_eq!(place.ok(&["run", "--rm", "busybox", "echo", "whole"]), "whole");
    place.ok(&["rm", &name]);
}
