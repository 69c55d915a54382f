//! Helpers of the checks' tests, and whole configs: sound ones, and the same damaged at random.

use oci_spec::runtime::Spec;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::error::ErrorKind;
use crate::spec::parse;

pub(super) const ROOT: HostLimits = HostLimits { euid: 0 };

pub(super) fn spec(json: &str) -> Spec {
    parse(json.as_bytes(), Path::new("config.json")).unwrap()
}

#[track_caller]
pub(super) fn accept(check: Check, json: &str) {
    assert_eq!(check(&spec(json), &ROOT), Ok(()), "{json}");
}

#[track_caller]
pub(super) fn refuse(check: Check, json: &str, field: &str, problem: &str) {
    refuse_as(ROOT, check, json, field, problem);
}

#[track_caller]
pub(super) fn refuse_as(host: HostLimits, check: Check, json: &str, field: &str, words: &str) {
    match check(&spec(json), &host) {
        Err(Problem::Invalid { field: got, problem }) => {
            assert_eq!(got, field, "{json}");
            assert!(problem.contains(words), "{problem}");
        }
        other => panic!("{other:?}: {json}"),
    }
}

#[track_caller]
pub(super) fn refuse_unsupported(check: Check, json: &str, field: &str) {
    assert_eq!(check(&spec(json), &ROOT), Err(unsupported(field, NOT_SUPPORTED)), "{json}");
}

const NOT_SUPPORTED: &str = "is not supported by this version of teu";

const DOCKER: &str = include_str!("../../tests/configs/docker.json");
const PODMAN: &str = include_str!("../../tests/configs/podman.json");
const KUBERNETES: &str = include_str!("../../tests/configs/kubernetes.json");
const RUNC: &str = include_str!("../../tests/configs/runc-spec.json");
const ROOTLESS: &str = include_str!("../../tests/configs/runc-spec-rootless.json");
const EVERYTHING: &str = include_str!("../../tests/configs/everything.json");
const ALL: [&str; 6] = [DOCKER, PODMAN, KUBERNETES, RUNC, ROOTLESS, EVERYTHING];

#[test]
fn real_configs_pass() {
    let unprivileged = HostLimits { euid: 1000 };
    for config in [DOCKER, PODMAN, KUBERNETES, RUNC, EVERYTHING] {
        assert!(validate(&spec(config), &ROOT).is_ok());
    }
    assert!(validate(&spec(ROOTLESS), &unprivileged).is_ok());
    let text = validate(&spec(DOCKER), &unprivileged).unwrap_err().to_string();
    let words = "rootless container requires user namespaces";
    assert_eq!(text, format!("config.json: linux.namespaces: {words}"));
}

#[test]
fn real_configs_need_no_second_reading() {
    for config in ALL {
        assert!(serde_json::from_str::<Spec>(config).is_ok());
    }
}

