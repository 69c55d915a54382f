//! Nothing is open, set or believed beyond what was asked for.
#![allow(unsafe_code, reason = "an extended attribute")]

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use integration_tests::{Bundle, Cmd, Runtime, Value, json, known_difference, probe, require};

const KINDS: [&str; 6] =
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
/// A descriptor that the caller leaves open for its children, as careless programs do.
const CARELESS: &str = "exec 9</etc/passwd; exec \"$@\"";

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn seen(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn descriptors(report: &Value) -> Vec<String> {
    report["fds"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn hooks_of_every_kind_have_three_streams_and_the_environment_of_their_own() {
    require!("container");
    known_difference!("hook-descriptors");
    let mut b = Bundle::probe(&["exit", "0"]);
    let host = probe();
    let host = host.to_str().unwrap();
    let file = |b: &Bundle, kind: &str| match kind {
        "startContainer" => b.rootfs().join(kind),
        _ => b.scratch(kind),
    };
    for kind in KINDS {
        let (path, to) = match kind {
            "startContainer" => ("/probe", format!("/{kind}")),
            _ => (host, file(&b, kind).to_str().unwrap().to_owned()),
        };
        let args = ["probe", "save-stdin", &to];
        b.push(&format!("/hooks/{kind}"), json!({ "path": path, "args": args, "env": ["A=1"] }));
    }
    b.run_cmd(&[]).env("SECRET", "of the caller").through_shell(CARELESS).run().ok();
    for kind in KINDS {
        let report = seen(&file(&b, kind));
        assert_eq!(descriptors(&report), ["0", "1", "2"], "{kind}");
        assert_eq!(report["env"], json!(["A=1"]), "{kind}");
    }
}

#[test]
fn processes_have_three_streams_and_the_environment_of_the_config() {
    require!("container");
    let mut b = Bundle::probe(&["report"]);
    b.set("/process/env", json!(["A=1", "HOME=/"]));
    let run = b.run_cmd(&[]).env("SECRET", "of the caller").through_shell(CARELESS).run();
    let report = run.ok().json();
    assert_eq!(descriptors(&report), ["0", "1", "2"]);
    assert_eq!(report["env"], json!(["A=1", "HOME=/"]));
    let c = b.start_sleeper();
    let exec = b.verb("exec").args([b.id(), "/probe", "report"]).env("SECRET", "of the caller");
    let report = exec.through_shell(CARELESS).run().ok().json();
    assert_eq!(descriptors(&report), ["0", "1", "2"]);
    assert_eq!(report["env"], json!(["A=1", "HOME=/"]));
    c.finish();
}

/// While a container is `created`, what waits in it is the executor.
#[test]
fn the_executor_has_no_environment_and_only_what_it_waits_for() {
    require!("root", "teu");
    let b = Bundle::new();
    b.write();
    let create = b.verb("create").arg("--bundle").arg(b.path()).arg(b.id());
    create.env("SECRET", "of the caller").through_shell(CARELESS).run().ok();
    let state = b.verb("state").arg(b.id()).run().ok().json();
    let of = |name: &str| PathBuf::from(format!("/proc/{}/{name}", state["pid"]));
    assert_eq!(fs::read(of("environ")).unwrap(), b"");
    assert!(fs::read(of("cmdline")).unwrap().starts_with(b"teu-init\0"));
    let open: BTreeSet<String> = fs::read_dir(of("fd"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| !["0", "1", "2"].iter().any(|n| *n == entry.file_name()))
        .map(|entry| fs::read_link(entry.path()).unwrap().to_str().unwrap().to_owned())
        .collect();
    let fifo = b.root().join(b.id()).join("exec.fifo");
    assert_eq!(open, BTreeSet::from([fifo.to_str().unwrap().to_owned()]));
    b.verb("delete").args(["--force", b.id()]).run().ok();
}

/// Of everything that teu and the executor ever open: also if it is gone by the time of an exec, a
/// program that links the library may start another one at that very moment.
#[test]
fn every_descriptor_is_close_on_exec_from_its_first_moment() {
    require!("root", "teu", "strace");
    const CALLS: &str = "open,openat,openat2,creat,socket,socketpair,accept,accept4,pipe,pipe2,dup,\
        dup2,dup3,fcntl,memfd_create,epoll_create,epoll_create1,eventfd,eventfd2,signalfd,signalfd4,\
        inotify_init,inotify_init1,timerfd_create,open_tree,fsopen,fsmount,recvmsg";
    let mut b = Bundle::new();
    let hook = json!({ "path": "/bin/true" });
    b.push("/hooks/createRuntime", hook.clone()).push("/hooks/createContainer", hook);
    b.set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        { "names": ["mkdir"], "action": "SCMP_ACT_ERRNO" }] }),
    );
    b.write();
    let traces = b.scratch("traces");
    fs::create_dir(&traces).unwrap();
    let traced = |follow: &str, name: &str, cmd: Cmd| {
        let (file, calls) = (traces.join(name), format!("--trace={CALLS}"));
        cmd.wrapped(["strace", follow, "-o", file.to_str().unwrap(), &calls]).run().ok();
    };
    b.args(&["exit", "0"]);
    traced("-ff", "run", b.run_cmd(&[]));
    b.args(&["sleep"]);
    let c = b.create();
    traced("-q", "start", b.verb("start").arg(b.id()));
    traced("-ff", "exec", b.verb("exec").args([b.id(), "/probe", "exit", "0"]));
    for verb in ["state", "pause", "resume"] {
        traced("-ff", verb, b.verb(verb).arg(b.id()));
    }
    traced("-ff", "delete", b.verb("delete").args(["--force", b.id()]));
    drop(c);
    let mut seen = 0;
    for file in fs::read_dir(&traces).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines().filter(|line| opens(line)) {
            seen += 1;
            assert!(line.contains("CLOEXEC"), "{line}");
        }
    }
    assert!(seen > 50, "{seen}");
}

