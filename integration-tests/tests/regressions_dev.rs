//! Known ways out through what an image has in /dev, by the name of the hole.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use integration_tests::{Bundle, Receiver, json, require};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// No mount on /dev or below: it is the image's own directory.
fn of_the_image(args: &[&str]) -> Bundle {
    let mut b = Bundle::probe(args);
    for at in ["/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"] {
        b.unmount(at);
    }
    b
}

/// A file of the host's that the container sees, as engines bind /etc/hosts.
fn bound_file(b: &mut Bundle) -> PathBuf {
    let victim = b.scratch("victim");
    fs::write(&victim, "of the host").unwrap();
    fs::set_permissions(&victim, fs::Permissions::from_mode(0o644)).unwrap();
    b.bind(&victim, "/etc/victim", &["bind"]);
    victim
}

#[track_caller]
fn is_untouched(victim: &Path) {
    let seen = victim.metadata().unwrap();
    assert_eq!((seen.uid(), seen.gid(), seen.mode() & 0o7777), (0, 0, 0o644));
    assert_eq!(fs::read_to_string(victim).unwrap(), "of the host");
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn cve_2026_41579_and_cve_2026_47766_nothing_is_made_or_removed_through_a_dev_that_is_a_link() {
    require!("root", "teu");
    for devpts in [false, true] {
        let mut b = of_the_image(&["exit", "0"]);
        let outside = b.scratch("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("ptmx"), "of the host").unwrap();
        fs::remove_dir(b.rootfs().join("dev")).unwrap();
        b.symlink("dev", outside.to_str().unwrap());
        if devpts {
            b.mount("/dev/pts", "devpts", "devpts", &["newinstance", "ptmxmode=0666"]);
        }
        b.run();
        assert_eq!(names(&outside), ["ptmx"], "devpts: {devpts}");
        assert_eq!(fs::read_to_string(outside.join("ptmx")).unwrap(), "of the host");
    }
}

#[test]
fn cve_2026_88264_a_console_without_a_dev_mount_is_put_onto_no_other_path() {
    require!("root", "teu");
    for readonly in [false, true] {
        for target in ["/etc/victim", "../etc/victim", "/proc/sys/kernel/hostname"] {
            let mut b = of_the_image(&["read", "/etc/victim"]);
            let victim = bound_file(&mut b);
            b.mount("/dev/pts", "devpts", "devpts", &["newinstance", "ptmxmode=0666"]);
            b.dir("dev/pts");
            b.symlink("dev/console", target);
            b.set("/process/terminal", true).set("/root/readonly", readonly);
            let socket = Receiver::at(b.scratch("console"));
            let flags = ["--console-socket", socket.path().to_str().unwrap()];
            b.write();
            let create = b.verb("create").args(flags).arg("--bundle").arg(b.path()).arg(b.id());
            create.run().fails_with(&["/dev/console"]);
            is_untouched(&victim);
            b.assert_clean();
        }
    }
}

#[test]
fn cve_2026_88265_a_dev_null_that_is_a_link_does_not_become_a_stream() {
    require!("root", "teu");
    // To a file of the host's in the container; the process is somebody to whom streams are given.
    let mut b = of_the_image(&["append", "/proc/self/fd/0", "x"]);
    let victim = bound_file(&mut b);
    b.symlink("dev/null", "/etc/victim");
    b.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    b.run();
    is_untouched(&victim);
}

#[test]
fn cve_2026_88265_nor_when_a_running_container_has_exchanged_it() {
    require!("root", "teu");
    let mut b = of_the_image(&["sleep"]);
    let victim = bound_file(&mut b);
    let c = b.create();
    c.start().ok();
    integration_tests::wait_ready(c.pid());
    let null = b.rootfs().join("dev/null");
    fs::remove_file(&null).unwrap();
    std::os::unix::fs::symlink("/etc/victim", &null).unwrap();
    let (input, output) = (File::open("/dev/null").unwrap(), File::create("/dev/null").unwrap());
    drop(input);
    let flags = ["--user", "1000:1000", b.id(), "/probe", "append", "/proc/self/fd/1", "x"];
    let errors = File::create("/dev/null").unwrap();
    b.verb("exec").args(flags).spawn_into(output, errors).wait();
    is_untouched(&victim);
    c.finish();
}

/// What is there in the place of a device is neither taken for it nor opened.
#[test]
fn a_node_that_the_image_has_in_the_place_of_another_device_is_refused() {
    require!("root", "teu");
    for (name, kind, device) in [
        ("null", SFlag::S_IFCHR, makedev(1, 1)),
        ("zero", SFlag::S_IFBLK, makedev(1, 5)),
        ("tty", SFlag::S_IFIFO, 0),
    ] {
        let b = of_the_image(&["exit", "0"]);
        mknod(&b.rootfs().join("dev").join(name), kind, Mode::S_IRWXU, device).unwrap();
        b.run().fails();
    }
}
