//! What a container finds in its file system: volumes, tmpfs, devices, a read-only root.

use std::fs;

use integration_tests::engine::Docker;

tests! { shared:
    host_directories_writable_and_read_only,
    named_volumes_outlive_their_containers,
    volumes_of_another_container,
    tmpfs_with_options,
    a_read_only_root,
    size_of_shared_memory,
    devices_with_the_access_that_was_given,
    propagation_of_mounts,
    files_go_in_and_out,
    changes_are_told,
}

fn host_directories_writable_and_read_only(docker: &Docker) {
    let dir = docker.sandbox().path("shared");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("given"), "from outside\n").unwrap();
    let rw = format!("{}:/rw", dir.display());
    let ro = format!("{}:/ro:ro", dir.display());
    let script = "cat /ro/given; echo from inside > /rw/made; cat /ro/made; echo x > /ro/refused";
    let out = docker.run(&["--rm", "-v", &rw, "-v", &ro], &["sh", "-c", script]).exits(1);
    assert_eq!(out.stdout, "from outside\nfrom inside\n");
    assert!(out.stderr.contains("Read-only file system"), "{out:?}");
    assert_eq!(fs::read_to_string(dir.join("made")).unwrap(), "from inside\n");
    assert!(!dir.join("refused").exists());
    let one = format!("type=bind,source={},target=/etc/one,readonly", dir.join("given").display());
    let out = docker.run(&["--rm", "--mount", &one], &["sh", "-c", "cat /etc/one; rm /etc/one"]);
    assert_eq!(out.exits(1).stdout, "from outside\n");
    let file_on_directory = format!("{}:/tmp", dir.join("given").display());
    let out = docker.run(&["--rm", "-v", &file_on_directory], &["true"]).exits(125);
    assert!(out.stderr.to_lowercase().contains("not a directory"), "{out:?}");
}

fn named_volumes_outlive_their_containers(docker: &Docker) {
    let volume = |words: &[&str]| docker.client(&["volume"]).args(words).run();
    volume(&["create", "--label=kind=test", "kept"]).ok();
    docker.run(&["--rm", "-v", "kept:/data"], &["sh", "-c", "echo kept > /data/file"]).ok();
    let out = docker.run(&["--rm", "-v", "kept:/data:ro"], &["cat", "/data/file"]).ok();
    assert_eq!(out.stdout, "kept\n");
    // What the image has at this place goes into a new volume.
    let copied = docker.run(&["--rm", "-v", "fresh:/etc"], &["grep", "-c", "alice", "/etc/passwd"]);
    assert_eq!(copied.ok().stdout, "1\n");
    let listed = volume(&["ls", "-q", "--filter=label=kind=test"]).ok();
    assert_eq!(listed.stdout, "kept\n");
    let used = docker.create(&["-v", "kept:/data"], &["true"]);
    volume(&["rm", "kept"]).fails_with(&["volume is in use"]);
    drop(used);
    let place = volume(&["inspect", "--format={{.Mountpoint}}", "kept"]).ok();
    assert_eq!(fs::read_to_string(format!("{}/file", place.out())).unwrap(), "kept\n");
    volume(&["rm", "kept", "fresh"]).ok();
    volume(&["inspect", "kept"]).fails();
    ["used", "unused"]
        .iter()
        .for_each(|name| _ = volume(&["create", "--label=prune=me", name]).ok());
    let user = docker.create(&["-v", "used:/data"], &["true"]);
    volume(&["prune", "-f", "--filter=label=prune=me"]).ok();
    volume(&["inspect", "unused"]).fails();
    volume(&["inspect", "used"]).ok();
    drop(user);
    volume(&["rm", "used"]).ok();
}

fn volumes_of_another_container(docker: &Docker) {
    let script = "echo first > /data/file; sleep 1000";
    let first = docker.start_container(&["-v", "/data"], &["sh", "-c", script]);
    integration_tests::wait_until("the file", || first.exec(&["cat", "/data/file"]).status == 0);
    let both = "cat /data/file; echo second > /data/file";
    let out = docker.run(&["--rm", "--volumes-from", first.id()], &["sh", "-c", both]).ok();
    assert_eq!(out.stdout, "first\n");
    assert_eq!(first.exec(&["cat", "/data/file"]).ok().stdout, "second\n");
    let from = format!("--volumes-from={}:ro", first.id());
    docker.run(&["--rm", &from], &["sh", "-c", "echo x > /data/file"]).fails();
}

fn tmpfs_with_options(docker: &Docker) {
    let flags = ["--rm", "--tmpfs=/scratch:size=64k,mode=1700,noexec,uid=1000"];
    let script = "grep ' /scratch ' /proc/mounts; stat -c %a:%u /scratch;
        cp /bin/busybox /scratch/ 2>/dev/null || echo full";
    let out = docker.run(&flags, &["sh", "-c", script]).ok();
    let lines: Vec<&str> = out.stdout.lines().collect();
    for option in ["tmpfs", "size=64k", "noexec", "nosuid"] {
        assert!(lines[0].contains(option), "{option}: {out:?}");
    }
    assert_eq!(lines[1..], ["1700:1000", "full"], "{out:?}");
    let mount = "type=tmpfs,target=/other,tmpfs-size=65536";
    let out = docker.run(&["--rm", "--mount", mount], &["grep", " /other ", "/proc/mounts"]).ok();
    assert!(out.stdout.contains("size=64k"), "{out:?}");
}

