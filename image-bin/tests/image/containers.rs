//! `run`, `bundle`, and what becomes of what a container wrote.

use std::fs;

use integration_tests::{Cmd, Runtime, Terminal, require};

use crate::place::{Place, is_mounted, unique};

#[test]
fn a_command_runs_with_what_the_flags_say() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let shared = place.word("shared");
    fs::create_dir(&shared).unwrap();
    let script = "id; pwd; echo $A:$PATH; hostname; cat; echo seen > /s/f; echo x > /x || true";
    let out = place
        .command(&[
            "run",
            "-i",
            "--rm",
            "-e",
            "A=1",
            "-w",
            "/srv/new",
            "-u",
            "web",
            "-h",
            "box",
            "-m",
            "64m",
            "--cpus",
            "0.5",
            "--pids-limit",
            "20",
            "--read-only",
            "-v",
            &format!("{shared}:/s"),
            "busybox",
            "sh",
            "-c",
            script,
        ])
        .stdin("typed\n")
        .run();
    // web may not write there.
    assert!(out.stderr.contains("/s/f: Permission denied"), "{out:#?}");
    assert!(out.stderr.contains("/x: Read-only file system"), "{out:#?}");
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "uid=33(web) gid=34(web) groups=34(web),40(log)",
            "/srv/new",
            "1:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "box",
            "typed",
        ]
    );
    assert_eq!(place.ok(&["ps", "-q"]), "");
}

#[test]
fn confinement_is_dockers() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let script = "grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status; ls -l /proc/keys; \
                  ls /sys/firmware /proc/scsi; mkdir /sys/x /proc/sys/x; ls /sys/class/net";
    let out = place.run(&["run", "--rm", "busybox", "sh", "-c", script]);
    for line in ["CapEff:\t00000000a80425fb", "Seccomp:\t2", "NoNewPrivs:\t0", "1,   3", "lo"] {
        assert!(out.stdout.contains(line), "{line} in {out:#?}");
    }
    assert!(!out.stdout.contains("eth0"), "{out:#?}");
}

#[test]
fn statuses_are_dockers() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let status = |words: &[&str]| place.run(&[&["run", "--rm", "busybox"], words].concat()).status;
    assert_eq!(status(&["sh", "-c", "exit 7"]), 7);
    assert_eq!(status(&["missing"]), 127);
    assert_eq!(status(&["/etc/passwd"]), 126);
    assert_eq!(place.run(&["run", "nothing"]).status, 125);
    assert_eq!(place.run(&["run", "--rm", "-u", "nobody", "busybox"]).status, 125);
    assert_eq!(place.run(&["run", "--rm", "--cpus", "-1", "busybox"]).status, 125);
    assert_eq!(place.ok(&["ps", "-q"]), "");
}

#[test]
fn changes_are_told_committed_and_seen_in_the_new_image() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let name = unique("changes");
    let script = "echo new > /tmp/new; rm /bin/cat; rm /etc/passwd; echo w > /etc/w";
    place.ok(&["run", "--name", &name, "busybox", "sh", "-c", script]);
    let changes = place.ok(&["diff", &name]);
    for line in ["A /tmp/new", "C /tmp", "D /bin/cat", "A /etc/w", "D /etc/passwd"] {
        assert!(changes.lines().any(|change| change == line), "{line} in {changes}");
    }
    assert!(!changes.contains("hosts"), "{changes}");
    let id = place.ok(&["commit", "-a", "me", "-m", "why", "-c", "ENV A=2", &name, "changed:2"]);
    let image = place.run(&["inspect", "changed:2"]).ok().json();
    assert_eq!(image[0]["Id"], id.as_str());
    assert_eq!(image[0]["Config"]["author"], "me");
    assert_eq!(image[0]["Config"]["history"][1]["comment"], "why");
    let script = "cat /tmp/new; ls /bin/cat; ls /etc; echo $A";
    let out = place.run(&["run", "--rm", "changed:2", "busybox", "sh", "-c", script]);
    let seen: Vec<_> = out.stdout.lines().collect();
    assert_eq!(seen, ["new", "group", "hostname", "hosts", "resolv.conf", "w", "2"], "{out:#?}");
    place.ok(&["rm", &name]);
    assert!(place.ok(&["history", "changed:2"]).contains("why"));
}

#[test]
fn the_same_files_and_epoch_make_the_same_image() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let commit = |stem| {
        let name = unique(stem);
        place.ok(&["run", "--name", &name, "busybox", "sh", "-c", "echo x > /tmp/f"]);
        let commit = place.command(&["commit", &name]).env("SOURCE_DATE_EPOCH", "1000000");
        let id = commit.run().ok().out().to_owned();
        place.ok(&["rm", &name]);
        id
    };
    let first = commit("first");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(first, commit("second"));
}