#[test]
fn checks_have_names() {
    let mut names = CHECKS.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    names.extend(process::CHECKS.iter().map(|(name, _)| *name));
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn an_exec_process_is_held_against_its_container() {
    let spec = spec(ROOTLESS);
    let check = |json: &str| {
        let process = serde_json::from_str(json).unwrap();
        validate_process(&process, &spec, &ROOT, Path::new("p.json"))
    };
    assert!(check(r#"{"cwd": "/", "args": ["a"], "user": {}}"#).is_ok());
    let error = check(r#"{"cwd": "/", "args": ["a"], "user": {"uid": 5}}"#).unwrap_err();
    let words = "cannot setuid to unmapped uid 5 in user namespace";
    assert_eq!(error.to_string(), format!("p.json: user.uid: {words}"));
    let error = check(r#"{"cwd": "/", "args": [], "user": {}}"#).unwrap_err();
    assert_eq!(error.to_string(), "p.json: args: args must not be empty");
}

/// What is done to a value found at random in a config.
#[derive(Debug, Clone)]
enum Damage {
    Delete,
    Twice,
    Rename(String),
    Replace(Value),
    Append(String),
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(&[0u64, 1, 340, 4096, 65536, 1 << 31, (1 << 32) - 1, 1 << 32][..])
            .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::sample::select(
            &["", "/", "..", "/proc/x", "a\0b", "a\nb", "=", "rbind", "context=\"", "\u{2028}"][..]
        )
        .prop_map(Value::from),
        Just("x".repeat(5000).into()),
        Just(serde_json::json!([])),
        Just(serde_json::json!({})),
        Just(serde_json::json!([null, {}, "x"])),
    ]
}

fn damage() -> impl Strategy<Value = (Vec<u8>, Damage)> {
    let kind = prop_oneof![
        1 => Just(Damage::Delete),
        1 => Just(Damage::Twice),
        1 => ".{0,6}".prop_map(Damage::Rename),
        4 => odd_value().prop_map(Damage::Replace),
        1 => ".{0,4}".prop_map(Damage::Append),
        1 => Just(Damage::Append("\0".to_owned())),
        1 => Just(Damage::Append("\n".to_owned())),
    ];
    (prop::collection::vec(any::<u8>(), 1..7), kind)
}

/// Walks down by `path` (child numbers, modulo what is there) and does the damage at its end.
fn hurt(value: &mut Value, path: &[u8], damage: &Damage) {
    let Some((first, rest)) = path.split_first() else { return };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let at = usize::from(*first) % fields.len();
            let key = fields.keys().nth(at).unwrap().clone();
            let leaf = rest.is_empty() || !(fields[&key].is_object() || fields[&key].is_array());
            match damage {
                _ if !leaf => hurt(&mut fields[&key], rest, damage),
                Damage::Delete => _ = fields.remove(&key),
                Damage::Rename(new) => {
                    let child = fields.remove(&key).unwrap();
                    fields.insert(new.clone(), child);
                }
                _ => replace(&mut fields[&key], damage),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = usize::from(*first) % items.len();
            let leaf = rest.is_empty() || !(items[at].is_object() || items[at].is_array());
            match damage {
                _ if !leaf => hurt(&mut items[at], rest, damage),
                Damage::Delete => _ = items.remove(at),
                Damage::Twice => items.push(items[at].clone()),
                _ => replace(&mut items[at], damage),
            }
        }
        other => replace(other, damage),
    }
}

fn replace(value: &mut Value, damage: &Damage) {
    match (damage, &mut *value) {
        (Damage::Replace(new), _) => *value = new.clone(),
        (Damage::Append(tail), Value::String(text)) => text.push_str(tail),
        _ => {}
    }
}

/// Reads and validates; an error must be one line that says something.
fn survive(raw: &[u8], euid: u32) -> Result<(), TestCaseError> {
    let file = Path::new("config.json");
    let result = parse(raw, file).and_then(|spec| validate(&spec, &HostLimits { euid }));
    let Err(error) = result else { return Ok(()) };
    let text = error.to_string();
    prop_assert!(!text.chars().any(char::is_control), "{text:?}");
    prop_assert!(!text.is_empty() && text.len() < 4000, "{text:?}");
    let known = matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported);
    prop_assert!(known, "{error:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn damaged_configs_are_answered_with_one_line(
        config in prop::sample::select(&ALL[..]),
        damages in prop::collection::vec(damage(), 1..5),
        euid in prop::sample::select(&[0u32, 1000][..]),
    ) {
        let mut value = serde_json::from_str::<Value>(config).unwrap();
        for (path, damage) in &damages {
            hurt(&mut value, path, damage);
        }
        survive(value.to_string().as_bytes(), euid)?;
    }

    #[test]
    fn damaged_bytes_are_answered_with_one_line(
        config in prop::sample::select(&ALL[..]),
        cut: prop::sample::Index,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        truncate: bool,
    ) {
        let mut raw = config.as_bytes().to_vec();
        if truncate {
            raw.truncate(cut.index(raw.len()));
        }
        for (at, byte) in flips {
            if !raw.is_empty() {
                let at = at.index(raw.len());
                raw[at] = byte;
            }
        }
        survive(&raw, 0)?;
    }
}
