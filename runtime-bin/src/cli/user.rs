//! `exec --user`.

use std::str::FromStr;

/// A uid, and a gid if one was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserSpec {
    /// The user.
    pub uid: u32,
    /// The group; that of the container's process if `None`.
    pub gid: Option<u32>,
}

impl FromStr for UserSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (uid, gid) = text.split_once(':').map_or((text, None), |(u, g)| (u, Some(g)));
        Ok(Self { uid: number("uid", uid)?, gid: gid.map(|gid| number("gid", gid)).transpose()? })
    }
}

/// Digits and nothing else: a sign or a name is a mistake that must not end as another user.
/// The highest number stands for "no change" in the kernel and names nobody.
fn number(what: &str, text: &str) -> Result<u32, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let value = if digits { text.parse().ok() } else { None };
    value
        .filter(|&id| id != u32::MAX)
        .ok_or_else(|| format!("bad {what} {text:?}: must be a number below {}", u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uid_alone_or_with_gid() {
        assert_eq!("1".parse(), Ok(UserSpec { uid: 1, gid: None }));
        assert_eq!("1:2".parse(), Ok(UserSpec { uid: 1, gid: Some(2) }));
        assert_eq!("4294967294".parse(), Ok(UserSpec { uid: u32::MAX - 1, gid: None }));
    }

    #[test]
    fn anything_but_digits_is_refused() {
        let wrong = ["", ":", "-1", "+1", ":1", "1:", "1:-1", "1:2:3", "root", " 1", "4294967295"];
        for text in wrong {
            assert!(text.parse::<UserSpec>().is_err(), "{text:?}");
        }
    }
}