#[test]
fn a_bundle_is_run_by_any_runtime_and_taken_away_without_trace() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    for flags in [&[][..], &["--copy"]] {
        let bundle = place.word("bundle");
        let words = [&["bundle"], flags, &["busybox", &bundle, "echo", "from the bundle"]].concat();
        place.ok(&words);
        let runtime = Runtime::get().path();
        let out = Cmd::new(runtime).args(["run", "-b", &bundle, &unique("bundle")]).run().ok();
        assert_eq!(out.out(), "from the bundle");
        assert_eq!(place.ok(&["diff", &bundle]), "");
        fs::write(place.path("bundle/rootfs/tmp/new"), "x").unwrap();
        fs::remove_file(place.path("bundle/rootfs/bin/cat")).unwrap();
        assert_eq!(place.ok(&["diff", &bundle]), "C /bin\nD /bin/cat\nC /tmp\nA /tmp/new");
        // As one who stands beside it would name it.
        place.run(&["bundle", "busybox", &bundle]).fails_with(&["is a bundle already"]);
        place.command(&["cleanup", "bundle"]).cwd(place.path("")).run().ok();
        assert!(!place.path("bundle").exists());
        assert!(!is_mounted(&place.path("bundle")));
    }
}

#[test]
fn volumes_of_the_image_begin_with_what_it_has_there() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let name = unique("volume");
    place.ok(&["run", "--name", &name, "busybox", "sh", "-c", "mkdir /data; echo 1 > /data/old"]);
    place.ok(&["commit", "-c", "VOLUME /data", &name, "with-volume"]);
    place.ok(&["rm", &name]);
    let script = "cat /data/old; echo 2 > /data/new; cat /data/new";
    let words = ["run", "--name", &name, "--read-only", "with-volume", "sh", "-c", script];
    assert_eq!(place.ok(&words), "1\n2");
    // Volumes are no part of what is committed.
    assert_eq!(place.ok(&["diff", &name]), "");
    place.ok(&["rm", &name]);
}

#[test]
fn an_image_in_use_is_kept() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let name = unique("use");
    place.ok(&["run", "--name", &name, "busybox", "true"]);
    place.run(&["run", "--name", &name, "busybox", "true"]).fails_with(&["is in use"]);
    place.run(&["rmi", "busybox"]).fails_with(&["is in use by container"]);
    place.ok(&["rmi", "--force", "busybox"]);
    // The container still has its layers.
    assert!(place.ok(&["export", "-o", &place.word("x.tar"), &name]).is_empty());
    place.ok(&["rm", &name]);
    let freed = place.ok(&["gc"]);
    assert!(freed.starts_with("3 blobs") && freed.ends_with("1 unpacked layers"), "{freed}");
}

#[test]
fn a_bundle_that_cannot_be_made_leaves_nothing() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let (bundle, full) = (place.word("bundle"), place.word("full"));
    place.run(&["bundle", "-u", "nobody", "busybox", &bundle]).fails_with(&["\"nobody\""]);
    assert!(!place.path("bundle").exists());
    fs::create_dir_all(place.path("full/rootfs/mine")).unwrap();
    place.run(&["bundle", "busybox", &full]).fails_with(&["full/rootfs: is not empty"]);
    assert!(place.path("full/rootfs/mine").exists());
    place.run(&["unbundle", &full]).fails_with(&["is no bundle of this store"]);
    place.run(&["unbundle", &bundle]).fails_with(&["no such directory"]);
    assert_eq!(place.ok(&["ps", "-q"]), "");
}

#[test]
fn limits_and_networks_are_those_asked_for() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let config = |flags: &[&str]| -> serde_json::Value {
        let bundle = place.word("bundle");
        let words = [&["bundle"], flags, &["busybox", &bundle]].concat();
        place.ok(&words);
        let config = fs::read(place.path("bundle/config.json")).unwrap();
        place.ok(&["unbundle", &bundle]);
        serde_json::from_slice(&config).unwrap()
    };
    let limited = config(&["-m", "64m", "--cpus", "1.5", "--pids-limit", "7", "--net", "host"]);
    let resources = &limited["linux"]["resources"];
    assert_eq!(resources["memory"]["limit"], 64 << 20);
    let (quota, period) = (&resources["cpu"]["quota"], &resources["cpu"]["period"]);
    assert_eq!(quota.as_i64().unwrap() * 2, period.as_i64().unwrap() * 3);
    assert_eq!(resources["pids"]["limit"], 7);
    let has_network = |config: &serde_json::Value| {
        config["linux"]["namespaces"].as_array().unwrap().iter().any(|it| it["type"] == "network")
    };
    assert!(!has_network(&limited));
    let plain = config(&["--pids-limit", "-1"]);
    assert!(has_network(&plain) && plain["linux"]["resources"].get("memory").is_none());
    for (flags, problem) in [
        (["-m", "x"], "is no size"),
        (["-w", "rel"], "the working directory 'rel' is invalid"),
        (["--cpus", "0"], "has to be 0.01 or more"),
        (["--net", "bridge"], "there are none and host"),
        (["-v", "data:/d"], "volumes with names are not known"),
        (["-v", "/missing:/d"], "volume /missing: ENOENT"),
    ] {
        let words = [&["run", "--rm"][..], &flags, &["busybox", "true"]].concat();
        place.run(&words).fails_with(&[problem]);
    }
    assert_eq!(place.ok(&["ps", "-q"]), "");
}

