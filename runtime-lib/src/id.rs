//! Container ids.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The longest id that is accepted, in bytes.
const MAX_LEN: usize = 1024;

/// A checked container id: `[A-Za-z0-9_+.-]`, neither `.` nor `..`, at most 1024 bytes, so that it
/// is safe as a file name and as a cgroup name (runc's `validateID`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContainerId(String);

impl ContainerId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContainerId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'+' | b'-' | b'.');
        let well_formed = !text.is_empty() && text.len() <= MAX_LEN && text.bytes().all(allowed);
        if well_formed && text != "." && text != ".." {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::InvalidId)
        }
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_runc_accepts() {
        for id in ["a", "A-b_c+d.e", "...", "-", "0123456789abcdef"] {
            assert!(id.parse::<ContainerId>().is_ok(), "{id}");
        }
    }

    #[test]
    fn refuses_paths_and_oddities() {
        for id in ["", ".", "..", "../x", "a/b", "a b", "é", "a\0b", "a\n", &"x".repeat(1025)] {
            assert!(id.parse::<ContainerId>().is_err(), "{id:?}");
        }
    }
}
