//! Names in an archive, before anything is done with them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A path below a layer's directory, split up: neither `.` nor `..` nor empty names. Without any
/// component it is the directory itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Inside(Vec<OsString>);

impl Inside {
    /// Cleans a path as docker does: `a/./b/../c` is `a/c`, a leading slash means nothing. `None` if
    /// it leads out.
    pub fn parse(path: &[u8]) -> Option<Self> {
        let mut components: Vec<OsString> = Vec::new();
        for component in path.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => drop(components.pop()?),
                name => components.push(OsStr::from_bytes(name).to_owned()),
            }
        }
        Some(Self(components))
    }

    /// The directory it is in, and its name there; `None` for the layer's directory itself.
    pub fn split(&self) -> Option<(Inside, &OsStr)> {
        let (name, parents) = self.0.split_last()?;
        Some((Self(parents.to_vec()), name))
    }

    /// A name in this directory.
    pub fn join(&self, name: &OsStr) -> Self {
        self.0.iter().cloned().chain([name.to_owned()]).collect()
    }

    /// Whether it is that, or below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Every directory on the way, from the outermost on, itself the last.
    pub fn steps(&self) -> impl Iterator<Item = Inside> {
        (1..=self.0.len()).map(|count| Self(self.0.iter().take(count).cloned().collect()))
    }

    /// For the kernel: relative, `.` for the layer's directory.
    pub fn to_path(&self) -> PathBuf {
        if self.0.is_empty() { ".".into() } else { self.0.iter().collect() }
    }

    /// Without the leading `.`, for messages and lists.
    pub fn display(&self) -> PathBuf {
        self.0.iter().collect()
    }
}

impl FromIterator<OsString> for Inside {
    fn from_iter<T: IntoIterator<Item = OsString>>(components: T) -> Self {
        Self(components.into_iter().collect())
    }
}

/// Bytes as a path, for messages.
pub fn shown(path: &[u8]) -> PathBuf {
    OsString::from_vec(path.to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inside(path: &str) -> Option<String> {
        Inside::parse(path.as_bytes()).map(|p| p.display().to_string_lossy().into_owned())
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, expected) in
            [("a/b", "a/b"), ("./a//b/", "a/b"), ("/a", "a"), ("a/../b", "b"), ("./", ""), ("", "")]
        {
            assert_eq!(inside(path).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn paths_that_lead_out_are_none() {
        for path in ["..", "../a", "/..", "a/../..", "a/../../a", "./../a"] {
            assert_eq!(inside(path), None, "{path}");
        }
    }
}