#[test]
fn a_terminal_has_the_size_and_the_keys_of_ours() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let mut terminal = Terminal::new();
    let run = terminal.spawn(place.command(&["run", "--rm", "-it", "busybox"]));
    terminal.wait_for("# ");
    assert!(terminal.is_raw());
    terminal.type_in("busybox stty size; busybox tty; echo $((20+3)); exit 9\n");
    terminal.wait_for("23");
    assert_eq!(run.wait().status, 9);
    let seen = terminal.seen().to_owned();
    assert!(seen.contains("30 100") && seen.contains("/dev/pts/0"), "{seen}");
    assert!(!terminal.is_raw());
    // Neither flag: nothing to read, and no terminal.
    let script = "cat; busybox tty; echo end";
    let out = place.command(&["run", "--rm", "busybox", "sh", "-c", script]).stdin("typed\n").run();
    assert_eq!(out.stdout, "not a tty\nend\n");
}

/// As in a container of docker's: overlayfs cannot be the upper layer of another, nor have its markers.
#[test]
fn where_overlayfs_cannot_be_used_files_are_copied() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let archive = place.word("two.tar");
    let name = unique("under");
    let script = "mkdir /d; echo old > /d/old; echo gone > /d/gone";
    place.ok(&["run", "--name", &name, "busybox", "sh", "-c", script]);
    place.ok(&["commit", &name, "one"]);
    place.ok(&["rm", &name]);
    let script = "rm /bin/cat /d/gone; rm -r /tmp; mkdir /tmp; echo new > /tmp/new";
    place.ok(&["run", "--name", &name, "one", "sh", "-c", script]);
    place.ok(&["commit", &name, "two"]);
    place.ok(&["rm", &name]);
    place.ok(&["save", "-o", &archive, "two"]);
    let mount = Place::new();
    for dir in ["lower", "upper", "work", "store"] {
        fs::create_dir(mount.path(dir)).unwrap();
    }
    let [lower, upper, work] = ["lower", "upper", "work"].map(|dir| mount.word(dir));
    let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
    let words = ["-t", "overlay", "overlay", "-o", &options, &mount.word("store")];
    Cmd::new("mount").args(words).run().ok();
    mount.ok(&["load", "-i", &archive]);
    let script = "ls /bin/cat; ls /d /tmp; echo 2 > /d/gone; rm /d/old";
    let out = mount.run(&["run", "--name", &name, "two", "sh", "-c", script]);
    assert_eq!(out.stdout, "/d:\nold\n\n/tmp:\nnew\n", "{out:#?}");
    assert!(out.stderr.contains("/bin/cat: No such file"), "{out:#?}");
    assert!(out.stderr.contains("overlayfs cannot be used here"), "{out:#?}");
    assert_eq!(mount.ok(&["diff", &name]), "C /d\nA /d/gone\nD /d/old");
    mount.ok(&["commit", &name, "three"]);
    mount.ok(&["rm", &name]);
    assert_eq!(mount.ok(&["run", "--rm", "three", "busybox", "ls", "/d"]), "gone");
    mount.ok(&["save", "-o", &archive, "three"]);
    place.ok(&["load", "-i", &archive]);
    assert_eq!(
        place.ok(&["run", "--rm", "three", "busybox", "ls", "/d", "/tmp"]),
        "/d:\ngone\n\n/tmp:\nnew"
    );
}

#[test]
fn images_are_listed_as_docker_does() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    for name in ["user/image:1", "user/image:2", "localhost:5000/image"] {
        place.ok(&["tag", "busybox", name]);
    }
    let names = |words: &[&str]| -> Vec<String> {
        let table = place.ok(&[&["images"], words].concat());
        let cells = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(":");
        table.lines().skip(1).map(cells).collect()
    };
    assert_eq!(names(&[]).len(), 4);
    assert_eq!(names(&["user/image"]), ["user/image:1", "user/image:2"]);
    assert_eq!(names(&["docker.io/user/image:2"]), ["user/image:2"]);
    assert_eq!(names(&["localhost:5000/image"]), ["localhost:5000/image:latest"]);
    assert_eq!(names(&["image"]), [""; 0]);
    let image = place.image("docker.io/user/image:1");
    let (id, digest) = (image["Id"].as_str().unwrap(), image["Digest"].as_str().unwrap());
    assert_eq!(place.ok(&["images", "-q", "--no-trunc", "busybox"]), id);
    // As with docker -q wins.
    assert_eq!(place.ok(&["images", "-q", "--digests", "busybox"]), id[7..19]);
    let table = place.ok(&["images", "--digests", "busybox"]);
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next().unwrap()[..4], ["REPOSITORY", "TAG", "DIGEST", "IMAGE"]);
    assert_eq!(lines.next().unwrap()[..4], ["busybox", "latest", digest, &id[7..19]]);
}
