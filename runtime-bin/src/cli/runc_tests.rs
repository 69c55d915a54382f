//! Every verb and every flag of runc is there, and means the same to the parser.

use std::collections::{BTreeMap, BTreeSet};

use clap::ArgAction;

use super::*;

const LIST: &str = include_str!("../../tests/golden/runc-flags.txt");

/// What teu has and runc has not, and why.
const ADDED: [(&str, &str); 11] = [
    ("checkpoint --network-lock", "a flag of crun"),
    ("restore --network-lock", "a flag of crun"),
    ("restore --tcp-close", "a flag of crun, which podman gives"),
    ("completion", "runc has one script, for bash, in its sources"),
    ("gc", "finds what killed runs have left"),
    ("man", "runc has its pages in its sources"),
    ("plan", "shows what create would do"),
    ("seccomp", "explains profiles"),
    ("teu --cgroup-manager", "crun's flag, which podman gives for --cgroups=disabled"),
    ("teu --timings", "prints where the time of a start went"),
    ("teu --criu", "a flag of runc before 1.2, which callers still give"),
];

/// `VERB`, or `VERB --flag`, and what the parser has to know of it.
type Lines = BTreeMap<String, String>;

fn runc() -> Lines {
    let mut verb = String::new();
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| match line.strip_prefix("    ") {
            None => {
                verb = line.replace("runc", "teu");
                (verb.clone(), String::new())
            }
            Some(flag) => {
                let name = flag.split(' ').find(|word| word.starts_with("--")).unwrap();
                (format!("{verb} {name}"), flag.to_owned())
            }
        })
        .collect()
}

fn teu() -> Lines {
    let all = all();
    let mut lines = Lines::new();
    for command in std::iter::once(&all).chain(all.get_subcommands()) {
        let verb = command.get_name();
        lines.insert(verb.to_owned(), String::new());
        let flags = command.get_arguments().filter(|arg| !arg.is_positional());
        let flags = flags.filter(|arg| arg.get_id() != "version");
        lines.extend(flags.map(|arg| {
            let long = arg.get_long().expect("every flag has a long name");
            (format!("{verb} --{long}"), line(arg))
        }));
    }
    lines
}

fn line(arg: &clap::Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short} ")).unwrap_or_default();
    let value = match arg.get_action() {
        ArgAction::Append => " VALUE...",
        action if action.takes_values() => " VALUE",
        _ => "",
    };
    let hidden = if arg.is_hide_set() { " (hidden)" } else { "" };
    format!("{short}--{}{value}{hidden}", arg.get_long().unwrap_or_default())
}

/// The lines of `these` that `those` does not have, without those that stand in a list of exceptions.
fn beyond(these: &Lines, those: &Lines, exceptions: &[(&str, &str)]) -> Vec<String> {
    let excepted = |line: &str| {
        exceptions.iter().any(|(name, _)| line.split(' ').next() == Some(name) || line == *name)
    };
    let missing = these.keys().filter(|line| !those.contains_key(*line) && !excepted(line));
    missing.cloned().collect()
}

#[test]
fn every_flag_of_runc_is_there_and_nothing_else_without_a_reason() {
    let (runc, teu) = (runc(), teu());
    assert_eq!(beyond(&runc, &teu, &[]), [""; 0], "flags of runc that teu does not have");
    assert_eq!(beyond(&teu, &runc, &ADDED), [""; 0], "flags of teu that runc does not have");
    for (name, flag) in &runc {
        assert_eq!(teu.get(name).unwrap_or(flag), flag, "{name}");
    }
    let stale = ADDED.iter().filter(|(name, _)| !teu.contains_key(*name));
    assert_eq!(stale.count(), 0, "exceptions that are none");
}

#[test]
fn the_help_of_each_verb_names_its_flags() {
    let mut told = BTreeSet::new();
    for (name, flag) in runc().iter().filter(|(_, flag)| !flag.is_empty()) {
        let (verb, long) = name.split_once(' ').unwrap();
        let text =
            if verb == "teu" { Ok(Parsed::Answer(help())) } else { help_on(Some(&verb.into())) };
        let Ok(Parsed::Answer(text)) = text else { panic!("{verb}: {text:?}") };
        let listed = text.lines().any(|line| line.split([' ', ',', '[']).any(|word| word == long));
        assert_eq!(listed, !flag.ends_with("(hidden)"), "{name}");
        told.insert(verb.to_owned());
    }
    assert!(told.len() > 10, "{told:?}");
}