/// Whether a line of strace is a call that has made a descriptor: not a failed one, not a standard
/// stream of the container, not an `fcntl` that makes none. What the container's own programs open
/// after their exec is theirs: the probe opens nothing, /bin/true its libraries, close-on-exec.
fn opens(line: &str) -> bool {
    let made = line.rsplit_once("= ").is_some_and(|(_, result)| {
        result.split_whitespace().next().is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n > 2))
    });
    let makes_none = line.starts_with("fcntl") && !line.contains("F_DUPFD");
    made && !makes_none && !line.starts_with("recvmsg")
}

#[test]
fn the_state_is_the_callers_alone() {
    require!("root", "teu");
    let b = Bundle::new();
    let root = b.scratch("deep/state");
    b.write();
    let verb = |words: &[&str]| Runtime::get().bare().arg("--root").arg(&root).args(words);
    let path = b.path();
    verb(&["create", "--bundle", path.to_str().unwrap(), b.id()]).run().ok();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let dir = root.join(b.id());
    // The sticky bit is the mark by which gc knows it.
    assert_eq!((mode(&root), mode(&dir)), (0o700, 0o1700));
    for file in fs::read_dir(&dir).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    // Neither believed nor removed if somebody else could have written it.
    for words in [["state", b.id()], ["kill", b.id()], ["start", b.id()]] {
        chown(&dir, Some(65534), None).unwrap();
        verb(&words).run().fails_with(&["belongs to uid 65534"]);
        chown(&dir, Some(0), None).unwrap();
        permit(&dir, 0o777);
        verb(&words).run().fails_with(&["may be written to by others"]);
        permit(&dir, 0o700);
    }
    permit(&dir, 0o770);
    verb(&["delete", "--force", b.id()]).run().fails_with(&["may be written to by others"]);
    permit(&dir, 0o700);
    fs::rename(&dir, root.join("elsewhere")).unwrap();
    symlink("elsewhere", &dir).unwrap();
    verb(&["delete", b.id()]).run().fails_with(&["does not exist"]);
    fs::remove_file(&dir).unwrap();
    fs::rename(root.join("elsewhere"), &dir).unwrap();
    verb(&["delete", "--force", b.id()]).run().ok();
}

#[test]
fn teu_does_not_run_with_privileges_of_its_file() {
    require!("root", "teu");
    let b = Bundle::new();
    let teu = b.scratch("teu");
    let run = |uid| Cmd::new(&teu).arg("--version").user(Some(uid)).run();
    let install = || {
        let _ = fs::remove_file(&teu);
        fs::copy(Runtime::get().path(), &teu).unwrap();
        permit(&teu, 0o755);
    };
    install();
    run(1000).ok();
    permit(&teu, 0o4755);
    run(1000).fails_with(&["must not be set-user-ID"]);
    permit(&teu, 0o2755);
    run(1000).fails_with(&["must not be set-user-ID"]);
    // Root gains nothing by it.
    permit(&teu, 0o4755);
    Cmd::new(&teu).arg("--version").run().ok();
    install();
    give_capabilities(&teu);
    run(1000).fails_with(&["have file capabilities"]);
}

/// CAP_SYS_ADMIN, permitted and effective (struct vfs_cap_data, revision 2).
fn give_capabilities(file: &Path) {
    let words = [0x0200_0001u32, 1 << 21, 0, 0, 0];
    let value: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let path = CString::new(file.as_os_str().as_bytes()).unwrap();
    // SAFETY: both strings end with a NUL; the value has the length that is told.
    let set = unsafe {
        let name = c"security.capability".as_ptr();
        libc::setxattr(path.as_ptr(), name, value.as_ptr().cast(), value.len(), 0)
    };
    assert_eq!(set, 0, "setxattr: {}", std::io::Error::last_os_error());
}
