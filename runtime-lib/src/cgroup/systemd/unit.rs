//! Which transient unit a container gets: pure.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::ContainerId;

const FIELD: &str = "linux.cgroupsPath";
const SLICE: &str = ".slice";
/// UNIT_NAME_MAX of systemd.
const LONGEST: usize = 255;

/// A container's transient unit, as it is kept in the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    /// `PREFIX-NAME.scope`.
    pub(crate) name: String,
    /// The slice it is in.
    pub(crate) slice: String,
    /// It belongs to the manager of the user's session, not to the system's.
    #[serde(default)]
    pub(crate) user: bool,
}

impl Unit {
    /// From a `cgroupsPath` of the form `slice:prefix:name`, each part as runc takes it: no slice is
    /// `system.slice`, or `user.slice` of the user's manager. Without a path the name is the id.
    pub(crate) fn parse(
        cgroups_path: Option<&Path>,
        id: &ContainerId,
        rootless: bool,
    ) -> Result<Self> {
        let path = cgroups_path.map(|path| path.to_string_lossy()).unwrap_or_default();
        let parts =
            if path.is_empty() { vec!["", "teu", id.as_str()] } else { path.split(':').collect() };
        let [slice, prefix, name] = parts.as_slice() else {
            return Err(refused(format!(
                "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, \
                 got {path:?} instead"
            )));
        };
        // A slice holds no processes of its own, and systemd takes none for it.
        if name.ends_with(SLICE) {
            return Err(refused(format!("{name:?}: a container cannot be a slice")));
        }
        let slice = match (*slice, rootless) {
            ("", true) => "user.slice",
            ("", false) => "system.slice",
            (given, _) => given,
        };
        expand(slice)?;
        let unit = Self {
            name: format!("{prefix}-{name}.scope"),
            slice: slice.to_owned(),
            user: rootless,
        };
        if unit.name.len() > LONGEST || !unit.name.bytes().all(is_allowed) {
            return Err(refused(format!("invalid unit name: {:?}", unit.name)));
        }
        Ok(unit)
    }

    /// Its cgroup, seen from that of its manager.
    pub(crate) fn cgroup(&self) -> Result<PathBuf> {
        Ok(expand(&self.slice)?.join(&self.name))
    }
}

/// The characters of unit names (systemd.unit(5)).
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte)
}

/// Slices are nested by the dashes in their names (systemd.slice(5)): `a-b.slice` is
/// `a.slice/a-b.slice`, and `-.slice` the root.
fn expand(slice: &str) -> Result<PathBuf> {
    let invalid = || refused(format!("invalid slice name: {slice}"));
    let name = slice.strip_suffix(SLICE).ok_or_else(invalid)?;
    let mut path = PathBuf::new();
    if name == "-" {
        return Ok(path);
    }
    let mut prefix = String::new();
    for part in name.split('-') {
        if part.is_empty() || !part.bytes().all(is_allowed) {
            return Err(invalid());
        }
        path.push(format!("{prefix}{part}{SLICE}"));
        prefix.push_str(part);
        prefix.push('-');
    }
    Ok(path)
}

fn refused(problem: String) -> Error {
    Error::Config { file: "config.json".into(), field: FIELD.into(), problem }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(path: &str, rootless: bool) -> Result<Unit> {
        Unit::parse(Some(Path::new(path)), &"c1".parse().unwrap(), rootless)
    }

    #[test]
    fn the_parts_have_runcs_defaults() {
        for (path, rootless, name, slice) in [
            ("", false, "teu-c1.scope", "system.slice"),
            ("", true, "teu-c1.scope", "user.slice"),
            ("::n", false, "-n.scope", "system.slice"),
            (":docker:abc", true, "docker-abc.scope", "user.slice"),
            ("machine.slice:libpod:1", false, "libpod-1.scope", "machine.slice"),
            ("a-b.slice:p:n", true, "p-n.scope", "a-b.slice"),
        ] {
            let expected = Unit { name: name.into(), slice: slice.into(), user: rootless };
            assert_eq!(parse(path, rootless).unwrap(), expected, "{path}");
        }
        assert_eq!(
            Unit::parse(None, &"c1".parse().unwrap(), false).unwrap(),
            parse("", false).unwrap()
        );
    }

    #[test]
    fn other_forms_are_refused_in_runcs_words() {
        for path in ["/a/b", "a", "a:b", "a:b:c:d"] {
            let e = parse(path, false).unwrap_err().to_string();
            let words =
                "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups";
            assert!(e.contains(words) && e.contains(&format!("got {path:?} instead")), "{e}");
        }
        for slice in [
            ".slice",
            "a",
            "a--b.slice",
            "-a.slice",
            "a-.slice",
            "a/b.slice",
            "/.slice",
            "a b.slice",
        ] {
            let e = parse(&format!("{slice}:p:n"), false).unwrap_err().to_string();
            assert!(e.ends_with(&format!("invalid slice name: {slice}")), "{e}");
        }
        for path in ["::a/b", ":a b:c", "::../x", "::n.slice"] {
            assert!(parse(path, false).is_err(), "{path}");
        }
        assert!(parse(&format!("::{}", "n".repeat(255)), false).is_err());
    }

    #[test]
    fn slices_are_nested_by_their_dashes() {
        for (path, cgroup) in [
            ("a.slice:p:n", "a.slice/p-n.scope"),
            ("a-b-c.slice:p:n", "a.slice/a-b.slice/a-b-c.slice/p-n.scope"),
            ("-.slice:p:n", "p-n.scope"),
        ] {
            assert_eq!(parse(path, false).unwrap().cgroup().unwrap(), Path::new(cgroup));
        }
    }

    proptest! {
        #[test]
        fn a_unit_never_leads_out_of_its_slice(path in "[a.:/-]{0,12}(slice)?[a.:/-]{0,12}") {
            if let Ok(unit) = parse(&path, false) {
                let cgroup = unit.cgroup().unwrap();
                prop_assert!(cgroup.is_relative());
                let normal = |c| matches!(c, std::path::Component::Normal(_));
                prop_assert!(cgroup.components().all(normal), "{path}");
            }
        }
    }
}