fn a_read_only_root(docker: &Docker) {
    let script = "touch /x; touch /etc/hosts.new; touch /run/x && touch /dev/shm/x && echo rest";
    let flags = ["--rm", "--read-only", "--tmpfs=/run"];
    let out = docker.run(&flags, &["sh", "-c", script]).ok();
    assert_eq!(out.stdout, "rest\n");
    assert_eq!(out.stderr.matches("Read-only file system").count(), 2, "{out:?}");
}

fn size_of_shared_memory(docker: &Docker) {
    let size = |flags: &[&str]| {
        let out = docker.run(&[&["--rm"], flags].concat(), &["grep", " /dev/shm ", "/proc/mounts"]);
        out.ok().stdout
    };
    assert!(size(&[]).contains("size=65536k"));
    assert!(size(&["--shm-size=8m"]).contains("size=8192k"));
}

fn devices_with_the_access_that_was_given(docker: &Docker) {
    // /dev/kmsg, which is not among those that docker gives to all.
    let kmsg = docker.sandbox().path("kmsg");
    docker.sandbox().cmd("mknod").arg(&kmsg).args(["c", "1", "11"]).run().ok();
    let script = "stat -c %F:%t:%T /dev/mine;
        (: < /dev/mine) && echo read; (: > /dev/mine) && echo written; true";
    let run = |access: &str| {
        let device = format!("--device={}:/dev/mine{access}", kmsg.display());
        docker.run(&["--rm", "--cap-add=SYSLOG", &device], &["sh", "-c", script]).ok().stdout
    };
    let node = "character special file:1:b\n";
    assert_eq!(run(""), format!("{node}read\nwritten\n"));
    assert_eq!(run(":r"), format!("{node}read\n"));
    assert_eq!(run(":w"), format!("{node}written\n"));
    // Not there, and not to be made.
    let other = "mknod /tmp/kmsg c 1 11 && : < /tmp/kmsg";
    let out = docker.run(&["--rm"], &["sh", "-c", other]).exits(1);
    assert!(out.stderr.contains("Operation not permitted"), "{out:?}");
    let rule = ["--rm", "--cap-add=SYSLOG", "--device-cgroup-rule=c 1:11 rm"];
    docker.run(&rule, &["sh", "-c", other]).ok();
}

fn propagation_of_mounts(docker: &Docker) {
    let dir = docker.sandbox().path("propagated");
    fs::create_dir(&dir).unwrap();
    let mount = |script: &str| docker.sandbox().cmd("sh").args(["-c", script]).run().ok();
    let dir = dir.display();
    mount(&format!("mount --bind {dir} {dir}; mount --make-shared {dir}"));
    let volume = |kind: &str| format!("{dir}:/at:{kind}");
    let slave = docker.start_container(&["-v", &volume("rslave")], &["sleep", "1000"]);
    let private = docker.start_container(&["-v", &volume("rprivate")], &["sleep", "1000"]);
    mount(&format!(
        "mkdir {dir}/late; mount -t tmpfs late {dir}/late; echo seen > {dir}/late/file"
    ));
    assert_eq!(slave.exec(&["cat", "/at/late/file"]).ok().stdout, "seen\n");
    private.exec(&["cat", "/at/late/file"]).exits(1);
    let back = ["--rm", "--cap-add=SYS_ADMIN", "-v", &volume("rshared")];
    docker
        .run(&back, &["sh", "-c", "mkdir /at/out; mount -t tmpfs out /at/out; touch /at/out/x"])
        .ok();
    mount(&format!("test -e {dir}/out/x; umount {dir}/out"));
    drop((slave, private));
    mount(&format!("umount {dir}/late {dir}"));
}

fn files_go_in_and_out(docker: &Docker) {
    let file = docker.sandbox().path("to-copy");
    fs::write(&file, "copied\n").unwrap();
    let file = file.to_str().unwrap();
    let box_ = docker.start_container(&["--tmpfs=/scratch"], &["sleep", "1000"]);
    let inside = |path: &str| format!("{}:{path}", box_.id());
    let cp = |from: &str, to: &str| docker.client(&["cp", from, to]).run();
    cp(file, &inside("/home/alice/in")).ok();
    assert_eq!(box_.exec(&["cat", "/home/alice/in"]).ok().stdout, "copied\n");
    box_.exec(&["sh", "-c", "echo more >> /home/alice/in"]).ok();
    let back = docker.sandbox().path("back");
    cp(&inside("/home/alice"), back.to_str().unwrap()).ok();
    assert_eq!(fs::read_to_string(back.join("in")).unwrap(), "copied\nmore\n");
    cp(file, &inside("/no/such/place/")).fails();
    box_.verb("stop", &["-t", "0"]).ok();
    let tar = cp(&inside("/home/alice/in"), "-").ok();
    assert!(tar.stdout.contains("copied\nmore\n"), "{tar:?}");
    let paused = docker.start_container(&[], &["sleep", "1000"]);
    paused.verb("pause", &[]).ok();
    cp(file, &format!("{}:/tmp/while-paused", paused.id())).ok();
    assert_eq!(paused.status(), "paused");
    paused.verb("unpause", &[]).ok();
    paused.exec(&["cat", "/tmp/while-paused"]).ok();
}

fn changes_are_told(docker: &Docker) {
    let script = "echo x > /tmp/added; rm /etc/group; echo y >> /etc/passwd";
    let box_ = docker.start_container(&[], &["sh", "-c", script]);
    assert_eq!(box_.wait(), 0);
    let diff = box_.verb("diff", &[]).ok().stdout;
    let mut lines: Vec<&str> = diff.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["A /tmp/added", "C /etc", "C /etc/passwd", "C /tmp", "D /etc/group"]);
}
