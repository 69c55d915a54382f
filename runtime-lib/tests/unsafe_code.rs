//! docs/unsafe.md lists every file with unsafe code, and how much there is in it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// How often the word stands in a file's code, comments aside.
fn unsafe_words(text: &str) -> usize {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.flat_map(|line| line.split(|c| !is_word(c))).filter(|word| *word == "unsafe").count()
}

fn count(dir: &Path, found: &mut BTreeMap<String, usize>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            count(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let words = unsafe_words(&fs::read_to_string(&path).unwrap());
            if words > 0 {
                let name = path.strip_prefix(workspace()).unwrap().display().to_string();
                found.insert(name, words);
            }
        }
    }
}

/// `| FILE | N | why |`, with the file in backquotes.
fn documented() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(workspace().join("docs/unsafe.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let file = cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned();
        let (words, why) = (cells.next()?.parse().ok()?, cells.next()?);
        assert!(why.len() > 10, "{file}: why is it sound?");
        Some((file, words))
    });
    rows.collect()
}

#[test]
fn every_file_with_unsafe_code_is_documented_with_its_count() {
    let mut found = BTreeMap::new();
    let crates = ["runtime-lib", "runtime-bin", "foreground", "image-lib", "image-bin"];
    let mut dirs: Vec<_> = crates.iter().map(|name| workspace().join(name).join("src")).collect();
    dirs.push(workspace().join("runtime-lib/executor"));
    // The test machine has the library and its binary alone.
    dirs.iter().filter(|dir| dir.exists()).for_each(|dir| count(dir, &mut found));
    assert!(found.len() > 5, "{found:?}");
    assert_eq!(documented(), found);
}

#[test]
fn comments_and_names_do_not_count() {
    let text = "// unsafe\n#![allow(unsafe_code)]\nunsafe fn f() { unsafe { g() } } // unsafe\n";
    assert_eq!(unsafe_words(text), 2);
}
