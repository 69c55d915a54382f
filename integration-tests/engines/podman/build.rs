//! Images: podman's builder, which is buildah, and buildah itself. It runs the runtime without a monitor.

use std::fs;

use integration_tests::engine::{Podman, Wrapper};
use integration_tests::require;

tests! {
    rootful:
    an_image_is_built,
    a_failing_step_says_so,
    buildah_runs_commands_in_a_working_container,
    buildah_with_a_runtime_that_it_is_told,
}

const FILE: &str = "
FROM localhost/busybox
ARG X=1
RUN echo built-$X >/built && id -u >/who
RUN --mount=type=tmpfs,target=/t touch /t/gone
RUN --mount=type=bind,source=file,target=/seen cat /seen >/copied
USER alice
WORKDIR /home/alice/w
RUN id -un >/tmp/who
COPY file file
CMD [\"cat\", \"/built\", \"/who\", \"/copied\", \"/tmp/who\", \"file\"]
";

fn context(podman: &Podman, name: &str, text: &str) -> String {
    let dir = podman.make_dir(name);
    fs::write(dir.join("Containerfile"), text).unwrap();
    fs::write(dir.join("file"), "of the context\n").unwrap();
    dir.display().to_string()
}

fn an_image_is_built(podman: &Podman) {
    let dir = context(podman, "context", FILE);
    let build = ["build", "-q", "--network=none", "--no-cache", "-t=built", "--build-arg=X=2"];
    let limits = ["--ulimit=nofile=50:60", "--cap-drop=setfcap", "--memory=64m"];
    podman.client(&build).args(limits).arg(&dir).run().ok();
    let run = ["run", "--rm", "--network=none", "--cgroup-parent", &podman.cgroup_parent()];
    let out = podman.client(&run).arg("built").run().ok();
    assert_eq!(out.stdout, "built-2\n0\nof the context\nalice\nof the context\n");
    podman.client(&["rmi", "built"]).run().ok();
}

fn a_failing_step_says_so(podman: &Podman) {
    let dir = context(podman, "failing", "FROM localhost/busybox\nRUN echo before; exit 7\n");
    let out = podman.client(&["build", "--network=none", &dir]).run();
    assert_eq!(out.status, 7, "{out:?}");
    assert!(out.stdout.contains("before"), "{out:?}");
    let dir = context(podman, "failing", "FROM localhost/busybox\nRUN [\"no-such-command\"]\n");
    let out = podman.client(&["build", "--network=none", &dir]).run().fails();
    assert!(out.stderr.contains("no-such-command"), "{out:?}");
}

fn buildah_runs_commands_in_a_working_container(podman: &Podman) {
    require!("buildah");
    let buildah = |args: &[&str]| podman.buildah(args).run();
    let runtime = format!("--runtime={}", integration_tests::Runtime::get().path().display());
    let name = buildah(&["from", "--network=none", "localhost/busybox"]).ok().out().to_owned();
    let run = |flags: &[&str], words: &[&str]| {
        podman.buildah(&["run", &runtime]).args(flags).args([name.as_str(), "--"]).args(words).run()
    };
    let out =
        run(&["--user=alice", "--env=A=b"], &["sh", "-c", "id -un; echo $A; exit 3"]).exits(3);
    assert_eq!(out.stdout, "alice\nb\n");
    run(&["--volume=/etc/passwd:/of-host:ro"], &["cmp", "/of-host", "/etc/passwd"]).exits(1);
    run(&[], &["sh", "-c", "echo kept >/file"]).ok();
    run(&[], &["no-such-command"]).fails();
    buildah(&["commit", "-q", "--rm", &name, "from-buildah"]).ok();
    // An image with nothing in it but what is copied there.
    let empty = buildah(&["from", "scratch"]).ok().out().to_owned();
    let busybox = podman.path("image/bin/busybox");
    buildah(&["copy", &empty, busybox.to_str().unwrap(), "/busybox"]).ok();
    let in_empty = podman.buildah(&[
        "run",
        "--network=none",
        &runtime,
        &empty,
        "--",
        "/busybox",
        "echo",
        "hi",
    ]);
    assert_eq!(in_empty.run().ok().stdout, "hi\n");
    buildah(&["rm", &empty]).ok();
    let run = ["run", "--rm", "--network=none", "--cgroup-parent", &podman.cgroup_parent()];
    let out = podman.client(&run).args(["from-buildah", "cat", "/file"]).run().ok();
    assert_eq!(out.stdout, "kept\n");
}

fn buildah_with_a_runtime_that_it_is_told(podman: &Podman) {
    require!("buildah");
    let wrapper = Wrapper::new(&podman.make_dir("told"));
    let dir = context(podman, "told-context", "FROM localhost/busybox\nRUN true\n");
    let build = ["bud", "-q", "--network=none", "--no-cache"];
    podman.buildah(&build).args(["--runtime", wrapper.path(), &dir]).run().ok();
    assert!(wrapper.was_called("create"), "--runtime");
    podman.buildah(&build).arg(&dir).env("BUILDAH_RUNTIME", wrapper.path()).run().ok();
    assert!(wrapper.was_called("create"), "BUILDAH_RUNTIME");
    podman.client(&["image", "prune", "-f"]).run().ok();
}
