//! docs/features.md says what is so: its tests are there, and `teu features` lists what it lists.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use integration_tests::{Runtime, Value, require};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn documentation() -> String {
    fs::read_to_string(workspace().join("docs/features.md")).unwrap()
}

/// The cells of its tables' lines, without the heads.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| line.starts_with("| ") || line.starts_with("|--"));
    let mut rows: Vec<Vec<&str>> = Vec::new();
    for line in lines {
        if line.starts_with("|--") || line.starts_with("| --") {
            rows.pop();
            continue;
        }
        rows.push(line.trim_matches('|').split('|').map(str::trim).collect());
    }
    rows
}

/// What stands in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Files in which a test of that module can be.
fn files(module: &str) -> Vec<PathBuf> {
    let (root, module) = match module.split_once("::") {
        Some(("libteu", rest)) => ("runtime-lib/src", rest),
        Some(("teu", rest)) => ("runtime-bin/src", rest),
        _ => ("integration-tests/tests", module),
    };
    let path = workspace().join(root).join(module.replace("::", "/"));
    let mut files: Vec<_> = ["rs"].iter().map(|end| path.with_extension(end)).collect();
    files.extend(["mod.rs", "tests.rs"].map(|name| path.join(name)));
    if root == "runtime-bin/src" {
        files.push(workspace().join("runtime-bin/tests").join(module).with_extension("rs"));
    }
    files
}

fn has_test(name: &str) -> bool {
    let Some((module, function)) = name.rsplit_once("::") else { return false };
    files(module).iter().filter_map(|file| fs::read_to_string(file).ok()).any(|text| {
        let found = text.find(&format!("fn {function}()"));
        let attributes = found.map(|at| text[..at].lines().rev().take(4));
        attributes.is_some_and(|mut lines| lines.any(|line| line.trim() == "#[test]"))
    })
}

#[test]
fn tests_that_are_named_exist() {
    let text = documentation();
    let names: Vec<_> =
        quoted(&text).filter(|word| word.contains("::") && !word.contains('…')).collect();
    assert!(names.len() > 100, "{}", names.len());
    let missing: Vec<_> = names.iter().filter(|name| !has_test(name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_feature_is_answered() {
    let text = documentation();
    let (features, _) = text.split_once("## What `teu features` lists").unwrap();
    for row in rows(features) {
        let [feature, answer, tests, note] = row[..] else { panic!("{row:?}") };
        match answer {
            "yes" => assert!(tests.contains("::"), "{feature}: held by nothing"),
            "part" | "no" => {
                assert!(!tests.is_empty() || !note.is_empty() || answer == "no", "{feature}")
            }
            other => panic!("{feature}: {other}"),
        }
    }
}

/// Lists and switches, by their place in the document; what depends on the kernel or the version is not
/// in it.
fn lists(at: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .filter(|(name, _)| *name != "supportedFlags" && *name != "annotations");
            fields.for_each(|(name, value)| lists(&format!("{at}/{name}"), value, found));
        }
        Value::Array(names) => {
            let names: Vec<_> =
                names.iter().map(|name| format!("`{}`", name.as_str().unwrap())).collect();
            found.insert(at.to_owned(), names.join(" "));
        }
        Value::Bool(on) => drop(found.insert(at.to_owned(), on.to_string())),
        _ => {}
    }
}

#[test]
fn features_are_what_is_written() {
    require!("teu");
    let features = Runtime::get().bare().arg("features").run().ok().json();
    let mut told = BTreeMap::new();
    lists("", &features, &mut told);
    let text = documentation();
    let (_, section) = text.split_once("## What `teu features` lists").unwrap();
    let written: BTreeMap<String, String> = rows(section)
        .iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[1].to_owned()))
        .collect();
    let right = told.iter().map(|(at, names)| format!("| `{at}` | {names} |\n"));
    assert_eq!(written, told, "it should be:\n{}", right.collect::<String>());
}

/// Names that `features` lists and that no test gives a container would be claims.
#[test]
fn every_mount_option_and_seccomp_name_is_given_to_a_container() {
    require!("teu");
    let features = Runtime::get().bare().arg("features").run().ok().json();
    let dir = workspace().join("integration-tests/tests");
    let sources: String = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && !path.ends_with("documentation.rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let names = |pointer: &str| -> Vec<String> {
        let names = features.pointer(pointer).unwrap().as_array().unwrap();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let written = |name: &str| sources.contains(&format!("\"{name}\""));
    for option in names("/mountOptions") {
        assert!(written(&option), "no test mounts with {option}");
    }
    for (pointer, prefix) in [
        ("/linux/seccomp/actions", ""),
        ("/linux/seccomp/operators", "SCMP_CMP_"),
        ("/linux/seccomp/knownFlags", "SECCOMP_FILTER_FLAG_"),
    ] {
        for name in names(pointer) {
            let short = name.trim_start_matches(prefix);
            assert!(written(&name) || written(short), "no test uses {name}");
        }
    }
}
