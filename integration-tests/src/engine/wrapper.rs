//! A runtime that tells that it was called, for where an engine is told which one to take.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::Runtime;

/// A script in front of the runtime under test.
#[derive(Debug)]
pub struct Wrapper {
    path: PathBuf,
    calls: PathBuf,
}

impl Wrapper {
    /// Writes it into a directory that the engine can read.
    pub fn new(dir: &Path) -> Self {
        let (path, calls) = (dir.join("wrapper"), dir.join("calls"));
        let runtime = Runtime::get().path().display();
        let script =
            format!("#!/bin/sh\necho \"$@\" >>{}\nexec {runtime} \"$@\"\n", calls.display());
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { path, calls }
    }

    /// What the engine is told.
    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Whether it has been called with such a word since it was last asked.
    pub fn was_called(&self, word: &str) -> bool {
        let calls = fs::read_to_string(&self.calls).unwrap_or_default();
        let _ = fs::remove_file(&self.calls);
        calls.split_whitespace().any(|w| w == word)
    }
}
