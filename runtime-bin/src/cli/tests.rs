//! What the parser makes of command lines, runc's and engines' ones among them.

use libteu::CgroupManager;

use super::*;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

fn both(line: &str) -> Result<(Global, Verb), Failure> {
    match super::global(words(line))? {
        Parsed::Answer(text) => panic!("{line}: {text}"),
        Parsed::Request((global, words)) => match super::verb(words)? {
            Parsed::Answer(text) => panic!("{line}: {text}"),
            Parsed::Request(verb) => Ok((global, verb)),
        },
    }
}

fn global(line: &str) -> Global {
    both(line).unwrap().0
}

fn verb(line: &str) -> Verb {
    both(line).unwrap().1
}

fn message(line: &str) -> String {
    both(line).unwrap_err().to_string()
}

fn exec(line: &str) -> exec::Exec {
    match verb(line) {
        Verb::Exec(args) => args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn clap_finds_no_contradiction() {
    all().debug_assert();
}

#[test]
fn every_verb_of_the_help_is_understood() {
    for command in all().get_subcommands() {
        let text = help_on(Some(&command.get_name().into()));
        let Ok(Parsed::Answer(text)) = text else { panic!("{text:?}") };
        assert!(text.starts_with(&format!("NAME:\n   teu {}", command.get_name())), "{text}");
    }
}

#[test]
fn containerds_shim() {
    let line = "teu --root /r --log /l --log-format json create --bundle /b --pid-file /p \
                --no-pivot --no-new-keyring --preserve-fds 2 id";
    let global = global(line);
    assert_eq!(global.root, Some("/r".into()));
    assert_eq!(global.log.path(), Some("/l".as_ref()));
    assert_eq!(global.log.format, global::LogFormat::Json);
    let Verb::Create(create::Create { setup }) = verb(line) else { panic!() };
    assert_eq!((setup.id.as_str(), setup.bundle()), ("id", "/b".into()));
    assert_eq!((setup.pid_file(), setup.preserve_fds), (Some("/p".into()), 2));
    assert!(setup.no_pivot && setup.no_new_keyring);

    let args = exec("teu exec --process /p.json --detach --pid-file /pid id");
    assert_eq!((args.id(), args.process(), args.detach), ("id", Some("/p.json".into()), true));
    assert!(args.command().is_empty());
    assert!(matches!(verb("teu kill --all id 9"), Verb::Kill(kill) if kill.all));
    assert!(matches!(verb("teu delete --force id"), Verb::Delete(delete) if delete.force));
    assert!(matches!(
        verb("teu list --format=json"),
        Verb::List(list) if list.format == format::Format::Json
    ));
    let Verb::Ps(ps) = verb("teu ps --format json id") else { panic!() };
    assert_eq!((ps.id(), ps.format), ("id", format::Format::Json));
    assert!(matches!(verb("teu pause id"), Verb::Pause(pause) if pause.id.as_str() == "id"));
    assert!(matches!(verb("teu resume id"), Verb::Resume(resume) if resume.id.as_str() == "id"));
}

#[test]
fn flags_may_follow_the_id_except_in_exec() {
    assert!(matches!(verb("teu delete id -f"), Verb::Delete(delete) if delete.force));
    assert!(matches!(verb("teu run id --keep -d"), Verb::Run(run) if run.keep && run.detach));
    let args = exec("teu exec -e A=1 id -e B=2 --cwd / --help");
    assert_eq!(args.env, ["A=1"]);
    assert_eq!(args.command(), ["-e", "B=2", "--cwd", "/", "--help"]);
}

#[test]
fn flags_of_teu_itself_may_follow_the_verb() {
    assert_eq!(global("teu list --root /r -log /l -q").root, Some("/r".into()));
    assert!(global("teu delete id --systemd-cgroup=true").systemd_cgroup);
    assert_eq!(global("teu --root /a state --root /b id").root, Some("/b".into()));
    assert_eq!(global("teu --root /a exec id --root /b").root, Some("/a".into()));
    assert!(message("teu list --log-format xml").ends_with("invalid log-format: xml"));
}

#[test]
fn execs_command_is_taken_as_it_is() {
    for (line, command) in [
        ("teu exec id ls -l", vec!["ls", "-l"]),
        ("teu exec id -- ls -l", vec!["ls", "-l"]),
        ("teu exec -- id ls", vec!["ls"]),
        ("teu exec id sh -- -c x", vec!["sh", "--", "-c", "x"]),
        ("teu exec id", vec![]),
    ] {
        let args = exec(line);
        assert_eq!(args.id(), "id", "{line}");
        assert_eq!(args.command(), command, "{line}");
    }
}

#[test]
fn what_follows_the_id_of_ps_is_for_the_hosts_ps() {
    for (line, options) in [
        ("teu ps id", vec!["-ef"]),
        ("teu ps id --", vec!["-ef"]),
        ("teu ps id -e -x", vec!["-e", "-x"]),
        ("teu ps id -- aux", vec!["aux"]),
        ("teu ps -- id -f", vec!["-f"]),
        ("teu ps -f table id -f json", vec!["-f", "json"]),
    ] {
        let Verb::Ps(args) = verb(line) else { panic!("{line}") };
        assert_eq!((args.id(), args.options()), ("id", options), "{line}");
        assert_eq!(args.format, format::Format::Table, "{line}");
    }
    assert!(message("teu ps -f foo id").ends_with("invalid format option: must be table or json"));
}

#[test]
fn intervals_of_events() {
    use std::time::Duration;
    for (line, interval, stats) in [
        ("teu events id", Duration::from_secs(5), false),
        ("teu events --interval 1m30s id", Duration::from_secs(90), false),
        ("teu events --stats --interval=100ms id", Duration::from_millis(100), true),
    ] {
        let Verb::Events(args) = verb(line) else { panic!("{line}") };
        assert_eq!((args.interval, args.stats), (interval, stats), "{line}");
    }
    for zero in ["0", "0s", "-5s"] {
        let message = message(&format!("teu events --interval {zero} id"));
        assert!(message.ends_with("duration interval must be greater than 0"), "{message}");
    }
    assert!(message("teu events --interval 5 id").contains("parse error"));
}

#[test]
fn execs_flags() {
    let args = exec(
        "teu exec -t -d -u 1:2 -g 3 -g 4 -c CAP_KILL -c CAP_CHOWN --no-new-privs --cwd /w \
         --preserve-fds=1 --env X=-1 -e -Y=2 id true",
    );
    assert_eq!(args.user, Some(user::UserSpec { uid: 1, gid: Some(2) }));
    assert_eq!((args.additional_gids, args.preserve_fds), (vec![3, 4], 1));
    assert_eq!(
        (args.cap, args.env),
        (
            vec!["CAP_KILL".to_owned(), "CAP_CHOWN".to_owned()],
            vec!["X=-1".to_owned(), "-Y=2".to_owned()],
        )
    );
    assert!(args.tty && args.detach && args.no_new_privs);
    assert!(message("teu exec -u -1 id true").contains("bad uid \"-1\""));
    assert!(message("teu exec -u 1: id true").contains("bad gid \"\""));
    assert!(message("teu exec -g -1 id true").contains("--additional-gids"));
}

#[test]
fn updates_flags() {
    let update = |line: &str| match verb(line) {
        Verb::Update(args) => args,
        other => panic!("{other:?}"),
    };
    let args = update(
        "teu update --memory 50M --memory-swap -1 --cpu-quota -1 --pids-limit -1 id --cpu-period= \
         --cpuset-cpus 0-1 --blkio-weight 10",
    );
    assert_eq!(args.limits.memory, Some(update::Value(Some(50 << 20))));
    assert_eq!(args.limits.memory_swap, Some(update::Value(Some(-1))));
    assert_eq!(args.limits.cpu_quota, Some(update::Value(Some(-1))));
    assert_eq!(args.limits.pids_limit, Some(update::Value(Some(-1))));
    assert_eq!(args.limits.cpu_period, Some(update::Value(None)));
    assert_eq!((args.limits.cpuset_cpus.as_str(), args.resources()), ("0-1", None));
    assert_eq!(update("teu update -r - id").resources(), Some("-".into()));
    assert_eq!(update("teu update --resources=- id").resources(), Some("-".into()));
    for (flag, value) in [
        ("memory", "5x"),
        ("cpu-share", "-1"),
        ("cpu-quota", "1.5"),
        ("blkio-weight", "65536"),
        ("pids-limit", "many"),
    ] {
        let text = message(&format!("teu update --{flag} {value} id"));
        assert!(text.contains(&format!("--{flag} ")), "{text}");
    }
}

#[test]
fn the_number_of_arguments_is_complained_about_in_runcs_words() {
    let one = ["create", "run", "start", "state", "delete", "events", "pause", "resume", "update"];
    for name in one {
        let wanted = format!("teu: {name:?} requires exactly 1 argument(s)");
        assert_eq!(message(&format!("teu {name}")), wanted);
        assert_eq!(message(&format!("teu {name} a b")), wanted);
    }
    for name in ["list", "spec", "features"] {
        let wanted = format!("teu: {name:?} requires exactly 0 argument(s)");
        assert_eq!(message(&format!("teu {name} x")), wanted);
    }
    assert_eq!(message("teu exec"), "teu: \"exec\" requires a minimum of 1 argument(s)");
    assert_eq!(message("teu ps"), "teu: \"ps\" requires a minimum of 1 argument(s)");
    assert_eq!(message("teu kill"), "teu: \"kill\" requires a minimum of 1 argument(s)");
    assert_eq!(message("teu kill a 9 b"), "teu: \"kill\" requires a maximum of 2 argument(s)");
    assert_eq!(message("teu plan a b"), "teu: \"plan\" requires a maximum of 1 argument(s)");
}

#[test]
fn verbs_that_are_not_there() {
    assert!(message("teu foo -h").contains("No help topic for 'foo'"));
}

#[test]
fn wrong_values() {
    assert_eq!(
        message("teu create ../x"),
        "invalid value '../x' for '<container-id>': invalid container ID format"
    );
    assert!(message("teu kill id FOO").ends_with("unknown signal \"FOO\""));
    assert!(message("teu create --preserve-fds -1 id").contains("-1"));
    assert!(
        message("teu checkpoint --empty-ns ipc id").ends_with("namespace \"ipc\" is not supported")
    );
    assert!(
        message("teu restore --manage-cgroups-mode x id").ends_with("manage-cgroups-mode value")
    );
    assert!(message("teu create --bogus id").contains("--bogus"));
    assert!(message("teu --log-format xml list").ends_with("invalid log-format: xml"));
    assert!(message("teu --root / list").contains("must not be /"));
    assert!(message("teu list -f xml").contains("must be table or json"));
}

#[test]
fn the_last_of_a_repeated_flag_wins_and_empty_paths_are_none() {
    let line = "teu --log /a --log /b create -b x -b /y --pid-file= --console-socket= id";
    assert_eq!(global(line).log.path(), Some("/b".as_ref()));
    let Verb::Create(create::Create { setup }) = verb(line) else { panic!() };
    assert_eq!((setup.bundle(), setup.pid_file()), ("/y".into(), None));
    assert!(setup.console_socket.is_empty());
}

#[test]
fn old_and_hidden_flags_are_taken() {
    assert!(global("teu --criu /usr/sbin/criu --rootless=true list").rootless.0 == Some(true));
    assert_eq!(global("teu --systemd-cgroup list").cgroup_manager(), CgroupManager::Systemd);
}

#[test]
fn the_cgroup_manager_has_two_flags() {
    assert_eq!(global("teu list").cgroup_manager(), CgroupManager::Cgroupfs);
    let manager = |name| global(&format!("teu --cgroup-manager {name} list")).cgroup_manager();
    assert_eq!(manager("cgroupfs"), CgroupManager::Cgroupfs);
    assert_eq!(manager("systemd"), CgroupManager::Systemd);
    assert_eq!(manager("disabled"), CgroupManager::Disabled);
    assert!(message("teu --cgroup-manager none list").contains("cgroupfs, systemd or disabled"));
    message("teu --cgroup-manager disabled --systemd-cgroup list");
}
