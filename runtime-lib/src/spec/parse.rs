//! JSON to `oci_spec` types: once if all is well, again to say what is wrong and to forgive what
//! other runtimes forgive.

use std::path::Path;

use oci_spec::runtime::{LinuxResources, Process, Spec};
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_path_to_error::Track;

use super::{any_case, config_error, pids, repair};
use crate::error::Result;

/// The root of a document that has a `process` object somewhere.
pub(super) trait Document: DeserializeOwned {
    /// JSON pointer to the `process` object.
    const PROCESS: &'static str;

    /// Takes out what reads as something although it is unset.
    fn settle(&mut self, _raw: &[u8]) {}
}

impl Document for Spec {
    const PROCESS: &'static str = "/process";

    fn settle(&mut self, raw: &[u8]) {
        pids::settle_spec(self, raw);
    }
}

impl Document for Process {
    const PROCESS: &'static str = "";
}

impl Document for LinuxResources {
    /// There is none.
    const PROCESS: &'static str = "/process";

    fn settle(&mut self, raw: &[u8]) {
        pids::settle_resources(self, raw);
    }
}

/// A document and what was forgiven in it.
#[derive(Debug)]
pub(super) struct Parsed<T> {
    pub value: T,
    pub warnings: Vec<String>,
}

/// A key that comes twice may not look like it.
const TWICE: &str = " (a key is one key in whatever case it is written)";

/// Where in the document something is wrong, and what.
#[derive(Debug)]
struct Fault {
    field: String,
    problem: String,
    /// It is JSON, but not of the expected shape: worth a second, forgiving look.
    shape: bool,
}

/// Reads a config; `file` is only for messages. Its warnings were given when the bundle was loaded.
pub(crate) fn parse(raw: &[u8], file: &Path) -> Result<Spec> {
    parse_document(raw, file).map(|parsed| parsed.value)
}

/// Reads a config or a process object, with warnings.
pub(super) fn parse_document<T: Document>(raw: &[u8], file: &Path) -> Result<Parsed<T>> {
    // Keeping track of the path costs half as much again: only a failure pays for it.
    any_case::from_slice(raw)
        .or_else(|_| strict(raw))
        .map(|value| Parsed { value, warnings: Vec::new() })
        .or_else(|fault| if fault.shape { forgiving(raw, fault) } else { Err(fault) })
        .map(|mut parsed: Parsed<T>| {
            parsed.value.settle(raw);
            parsed
        })
        .map_err(|fault| config_error(file, &fault.field, &fault.problem))
}

/// Reads again to find out where a document is wrong.
fn strict<T: DeserializeOwned>(raw: &[u8]) -> Result<T, Fault> {
    let mut json = serde_json::Deserializer::from_slice(raw);
    let value = at_path(&mut json)?;
    json.end().map_err(|e| Fault::new(String::new(), &e))?;
    Ok(value)
}

/// If there is nothing to forgive the first fault stands: it knows line and column.
fn forgiving<T: Document>(raw: &[u8], first: Fault) -> Result<Parsed<T>, Fault> {
    let mut document: repair::Unique = strict(raw)?;
    let Some(warnings) = repair::repair(&mut document.0, T::PROCESS) else { return Err(first) };
    Ok(Parsed { value: at_path(document.0)?, warnings })
}

fn at_path<'de, T, D>(json: D) -> Result<T, Fault>
where
    T: DeserializeOwned,
    D: serde::Deserializer<'de, Error = serde_json::Error>,
{
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(json, &mut track);
    any_case::read(tracked).map_err(|e| {
        let path = track.path();
        let field = if path.iter().len() == 0 { String::new() } else { path.to_string() };
        Fault::new(field, &e)
    })
}

impl Fault {
    fn new(field: String, e: &serde_json::Error) -> Self {
        let problem = match e.classify() {
            Category::Eof => format!("the JSON is cut off: {e}"),
            Category::Syntax => format!("not valid JSON: {e}"),
            Category::Data | Category::Io => {
                let hint = if e.to_string().starts_with("duplicate field ") { TWICE } else { "" };
                format!("{}{e}{hint}", Self::about(&field))
            }
        };
        Self { field, problem, shape: e.classify() == Category::Data }
    }

