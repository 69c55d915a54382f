//! Many at once, and killed at any moment: the store stays whole.

use std::time::Duration;

use integration_tests::{Cmd, require};
use nix::sys::signal::Signal;

use crate::place::{Place, unique};

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
