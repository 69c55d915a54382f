//! Which CRIU it is.

use std::fmt;

use super::rpc;

/// Network and pid namespaces of others, the freezer of cgroup v2 and the notice that lazy pages are
/// served: all of it is there from 3.15 on.
pub(crate) const MINIMUM: Version = Version { major: 3, minor: 15, sublevel: 0 };

/// A release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version {
    pub(crate) major: i32,
    pub(crate) minor: i32,
    pub(crate) sublevel: i32,
}

impl Version {
    /// One that was built between releases is on its way to the next, and has what that will have.
    pub(crate) fn of(told: &rpc::Version) -> Self {
        let (major, minor) = (told.major_number, told.minor_number);
        match (&told.gitid, told.sublevel.unwrap_or(0)) {
            (Some(id), _) if id.contains("-g") => {
                Self { major, minor: minor.saturating_add(1), sublevel: 0 }
            }
            (_, sublevel) => Self { major, minor, sublevel },
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.sublevel == 0 { Ok(()) } else { write!(f, ".{}", self.sublevel) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(minor: i32, sublevel: Option<i32>, gitid: Option<&str>) -> Version {
        let gitid = gitid.map(str::to_owned);
        Version::of(&rpc::Version { major_number: 3, minor_number: minor, sublevel, gitid })
    }

    #[test]
    fn releases_are_in_order() {
        assert!(version(14, Some(9), None) < MINIMUM);
        assert!(version(15, None, None) >= MINIMUM);
        assert!(version(17, Some(1), None) > version(17, None, None));
        assert_eq!(version(17, Some(1), None).to_string(), "3.17.1");
        assert_eq!(version(15, Some(0), None).to_string(), "3.15");
    }

    #[test]
    fn a_build_between_releases_counts_as_the_next() {
        assert_eq!(version(14, Some(2), Some("v3.14-27-gabcdef")), MINIMUM);
        assert_eq!(version(14, None, Some("v3.14")), version(14, None, None));
    }
}