    /// What runc says of names that it does not know.
    fn about(field: &str) -> &'static str {
        match field.strip_prefix("linux.memoryPolicy") {
            Some(part) if part.starts_with(".flags") => "invalid memory policy flag: ",
            Some(_) => "invalid memory policy mode: ",
            None => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::Capability;

    use super::*;
    use crate::error::Error;

    fn read(json: &str) -> Parsed<Spec> {
        parse_document(json.as_bytes(), Path::new("config.json")).unwrap()
    }

    fn fault(raw: impl AsRef<[u8]>) -> (String, String) {
        match parse(raw.as_ref(), Path::new("config.json")) {
            Err(Error::Config { field, problem, .. }) => (field, problem),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_the_field_of_a_mistyped_value() {
        let json =
            r#"{"mounts": [{"destination": "/a"}, {"destination": "/b", "options": ["x", 5]}]}"#;
        let (field, problem) = fault(json);
        assert_eq!(field, "mounts[1].options[1]");
        assert!(problem.starts_with("invalid type: integer `5`, expected a string"), "{problem}");
    }

    #[test]
    fn damaged_json_is_told_from_wrong_json() {
        for (raw, start) in [
            (&b""[..], "the JSON is cut off"),
            (b"{\"ociVersion\": \"1.0", "the JSON is cut off"),
            (b"{} {}", "not valid JSON: trailing characters"),
            (b"{\"hostname\": \"\xff\xfe\"}", "not valid JSON: invalid unicode code point"),
            (b"\xef\xbb\xbf{}", "not valid JSON"),
            (b"{,}", "not valid JSON"),
            (b"null", "invalid type: null"),
            (b"{\"ociVersion\": \"a\", \"ociVersion\": \"b\"}", "duplicate key `ociVersion`"),
            (b"{\"linux\": {\"namespaces\": [{\"type\": \"a\nb\"}]}}", "not valid JSON: control"),
        ] {
            let (_, problem) = fault(raw);
            assert!(problem.starts_with(start), "{problem}");
        }
    }

    #[test]
    fn messages_stay_on_one_line() {
        let (field, problem) = fault(r#"{"annotations": {"a\nb": 5}}"#);
        assert_eq!(field, r"annotations.a\nb");
        assert!(!problem.contains('\n'));
        let (_, problem) = fault(r#"{"linux": {"namespaces": [{"type": "a\nb"}]}}"#);
        assert!(problem.starts_with(r"unknown variant `a\nb`"), "{problem}");
    }

    #[test]
    fn unknown_properties_are_ignored_at_every_level() {
        let parsed = read(
            r#"{"ociVersion": "1.0.0", "x": [{}], "root": {"path": "r", "y": 1},
                "freebsd": {"jail": 5}, "linux": {"z": null, "resources": {"q": "w"}}}"#,
        );
        assert_eq!(parsed.value.version(), "1.0.0");
        assert!(parsed.warnings.is_empty());
    }

    #[test]
    fn unknown_capabilities_are_dropped_with_a_warning() {
        let parsed = read(
            r#"{"process": {"cwd": "/", "user": {}, "capabilities": {
                "bounding": ["CAP_KILL", "CAP_FUTURE"], "ambient": ["CAP_FUTURE", "sell\nout"]}}}"#,
        );
        let process = parsed.value.process().clone().unwrap();
        let capabilities = process.capabilities().clone().unwrap();
        assert_eq!(capabilities.bounding(), &Some([Capability::Kill].into()));
        assert_eq!(capabilities.ambient(), &Some([].into()));
        let text = r"ignoring unknown or unavailable capabilities: [CAP_FUTURE sell\nout]";
        assert_eq!(parsed.warnings, [text]);
    }

    #[test]
    fn a_capability_of_the_wrong_type_is_still_an_error() {
        let json = r#"{"process": {"cwd": "/", "capabilities": {"bounding": ["CAP_KILL", 5]}}}"#;
        assert_eq!(fault(json).0, "process.capabilities.bounding[1]");
        let json = r#"{"process": {"cwd": "/", "capabilities": {"bounding": ["CAP_X", 5]}}}"#;
        assert_eq!(fault(json).0, "process.capabilities.bounding[0]");
    }

    #[test]
    fn nulls_that_go_writes_are_unset() {
        let parsed = read(
            r#"{"mounts": null, "annotations": null, "hooks": {"prestart": null}, "process": {
                "cwd": "/", "user": {"uid": null, "additionalGids": null}, "args": null,
                "capabilities": {"bounding": null}, "rlimits": null},
              "linux": {"resources": {"pids": {"limit": null}, "memory": null, "devices": null},
                "seccomp": {"defaultAction": "SCMP_ACT_ALLOW",
                  "syscalls": [{"names": null, "action": "SCMP_ACT_LOG"}]}}}"#,
        );
        assert!(parsed.value.mounts().is_none() && parsed.warnings.is_empty());
        assert_eq!(parsed.value.process().clone().unwrap().user().uid(), 0);
    }

    #[test]
    fn nulls_where_they_would_lose_something_are_errors() {
        assert_eq!(fault(r#"{"annotations": {"a": null}}"#).0, "annotations.a");
        assert_eq!(fault(r#"{"linux": {"sysctl": {"a": null}}}"#).0, "linux.sysctl.a");
        assert_eq!(fault(r#"{"linux": {"netDevices": {"a": null}}}"#).0, "linux.netDevices.a");
        assert_eq!(
            fault(r#"{"process": {"cwd": "/", "user": {}, "args": [null]}}"#).0,
            "process.args[0]"
        );
        assert_eq!(fault(r#"{"mounts": [{"destination": null}]}"#).0, "mounts[0]");
    }

    #[test]
    fn a_process_needs_no_user_and_an_empty_seccomp_is_none() {
        let parsed = read(r#"{"process": {"cwd": "/"}, "linux": {"seccomp": {}}}"#);
        assert!(parsed.value.process().is_some());
        assert!(parsed.value.linux().clone().unwrap().seccomp().is_none());
        let process: Parsed<Process> = parse_document(br#"{"cwd": "/"}"#, Path::new("p")).unwrap();
        assert_eq!(process.value.user().gid(), 0);
    }

    #[test]
    fn forgiving_is_no_way_around_duplicate_keys() {
        let json = r#"{"process": {"cwd": "/", "capabilities": {"bounding": ["CAP_X"]}},
            "root": {"path": "a"}, "root": {"path": "b"}}"#;
        assert!(fault(json).1.starts_with("duplicate key `root`"));
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_crash() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse(format!("{{\"x\": {deep}}}").as_bytes(), Path::new("c")).is_ok());
        for field in ["mounts", "process", "x"] {
            let (_, problem) = fault(format!("{{\"{field}\": {deep}, \"root\": 5}}"));
            assert!(problem.contains("recursion limit") || field != "x", "{problem}");
        }
    }
}
