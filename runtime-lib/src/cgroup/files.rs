//! The files of one cgroup, by name, and the forms in which the kernel writes them.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::error::{Error, Result};
use crate::fdio;

/// An open cgroup directory. A file that is not there reads as `None`: which ones there are depends
/// on controllers, kernel version and configuration.
#[derive(Debug)]
pub(super) struct Files {
    dir: OwnedFd,
    path: PathBuf,
}

impl Files {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = open(path, flags, Mode::empty())
            .map_err(|e| Error::system("open", path.display(), e))?;
        Ok(Self { dir, path: path.to_owned() })
    }

    /// The file's text.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        match fdio::read_short(&self.dir, Path::new(name)) {
            Ok(data) => Ok(Some(String::from_utf8_lossy(&data).into_owned())),
            // ENOTSUP: pressure is not measured (psi=0); or a threaded cgroup's `cgroup.procs`.
            Err(Errno::ENOENT | Errno::EOPNOTSUPP) => Ok(None),
            Err(e) => Err(Error::system("read", self.path.join(name).display(), e)),
        }
    }

    /// The file, as `parse` reads it; what it cannot read is an error that names the file.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let value = parse(&text).ok_or_else(|| Error::State {
            file: self.path.join(name),
            problem: "not in the form that the kernel documents for it".into(),
        })?;
        Ok(Some(value))
    }

    /// One number, with `max` as the highest there is.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        self.parsed(name, number)
    }

    /// A file of lines of a name and a number.
    pub(super) fn table(&self, name: &str) -> Result<Option<BTreeMap<String, u64>>> {
        self.parsed(name, table)
    }
}

impl AsFd for Files {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// Counters that race are now and then negative for a moment: 0, as runc takes them.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text == "max" {
        return Some(u64::MAX);
    }
    match text.strip_prefix('-') {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => Some(0),
        Some(_) => None,
        None => text.parse().ok(),
    }
}

/// "Flat keyed" files of cgroup-v2.rst; those of v1 look the same.
pub(super) fn table(text: &str) -> Option<BTreeMap<String, u64>> {
    let pair = |line: &str| {
        let (key, value) = line.split_once(' ')?;
        if key.is_empty() { None } else { Some((key.to_owned(), number(value)?)) }
    };
    text.lines().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_of_every_kind() {
        let pairs = [("7\n", Some(7)), ("max\n", Some(u64::MAX)), ("-4", Some(0)), ("0", Some(0))];
        for (text, value) in pairs {
            assert_eq!(number(text), value, "{text:?}");
        }
        for text in ["", "\n", "-", "--1", "1 2", "x", "99999999999999999999", "+"] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_damaged_file_is_named_and_a_missing_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("n"), "seven\n").unwrap();
        let files = Files::open(dir.path()).unwrap();
        let e = files.number("n").unwrap_err().to_string();
        assert!(e.starts_with(&format!("{}/n: not in the form", dir.path().display())), "{e}");
        assert_eq!(files.number("missing").unwrap(), None);
        let e = Files::open(&dir.path().join("gone")).err().unwrap();
        assert_eq!(e.errno(), Some(Errno::ENOENT));
    }

    proptest! {
        #[test]
        fn parsers_never_panic(text in "\\PC*|[-a-z0-9 =:\n.]*") {
            let _ = (number(&text), table(&text));
        }

        #[test]
        fn what_the_kernel_writes_is_read(values in proptest::collection::btree_map("[a-z_]{1,9}", any::<u64>(), 0..9)) {
            let text: String = values.iter().map(|(key, value)| format!("{key} {value}\n")).collect();
            prop_assert_eq!(table(&text), Some(values));
        }
    }
}
