//! `completion` and `man`: real shells complete teu's verbs and flags, and man's formatter has nothing to
//! complain about.

use std::fs;
use std::path::PathBuf;

use integration_tests::{Cmd, Runtime, Terminal, require};
use tempfile::TempDir;

/// The script for a shell, in a file.
fn script(dir: &TempDir, shell: &str) -> PathBuf {
    let script = Runtime::get().bare().args(["completion", shell]).run().ok().stdout;
    let file = dir.path().join("_teu");
    fs::write(&file, script).unwrap();
    file
}

/// What an interactive shell makes of `teu ru<TAB>` and of a flag's beginning.
fn completes(shell: &str, flags: &[&str], prepare: &str) {
    let dir = TempDir::new().unwrap();
    let prepare = prepare.replace("FILE", &script(&dir, shell).to_string_lossy());
    let mut terminal = Terminal::new();
    let command = Cmd::new(shell).args(flags).env("PS1", "ready> ").env("HOME", dir.path());
    let running = terminal.spawn(command.env("TERM", "dumb").env("LC_ALL", "C"));
    terminal.wait_for("ready> ");
    terminal.type_in(&format!("{prepare}\n"));
    terminal.type_in("teu --debug ru\t--no-subr\tx\n");
    terminal.wait_for("got --debug run --no-subreaper x.");
    terminal.type_in("exit\n");
    running.wait();
}

#[test]
fn bash_completes() {
    require!("teu", "bash");
    completes("bash", &["--norc", "--noprofile", "-i"], "teu() { echo \"got $*.\"; }; source FILE");
}

#[test]
fn zsh_completes() {
    require!("teu", "zsh");
    let prepare = "PROMPT='ready> '; teu() { echo \"got $*.\"; }; autoload -Uz compinit; compinit -D -u; source FILE";
    completes("zsh", &["-f", "-i"], prepare);
}

#[test]
fn fish_completes() {
    require!("teu", "fish");
    let dir = TempDir::new().unwrap();
    let file = script(&dir, "fish");
    let ask = |line: &str| {
        let script = format!("source {}; complete -C '{line}'", file.display());
        Cmd::new("fish").args(["--no-config", "-c", &script]).env("HOME", dir.path()).run().ok()
    };
    assert!(ask("teu ru").stdout.starts_with("run\t"), "{:?}", ask("teu ru"));
    assert!(ask("teu run --no-subr").stdout.starts_with("--no-subreaper"));
}

#[test]
fn manual_pages_are_well_formed() {
    require!("teu", "groff");
    let dir = TempDir::new().unwrap();
    Runtime::get().bare().arg("man").arg(dir.path()).run().ok();
    let mut seen = Vec::new();
    for entry in fs::read_dir(dir.path()).unwrap() {
        let file = entry.unwrap().path();
        let page =
            Cmd::new("groff").args(["-man", "-ww", "-Tascii", "-P-bcou"]).arg(&file).run().ok();
        assert_eq!(page.stderr, "", "{}", file.display());
        seen.push((file.file_name().unwrap().to_string_lossy().into_owned(), page.stdout));
    }
    seen.sort();
    let page = |name: &str| &seen.iter().find(|(file, _)| file == name).unwrap().1;
    assert!(page("teu.8").contains("teu-run(8)"), "{}", page("teu.8"));
    assert!(page("teu-run.8").contains("--no-new-keyring"), "{}", page("teu-run.8"));
    assert!(seen.len() > 15 && page("teu-exec.8").contains("--process <file>"));
}
