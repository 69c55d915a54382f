//! Images that come of containers, and containers that build images.

use std::fs;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use integration_tests::Outcome;
use integration_tests::engine::Docker;

tests! { shared:
    committed,
    exported_and_imported,
    saved_and_loaded,
    built_by_the_classic_builder,
    built_in_stages_with_arguments_and_limits,
    a_build_that_fails_says_which_status,
    the_entrypoint_of_an_image_and_that_of_the_user_s,
}

/// `docker image prune` takes whatever has no name at the moment, another test's half-built or half-removed
/// image as well.
static NAMES: RwLock<()> = RwLock::new(());

fn unpruned() -> RwLockReadGuard<'static, ()> {
    NAMES.read().unwrap_or_else(PoisonError::into_inner)
}

fn prune(docker: &Docker) {
    let _alone = NAMES.write().unwrap_or_else(PoisonError::into_inner);
    docker.client(&["image", "prune", "-f"]).run().ok();
}

fn run_image(docker: &Docker, image: &str, flags: &[&str], words: &[&str]) -> Outcome {
    let cmd = docker.client(&["run", "--rm", "--network=none"]);
    cmd.args(flags).arg(image).args(words).run()
}

fn remove(docker: &Docker, images: &[&str]) {
    docker.client(&["rmi", "-f"]).args(images).run().ok();
}

fn committed(docker: &Docker) {
    let _held = unpruned();
    let box_ = docker
        .start_container(&[], &["sh", "-c", "echo changed > /etc/new; rm /etc/group; sleep 1000"]);
    integration_tests::wait_until("changed", || box_.exec(&["cat", "/etc/new"]).status == 0);
    let commit = [
        "commit",
        "-m",
        "why",
        "--change=CMD [\"cat\", \"/etc/new\"]",
        "--change=ENV A=b",
        box_.id(),
        "committed",
    ];
    docker.client(&commit).run().ok();
    assert_eq!(box_.status(), "running", "paused for a moment only");
    assert_eq!(run_image(docker, "committed", &[], &[]).ok().stdout, "changed\n");
    let out = run_image(docker, "committed", &[], &["sh", "-c", "echo $A; ls /etc/group"]);
    assert_eq!(out.exits(1).stdout, "b\n");
    let history = docker.client(&["history", "--no-trunc", "committed"]).run().ok().stdout;
    assert!(history.contains("why"), "{history}");
    remove(docker, &["committed"]);
}

fn exported_and_imported(docker: &Docker) {
    let _held = unpruned();
    let box_ = docker.create(&["-v", "/volume"], &["true"]);
    let tar = docker.sandbox().path("export.tar");
    let tar = tar.to_str().unwrap();
    box_.verb("export", &["-o", tar]).ok();
    docker.client(&["import", tar, "imported"]).run().ok();
    let out = run_image(docker, "imported", &["-u", "alice"], &["id", "-un"]);
    assert_eq!(out.ok().stdout, "alice\n");
    remove(docker, &["imported"]);
}

fn saved_and_loaded(docker: &Docker) {
    let _held = unpruned();
    docker.client(&["tag", "busybox", "other/name:v1"]).run().ok();
    let tar = docker.sandbox().path("save.tar");
    let tar = tar.to_str().unwrap();
    docker.client(&["save", "-o", tar, "other/name:v1"]).run().ok();
    remove(docker, &["other/name:v1"]);
    assert_eq!(docker.client(&["images", "-q", "other/name"]).run().ok().stdout, "");
    docker.client(&["load", "-i", tar]).run().ok();
    assert_eq!(
        run_image(docker, "other/name:v1", &[], &["echo", "loaded"]).ok().stdout,
        "loaded\n"
    );
    remove(docker, &["other/name:v1"]);
}

fn build(docker: &Docker, name: &str, dockerfile: &str, flags: &[&str]) -> Outcome {
    let dir = docker.sandbox().path(&format!("build-{name}"));
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("Dockerfile"), dockerfile).unwrap();
    fs::write(dir.join("given"), "from the context\n").unwrap();
    let cmd = docker.client(&["build", "--network=none", "-t", name]).env("DOCKER_BUILDKIT", "0");
    cmd.args(flags).arg(dir).run()
}

fn built_by_the_classic_builder(docker: &Docker) {
    let _held = unpruned();
    let dockerfile = r#"FROM busybox
COPY --chown=alice:staff given /given
ENV GREETING="hello there"
WORKDIR /work
RUN id -u > uid && echo $GREETING > greeting && cat /given >> greeting
USER alice
RUN id -un > /tmp/user
HEALTHCHECK --interval=100ms CMD true
CMD ["sh", "-c", "cat /work/uid /work/greeting /tmp/user; pwd; id -un; stat -c %U /given"]
"#;
    let out = build(docker, "built", dockerfile, &["--force-rm"]).ok();
    assert!(out.stdout.contains("Successfully tagged built:latest"), "{out:?}");
    let shown = run_image(docker, "built", &[], &[]).ok().stdout;
    assert_eq!(shown, "0\nhello there\nfrom the context\nalice\n/work\nalice\nalice\n");
    let again = build(docker, "built", dockerfile, &[]).ok();
    assert_eq!(again.stdout.matches("Using cache").count(), 8, "{again:?}");
    remove(docker, &["built"]);
}

fn built_in_stages_with_arguments_and_limits(docker: &Docker) {
    let held = unpruned();
    let dockerfile = r#"FROM busybox AS first
ARG WHAT=nothing
RUN echo $WHAT > /made && for f in /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max; do \
    [ ! -e $f ] || cat $f >> /made; done
FROM busybox
COPY --from=first /made /taken
ENTRYPOINT ["cat"]
CMD ["/taken"]
"#;
    let flags = ["--build-arg=WHAT=this", "--memory=64m", "--no-cache"];
    build(docker, "staged", dockerfile, &flags).ok();
    assert_eq!(run_image(docker, "staged", &[], &[]).ok().stdout, "this\n67108864\n");
    assert_eq!(
        run_image(docker, "staged", &[], &["/etc/hostname", "/taken"]).ok().stdout.lines().count(),
        3
    );
    remove(docker, &["staged"]);
    drop(held);
    prune(docker);
}

fn a_build_that_fails_says_which_status(docker: &Docker) {
    let _held = unpruned();
    let out =
        build(docker, "failing", "FROM busybox\nRUN echo about to; exit 41\n", &["--force-rm"])
            .fails();
    assert!(out.stderr.contains("returned a non-zero code: 41"), "{out:?}");
    assert!(out.stdout.contains("about to\n"), "{out:?}");
    let missing =
        build(docker, "failing", "FROM busybox\nRUN [\"no-such-command\"]\n", &["--force-rm"]);
    missing.fails_with(&["executable file not found in $PATH"]);
}

fn the_entrypoint_of_an_image_and_that_of_the_user_s(docker: &Docker) {
    let out = docker.run(&["--rm", "--entrypoint=echo"], &["-n", "words"]).ok();
    assert_eq!(out.stdout, "words");
    let shell = docker.run_cmd(&["--rm", "-i"], &[]).stdin("echo by default\nexit 2\n").run();
    assert_eq!(shell.exits(2).stdout, "by default\n");
}
