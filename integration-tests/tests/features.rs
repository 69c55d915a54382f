//! `features` and `--version`.

use integration_tests::{Runtime, known_difference};

#[test]
fn version_says_name_version_and_specification() {
    let text = Runtime::get().bare().arg("--version").run().ok().stdout;
    let mut words = text.lines().next().unwrap().split_whitespace();
    words.next().unwrap();
    assert_eq!(words.next(), Some("version"), "{text}");
    assert!(text.lines().any(|l| l.starts_with("spec:")), "{text}");
}

#[test]
fn features_names_what_engines_ask_for() {
    known_difference!("features");
    let f = Runtime::get().bare().arg("features").run().ok().json();
    assert!(f["ociVersionMin"].is_string() && f["ociVersionMax"].is_string(), "{f}");
    let has = |list: &str, what: &str| f[list].as_array().unwrap().iter().any(|v| v == what);
    assert!(has("hooks", "createRuntime") && has("hooks", "poststop"), "{f}");
    for option in ["ro", "rw", "nosuid", "rbind", "rprivate", "rro", "strictatime"] {
        assert!(has("mountOptions", option), "{option}: {f}");
    }
    let namespaces = f["linux"]["namespaces"].as_array().unwrap();
    for kind in ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"] {
        assert!(namespaces.iter().any(|n| n == kind), "{kind}");
    }
    assert!(f["linux"]["capabilities"].as_array().unwrap().iter().any(|c| c == "CAP_SYS_ADMIN"));
    assert!(f["linux"]["cgroup"]["v2"].is_boolean(), "{f}");
}

#[test]
fn an_unknown_verb_or_flag_is_an_error() {
    Runtime::get().bare().arg("no-such-verb").run().fails();
    Runtime::get().bare().args(["create", "--no-such-flag", "x"]).run().fails();
}

#[test]
fn help_is_no_error() {
    let text = Runtime::get().bare().arg("--help").run().ok().stdout;
    for verb in ["create", "delete", "exec", "kill", "list", "run", "spec", "start", "state"] {
        assert!(text.contains(verb), "{verb}: {text}");
    }
}
