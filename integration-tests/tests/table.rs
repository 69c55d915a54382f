//! The table of differences is kept honest.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use integration_tests::differences::DIFFERENCES;

#[test]
fn every_difference_has_a_name_of_its_own_a_reason_and_a_test() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![dir.join("src/command.rs")];
    for tests in ["tests", "engines", "engines/docker", "engines/containerd"] {
        files.extend(fs::read_dir(dir.join(tests)).unwrap().map(|f| f.unwrap().path()));
    }
    files.retain(|path| path.is_file());
    let sources: String = files.iter().map(|f| fs::read_to_string(f).unwrap()).collect();
    let mut names = BTreeSet::new();
    for entry in DIFFERENCES {
        assert!(names.insert(entry.name), "{} is there twice", entry.name);
        assert!(!entry.who.is_empty() && entry.why.len() > 20, "{}: who, and why?", entry.name);
        assert!(sources.contains(&format!("\"{}\"", entry.name)), "no test uses {}", entry.name);
    }
}

#[test]
fn every_difference_is_explained_in_the_documentation() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/compatibility.md");
    let docs = fs::read_to_string(docs).unwrap();
    for entry in DIFFERENCES {
        assert!(docs.contains(&format!("| `{}` |", entry.name)), "{} is missing", entry.name);
    }
}
