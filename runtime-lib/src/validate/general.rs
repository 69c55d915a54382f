//! The parts that are of no platform: version, root, annotations.

use oci_spec::runtime::Spec;

use super::{Checked, HostLimits, invalid, require};
use crate::spec::root_path;

/// A newer minor version is accepted: its additions are unknown properties, or refused by name.
pub(super) fn version(spec: &Spec, _: &HostLimits) -> Checked {
    let field = || "ociVersion";
    let version = spec.version();
    let major = major(version);
    require(major.is_some(), field, || format!("not a semantic version: {version:?}"))?;
    require(major == Some("1"), field, || {
        format!("version {version} of the specification is not supported, only 1.x.y")
    })
}

/// The major part of a version that is well-formed after SemVer 2.0.0.
fn major(version: &str) -> Option<&str> {
    let (rest, build) = split_at_mark(version, '+');
    let (core, pre) = split_at_mark(rest, '-');
    let mut numbers = core.split('.');
    let major = numbers.next()?;
    let (minor, patch) = (numbers.next()?, numbers.next()?);
    let sound = [major, minor, patch].into_iter().all(is_number)
        && numbers.next().is_none()
        && build.is_none_or(|ids| ids.split('.').all(is_identifier))
        && pre.is_none_or(|ids| ids.split('.').all(is_prerelease));
    sound.then_some(major)
}

fn split_at_mark(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn is_number(text: &str) -> bool {
    is_digits(text) && (text == "0" || !text.starts_with('0'))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn is_prerelease(text: &str) -> bool {
    is_identifier(text) && (!is_digits(text) || is_number(text))
}

pub(super) fn root(spec: &Spec, _: &HostLimits) -> Checked {
    root_path(spec).map(|_| ()).map_err(|(field, problem)| invalid(field, problem))
}

pub(super) fn annotations(spec: &Spec, _: &HostLimits) -> Checked {
    let empty = spec.annotations().as_ref().is_some_and(|map| map.contains_key(""));
    require(!empty, || "annotations", || "a key must not be empty")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{accept, refuse};
    use super::*;

    #[test]
    fn versions_are_semantic_and_major_1() {
        for text in ["1.0.0", "1.3.0", "1.0.2-dev", "1.0.0-rc1.0-x+b.001", "1.99.10"] {
            accept(version, &format!(r#"{{"ociVersion": "{text}"}}"#));
        }
        for text in [
            "",
            "invalid",
            "1",
            "1.0",
            "1.0.0.0",
            "1.00.0",
            "01.0.0",
            "1.0.x",
            "v1.0.0",
            "1.0.0-",
            "1.0.0+",
            "1.0.0-a..b",
            "1.0.0-01",
            "1.0.0-ä",
            " 1.0.0",
            "1..0",
            "-1.0.0",
        ] {
            let json = format!(r#"{{"ociVersion": "{text}"}}"#);
            refuse(version, &json, "ociVersion", "not a semantic version");
        }
        refuse(version, r#"{"ociVersion": "2.0.0"}"#, "ociVersion", "only 1.x.y");
        refuse(version, r#"{"ociVersion": "0.9.0"}"#, "ociVersion", "only 1.x.y");
        refuse(version, "{}", "ociVersion", "not a semantic version");
    }

    #[test]
    fn root_is_required() {
        accept(root, r#"{"root": {"path": "r"}}"#);
        refuse(root, "{}", "root", "root must be specified");
        refuse(root, r#"{"root": {}}"#, "root.path", "must not be empty");
        refuse(root, r#"{"root": {"path": "a\u0000"}}"#, "root.path", "NUL");
    }

    #[test]
    fn annotation_keys_are_not_empty() {
        accept(annotations, r#"{"annotations": {"a": ""}}"#);
        refuse(annotations, r#"{"annotations": {"": "a"}}"#, "annotations", "empty");
    }
}
