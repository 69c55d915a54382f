//! `build`: what instructions do, seen from within what was built.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use integration_tests::{Cmd, Outcome, require};
use nix::sys::signal::Signal;

use crate::place::{Place, is_mounted};

/// A directory with a Dockerfile and further files.
pub fn context(place: &Place, name: &str, dockerfile: &str, files: &[(&str, &str)]) -> String {
    for (path, content) in files.iter().chain(&[("Dockerfile", dockerfile)]) {
        let path = place.path(name).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    place.word(name)
}

const BUILD: [&str; 4] = ["build", "--network=none", "-t", "built"];

/// Builds an image called built.
fn build(place: &Place, flags: &[&str], dockerfile: &str, files: &[(&str, &str)]) -> Outcome {
    let context = context(place, "context", dockerfile, files);
    place.run(&[&BUILD[..], flags, &[&context]].concat())
}

/// What a script prints in what was built.
fn shows(place: &Place, script: &str) -> String {
    place.ok(&["run", "--rm", "--entrypoint", "/bin/sh", "built", "-c", script])
}

/// Neither containers nor mounts nor anything unfinished.
#[track_caller]
fn nothing_is_left(place: &Place) {
    assert_eq!(place.ok(&["ps", "-q"]), "");
    assert!(!is_mounted(&place.path("store")));
    for dir in ["store/tmp", "store/containers"] {
        assert_eq!(fs::read_dir(place.path(dir)).unwrap().count(), 0, "{dir}");
    }
}

const EVERYTHING: &str = r#"# escape=`
ARG BASE=busybox
ARG VERSION=1
FROM ${BASE:-none} AS maker
RUN echo made > /made && `
    # a comment in between
    mkdir /tree && echo leaf > /tree/leaf

FROM busybox
MAINTAINER me <me@example.org>
ARG VERSION
ARG GREETING="hello world"
ENV A=1 B="$GREETING" PATH=/bin:/own
ENV C ${A:+set}${N:-unset} and more
WORKDIR /srv
WORKDIR new/dir
SHELL ["/bin/sh", "-e", "-c"]
RUN echo "$VERSION $GREETING $A $PWD" > args
RUN ["/bin/sh", "-c", "echo $A exec > exec"]
RUN <<EOF
echo first > heredoc
echo second >> heredoc
EOF
RUN cat <<ONE - > both
$A
ONE
RUN <<EOF
#!/bin/cat
of a script
EOF
COPY --from=maker /made /tree/leaf ./copied/
COPY --from=maker /tree tree
COPY --chown=web:log --chmod=640 one.txt /own/
COPY dir *.md /all/
COPY <<EOF <<"RAW" /text/
A is "$A"
EOF
A is "$A"
RAW
VOLUME /data
RUN mkdir /data -m 777 /pub; echo kept > /data/file
USER web
RUN id > /pub/id
EXPOSE 80 90-91/udp
LABEL "key one"=v1 key.two="v 2"
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true
ONBUILD RUN true
ENTRYPOINT ["sh", "-c"]
CMD ["echo $B"]
"#;

#[test]
fn every_instruction_has_its_effect() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let files = [("one.txt", "1"), ("dir/sub/f", "f"), ("a.md", "a"), ("b.md", "b")];
    let flags = ["--build-arg", "VERSION=2", "--label", "late=yes", "--build-arg", "NOBODY=1"];
    let out = build(&place, &flags, EVERYTHING, &files).ok().stdout;
    for text in ["Step 3/35 : FROM ${BASE:-none} AS maker\n", "of a script\n", "NOBODY"] {
        assert!(out.contains(text), "{text} in {out}");
    }
    assert!(out.ends_with("Successfully tagged built:latest\n"), "{out}");
    assert_eq!(place.ok(&["run", "--rm", "built"]), "hello world");
    let script = "cat args exec heredoc both copied/made copied/leaf tree/leaf /text/* /data/file; \
                  echo $C; pwd; id; stat -c '%n %a %u:%g' /own /own/one.txt /pub/id . ; ls -R /all";
    assert_eq!(
        shows(&place, script).lines().collect::<Vec<_>>(),
        [
            "2 hello world 1 /srv/new/dir",
            "1 exec",
            "first",
            "second",
            "1",
            "made",
            "leaf",
            "leaf",
            "A is \"1\"",
            "A is \"$A\"",
            "kept",
            "setunset and more",
            "/srv/new/dir",
            "uid=33(web) gid=34(web) groups=34(web),40(log)",
            "/own 755 33:40",
            "/own/one.txt 640 33:40",
            "/pub/id 644 33:34",
            ". 755 0:0",
            "/all:",
            "a.md",
            "b.md",
            "sub",
            "",
            "/all/sub:",
            "f",
        ]
    );
    let config = place.run(&["inspect", "built"]).ok().json()[0]["Config"].clone();
    assert_eq!(config["author"], "me <me@example.org>");
    let labels = serde_json::json!({"key one": "v1", "key.two": "v 2", "late": "yes"});
    assert_eq!(config["config"]["Labels"], labels);
    nothing_is_left(&place);
}

#[test]
fn steps_are_found_again_by_what_they_are_made_from() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let dockerfile =
        "FROM busybox\nARG X=1\nCOPY f /f\nRUN cat /f > /g; echo $X >> /g\nCMD cat /g\n";
    let again = |flags: &[&str], content: &str| {
        let out = build(&place, flags, dockerfile, &[("f", content)]).ok().stdout;
        let image = place.image("docker.io/library/built:latest")["Id"].clone();
        (out.matches("Using cache").count(), shows(&place, "cat /g"), image.to_string())
    };
    let first = again(&[], "a\n");
    assert_eq!((first.0, first.1.as_str()), (0, "a\n1"));
    assert_eq!(again(&[], "a\n"), (4, "a\n1".into(), first.2.clone()));
    // Another mode is another file; back again it is found again.
    let file = place.path("context/f");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(again(&[], "a\n").0, 1);
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(again(&[], "a\n").2, first.2);
    assert_eq!(again(&[], "b\n").1, "b\n1");
    // An argument that is another: all commands after it.
    let other = again(&["--build-arg", "X=2"], "a\n");
    assert_eq!((other.0, other.1.as_str()), (1, "a\n2"));
    let anew = again(&["--no-cache"], "a\n");
    assert_eq!(anew.0, 0);
    assert_ne!(anew.2, first.2);
    // Where layers are gone, there is nothing to be found.
    place.ok(&["rmi", "built"]);
    place.ok(&["gc"]);
    assert_eq!(again(&[], "a\n").1, "a\n1");
    nothing_is_left(&place);
}

#[test]
fn the_same_files_and_epoch_make_the_same_image_anywhere() {
    require!("root", "busybox");
    let dockerfile = "FROM scratch AS first\nCOPY root/etc/passwd /id\n\
                      FROM scratch\nCOPY root /\nWORKDIR /new\n\
                      RUN [\"/bin/busybox\", \"sh\", \"-c\", \"id > /id; rm /bin/id; hostname > h\"]\n\
                      COPY --from=first /id /id2\nADD a.tar /\n";
    let made = |age: u64| {
        let place = Place::new();
        let context = context(&place, "context", dockerfile, &[]);
        let root = place.busybox_root();
        fs::rename(root, place.path("context/root")).unwrap();
        let tar = place.word("context/a.tar");
        let from = place.word("context/root");
        Cmd::new("tar").args(["--mtime=@1", "-C", &from, "-cf", &tar, "etc/group"]).run().ok();
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        for name in ["root/etc/passwd", "root/bin/busybox", "root/etc", "a.tar"] {
            let file = fs::File::open(place.path("context").join(name)).unwrap();
            file.set_modified(then).unwrap();
        }
        let build = place.command(&["build", "--network=none", "-q", &context]);
        let id = build.env("SOURCE_DATE_EPOCH", "1000000").run().ok().out().to_owned();
        let image = place.run(&["inspect", &id]).ok().json();
        assert!(image[0]["Config"]["created"].as_str().unwrap().starts_with("1970-01-12"));
        image[0]["Digest"].to_string()
    };
    assert_eq!(made(0), made(100_000));
}

#[test]
fn a_command_that_fails_says_so_and_leaves_nothing() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let dockerfile = "FROM busybox\n\nRUN echo before; \\\n exit 7\nCMD x\n";
    let out = build(&place, &[], dockerfile, &[]).exits(7);
    assert!(out.stdout.contains("before"), "{out:?}");
    let said = "Dockerfile:3: RUN echo before;  exit 7: the command '/bin/sh -c echo before;  exit 7' \
                returned a non-zero code: 7";
    assert!(out.stderr.contains(said), "{out:?}");
    nothing_is_left(&place);
    // Quietly, what was printed is told nevertheless.
    let out = build(&place, &["-q"], dockerfile, &[]).exits(7);
    assert!(out.stdout.is_empty() && out.stderr.contains("before\n"), "{out:?}");
    for (dockerfile, said) in [
        ("FROM busybox\nRUN [\"/missing\"]\n", &["Dockerfile:2: RUN", "/missing"][..]),
        ("FROM busybox\nUSER nobody\nRUN true\n", &["Dockerfile:3: RUN true", "nobody"]),
        ("FROM busybox\nNONSENSE x\n", &["Dockerfile:2: NONSENSE x: is no instruction"]),
        (
            "FROM busybox\nCOPY none /\n",
            &["Dockerfile:2: COPY none /: none: there is no such file"],
        ),
        ("FROM busybox\nCOPY ../x /\n", &["Dockerfile:2:", "leads out of the build context"]),
        ("FROM busybox\nADD https://example.org/x /\n", &["Dockerfile:2:", "URLs are not fetched"]),
        ("FROM busybox\nCOPY --from=x:y /a /b\n", &["Dockerfile:2: COPY --from=x:y"]),
        ("FROM busybox\nCOPY Dockerfile a b /x\n", &["Dockerfile:2:", "a: there is no such file"]),
        ("FROM busybox\nENV A=\"${N:?is missing}\"\n", &["Dockerfile:2:", "N: is missing"]),
        ("RUN true\nFROM busybox\n", &["Dockerfile:1: RUN true: is before FROM"]),
        ("FROM a AS x\nFROM b AS X\n", &["Dockerfile:2:", "taken by another"]),
        ("", &["has no FROM"]),
    ] {
        let out = build(&place, &[], dockerfile, &[]).exits(1);
        assert!(said.iter().all(|text| out.stderr.contains(text)), "{said:?} in {out:?}");
    }
    build(&place, &["--target", "none"], "FROM busybox\n", &[]).fails_with(&["no such stage"]);
    nothing_is_left(&place);
    assert_eq!(place.images().as_array().unwrap().len(), 1);
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let dockerfile = "FROM busybox\nRUN echo waiting; busybox sleep 1000\n";
    let context = context(&place, "context", dockerfile, &[]);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let running = place.command(&["build", "--network=none", &context]).spawn();
        running.wait_for("waiting\n");
        running.signal(signal);
        let out = running.wait().exits(130);
        assert!(out.stderr.contains("interrupted"), "{out:?}");
        nothing_is_left(&place);
    }
}

#[test]
fn hostile_contexts_and_images_do_not_lead_out() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    fs::write(place.path("secret"), "secret").unwrap();
    fs::create_dir(place.path("outside")).unwrap();
    let (secret, outside) = (place.path("secret"), place.path("outside"));
    let dockerfile = "FROM busybox\nARG SOURCE\nCOPY $SOURCE /copied\n";
    context(&place, "context", dockerfile, &[("dir/f", "f"), ("hidden", "h")]);
    symlink(&secret, place.path("context/far")).unwrap();
    symlink("../secret", place.path("context/near")).unwrap();
    symlink("../..", place.path("context/dir/up")).unwrap();
    symlink("hidden", place.path("context/to-hidden")).unwrap();
    fs::write(place.path("context/.dockerignore"), "hidden\nDockerfile\n").unwrap();
    for source in ["far", "near", "dir/up/secret", "hidden", "to-hidden", "Dockerfile"] {
        let flags = ["--build-arg", &format!("SOURCE={source}")];
        build(&place, &flags, dockerfile, &[]).fails_with(&["there is no such file"]);
    }
    // Links that an image has, absolute and relative, lead where they lead in it.
    let dockerfile = format!(
        "FROM busybox\nRUN busybox ln -s {} /far; busybox ln -s ../../../../..{} /near\n\
         COPY dir/f /far/copied\nCOPY dir /near\nWORKDIR /far/made\nADD a.tar /near\n",
        outside.display(),
        outside.display(),
    );
    let (tar, from) = (place.word("context/a.tar"), place.word("context"));
    // Members that lead out, and a link in the way of another.
    fs::create_dir_all(place.path("evil/b")).unwrap();
    fs::write(place.path("evil/b/x"), "x").unwrap();
    Cmd::new("tar").args(["-C", &from, "-cf", &tar, "dir/f"]).run().ok();
    build(&place, &[], &dockerfile, &[]).ok();
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let path = outside.display();
    let script = format!("cat {path}/copied {path}/f {path}/dir/f; ls -d {path}/made");
    assert_eq!(shows(&place, &script), format!("fff{path}/made"));
    let script = "s,.*,../../x,";
    let args = ["-P", "--transform", script, "-C", &from, "-cf", &tar, "dir/f"];
    Cmd::new("tar").args(args).run().ok();
    build(&place, &[], &dockerfile, &[]).fails_with(&["leads out of the layer"]);
    nothing_is_left(&place);
}

#[test]
fn archives_are_unpacked_by_add_alone() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let dockerfile = "FROM busybox\nADD a.tar.gz b.tar plain.gz /added/\nCOPY b.tar /copied/\n";
    context(&place, "context", dockerfile, &[("in/x", "x"), ("plain.txt", "p")]);
    fs::set_permissions(place.path("context/in/x"), PermissionsExt::from_mode(0o751)).unwrap();
    let from = place.word("context");
    for (flags, name) in [("-czf", "a.tar.gz"), ("-cf", "b.tar")] {
        let (target, member) = (
            place.word(&format!("context/{name}")),
            if name == "b.tar" { "plain.txt" } else { "in" },
        );
        let owner = ["--owner=33", "--group=34", "-C", &from, flags, &target, member];
        Cmd::new("tar").args(owner).run().ok();
    }
    let script = format!("gzip -c {from}/plain.txt > {from}/plain.gz");
    Cmd::new("sh").args(["-c", &script]).run().ok();
    build(&place, &[], dockerfile, &[]).ok();
    let script = "ls /added /copied; stat -c '%a %u:%g' /added/in/x /copied/b.tar";
    let lines =
        ["/added:", "in", "plain.gz", "plain.txt", "", "/copied:", "b.tar", "751 33:34", "644 0:0"];
    assert_eq!(shows(&place, script).lines().collect::<Vec<_>>(), lines);
}

#[test]
fn triggers_run_in_the_childs_build() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let dockerfile = "FROM busybox\nONBUILD COPY f /f\nONBUILD RUN cat /f > /g\nRUN echo parent\n";
    build(&place, &[], dockerfile, &[]).ok();
    place.ok(&["tag", "built", "parent"]);
    assert_eq!(place.run(&["run", "--rm", "parent", "ls", "/f"]).status, 1);
    let out = build(&place, &[], "FROM parent\nRUN cat /g\n", &[("f", "of the child\n")]).ok();
    assert!(out.stdout.contains("# Executing 2 build triggers\n"), "{out:?}");
    assert_eq!(shows(&place, "cat /g"), "of the child");
    let config = place.run(&["inspect", "built"]).ok().json();
    assert_eq!(config[0]["Config"]["config"].get("OnBuild"), None);
}

#[test]
fn contexts_come_on_standard_input() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let build = || place.command(&["build", "--network=none", "-t", "built", "-"]);
    build().stdin("FROM busybox\nRUN echo alone > /f\n").run().ok();
    assert_eq!(shows(&place, "cat /f"), "alone");
    build().stdin("FROM busybox\nCOPY f /f\n").run().fails_with(&["there is no build context"]);
    // Not the part of it that would fit.
    let large = format!("FROM busybox\nRUN true\n{}", "# more\n".repeat(600_000));
    build().stdin(large).run().fails_with(&["larger than 4 MiB"]);
    let files = [("f", "packed"), ("g", "g"), (".dockerignore", "g\n")];
    let dir = context(&place, "context", "FROM busybox\nCOPY . /all\n", &files);
    for flags in ["-cf", "-czf"] {
        let script = format!("tar -C {dir} {flags} - . | \"$@\"");
        build().through_shell(&script).run().ok();
        assert_eq!(shows(&place, "cat /all/f; ls /all"), "packedDockerfile\nf");
    }
    nothing_is_left(&place);
}

#[test]
fn stages_that_nothing_needs_are_left_out() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let dockerfile = "FROM busybox AS one\nRUN echo one > /f\nFROM busybox AS two\nRUN exit 1\n\
                      FROM one AS three\nRUN echo three >> /f\nFROM two\n";
    let iid = place.word("iid");
    let flags = ["--target", "three", "--iidfile", &iid];
    let out = build(&place, &flags, dockerfile, &[]).ok().stdout;
    assert!(out.contains("Step 4/4 : RUN echo three >> /f\n"), "{out}");
    assert_eq!(shows(&place, "cat /f"), "one\nthree");
    let id = place.image("docker.io/library/built:latest")["Id"].clone();
    assert_eq!(id, fs::read_to_string(&iid).unwrap().as_str());
    assert_eq!(
        build(&place, &["-q", "--target", "0"], dockerfile, &[]).ok().stdout.lines().count(),
        1
    );
    assert_eq!(shows(&place, "cat /f"), "one");
}

#[test]
fn proxies_are_known_to_commands_alone() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let names = ["HTTP_PROXY", "https_proxy", "FTP_PROXY", "no_proxy", "ALL_PROXY"];
    let values: Vec<_> = names.iter().map(|name| format!("{name}=secret-{name}")).collect();
    let flags: Vec<_> = values.iter().flat_map(|value| ["--build-arg", value]).collect();
    let file = "FROM busybox\nRUN echo \"[$HTTP_PROXY][$https_proxy][$FTP_PROXY][$no_proxy][$ALL_PROXY]\" > /seen\n";
    build(&place, &flags, file, &[]).ok();
    let seen: String = names.iter().map(|name| format!("[secret-{name}]")).collect();
    assert_eq!(shows(&place, "cat /seen; echo $HTTP_PROXY"), seen);
    assert!(!place.ok(&["history", "--no-trunc", "built"]).contains("secret"));
    // Nor do they make another step of it.
    let out = build(&place, &[], file, &[]).ok();
    assert!(out.stdout.contains("Using cache"), "{out:#?}");
}

#[test]
fn names_of_stages_come_before_those_of_images() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let file = "FROM busybox AS busybox\nRUN echo stage > /from\n\
                FROM busybox AS Second\nRUN cat /from && echo second > /from\n\
                FROM scratch\nCOPY --from=busybox / /\nCOPY --from=SECOND /from /second\nCOPY --from=0 /from /zero\n";
    build(&place, &[], file, &[]).ok();
    assert_eq!(shows(&place, "cat /from /second /zero"), "stage\nsecond\nstage");
    // A stage is none before it is done: an image may have that name, but not a number.
    let file =
        "FROM busybox AS busybox\nRUN echo stage > /from\nCOPY --from=busybox /etc/group /copied\n";
    build(&place, &[], file, &[]).ok();
    assert!(shows(&place, "cat /copied").contains("web"));
    for (number, problem) in [("0", "stage 0 is this stage"), ("1", "stage 1 is no stage before")] {
        let file = format!("FROM busybox\nCOPY --from={number} /etc/group /copied\n");
        build(&place, &[], &file, &[]).fails_with(&[problem]);
    }
}

#[test]
fn commands_are_confined_as_dockers() {
    require!("root", "busybox");
    let place = Place::new();
    place.busybox();
    let dockerfile = "FROM busybox\nRUN grep -E '^(CapEff|Seccomp):' /proc/self/status; ls /sys/class/net; \
                      ls /sys/firmware; mkdir /proc/sys/x || true\n\
                      RUN --network=host hostname; ls /sys/class/net | grep -c .\n";
    let out = build(&place, &[], dockerfile, &[]).ok().stdout;
    for line in ["CapEff:\t00000000a80425fb", "Seccomp:\t2", "lo"] {
        assert!(out.lines().any(|other| other == line), "{line} in {out}");
    }
    // What a runtime mounts, and where, is no part of what was built.
    let stdin = "FROM scratch\nCOPY --from=busybox /bin /bin\nRUN echo 1 > /f\n";
    place.command(&["build", "--network=none", "-t", "bare", "-"]).stdin(stdin).run().ok();
    let image = place.run(&["inspect", "bare"]).ok().json();
    let digest = image[0]["Manifest"]["layers"][1]["digest"].as_str().unwrap();
    let blob = place.word(&format!("store/blobs/{}", digest.replace(':', "/")));
    assert_eq!(Cmd::new("tar").args(["-tzf", &blob]).run().ok().stdout, "f\n");
}

#[test]
fn an_ordinary_user_builds() {
    require!("busybox", "userns");
    let place = Place::rootless();
    place.busybox();
    let dockerfile =
        "FROM busybox\nWORKDIR /w\nCOPY f .\nRUN id; cat f > g; rm /etc/group\nCMD cat /w/g\n";
    let out = build(&place, &[], dockerfile, &[("f", "text")]).ok().stdout;
    assert!(out.contains("uid=0(root)"), "{out}");
    assert_eq!(place.ok(&["run", "--rm", "built"]), "text");
    assert_eq!(shows(&place, "ls /etc/group || echo gone"), "gone");
    assert_eq!(build(&place, &[], dockerfile, &[]).ok().stdout.matches("Using cache").count(), 4);
    assert_eq!(place.ok(&["ps", "-q"]), "");
}
