//! What Go's bindings or the specification forgive and `oci_spec` does not, mended in the JSON tree.

use std::collections::BTreeSet;
use std::fmt;

use oci_spec::runtime::Capability;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use super::any_case::{field, field_mut, key_of, pointer_mut, same};
use super::one_line;

/// Maps of free keys: a null in them is an entry somebody meant, not an unset field.
pub(super) const FREE_MAPS: [&str; 6] =
    ["annotations", "sysctl", "unified", "rdma", "netDevices", "timeOffsets"];

/// Mends the document in place. `None`: there was nothing to mend; otherwise the warnings.
pub(super) fn repair(document: &mut Value, process: &str) -> Option<Vec<String>> {
    let mut changed = strip_nulls(document);
    changed |= join_spellings(document);
    changed |= drop_empty_seccomp(document);
    let Some(Value::Object(process)) = pointer_mut(document, process) else {
        return changed.then(Vec::new);
    };
    if key_of(process, "user").is_none() {
        process.insert("user".to_owned(), json!({}));
        changed = true;
    }
    changed |= rename_scheduler_flags(process);
    changed |= drop_empty_affinities(process);
    let dropped = drop_unknown_capabilities(process);
    if dropped.is_empty() {
        return changed.then(Vec::new);
    }
    let names = dropped.iter().map(|name| one_line(name)).collect::<Vec<_>>().join(" ");
    Some(vec![format!("ignoring unknown or unavailable capabilities: [{names}]")])
}

/// Go reads null as "leave it unset", whatever the type of the field.
fn strip_nulls(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |any, item| strip_nulls(item) | any),
        Value::Object(fields) => strip_null_fields(fields),
        _ => false,
    }
}

fn strip_null_fields(fields: &mut Map<String, Value>) -> bool {
    // The only required list that Go writes as null: a syscall rule without names.
    let names = key_of(fields, "names").filter(|key| fields.get(*key).is_some_and(Value::is_null));
    let names = names.map(ToOwned::to_owned);
    let before = fields.len();
    fields.retain(|_, value| !value.is_null());
    let mut changed = fields.len() != before;
    if let Some(names) = names {
        fields.insert(names, json!([]));
    }
    for (key, value) in fields.iter_mut() {
        if !is_free(key) {
            changed |= strip_nulls(value);
        }
    }
    changed
}

/// Go reads an object that comes in two spellings (`cpu` and `CPU`) into one. What would take a value away from
/// one of them stays as it is, and is an error.
fn join_spellings(value: &mut Value) -> bool {
    match value {
        Value::Array(items) => items.iter_mut().fold(false, |any, item| join_spellings(item) | any),
        Value::Object(fields) => {
            let mut changed = join_fields(fields);
            for (key, value) in fields.iter_mut() {
                changed |= match value {
                    Value::Object(entries) if is_free(key) => {
                        entries.values_mut().fold(false, |any, entry| join_spellings(entry) | any)
                    }
                    value => join_spellings(value),
                };
            }
            changed
        }
        _ => false,
    }
}

fn join_fields(fields: &mut Map<String, Value>) -> bool {
    let keys: Vec<String> = fields.keys().cloned().collect();
    let mut changed = false;
    for (at, key) in keys.iter().enumerate() {
        for other in keys.iter().skip(at + 1).filter(|other| same(key, other) && !is_free(key)) {
            if let Some(Value::Object(one)) = fields.get(key)
                && let Some(Value::Object(two)) = fields.get(other)
                && let Some(joined) = joined(one, two)
            {
                fields.remove(other);
                fields.insert(key.clone(), joined.into());
                changed = true;
            }
        }
    }
    changed
}

/// `None` where both have a value for one key.
fn joined(one: &Map<String, Value>, two: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut all = one.clone();
    for (key, value) in two {
        let known = key_of(one, key).map(ToOwned::to_owned);
        let value = match (known.as_ref().and_then(|known| one.get(known)), value) {
            (None, value) => value.clone(),
            (Some(Value::Object(one)), Value::Object(two)) => joined(one, two)?.into(),
            _ => return None,
        };
        all.insert(known.unwrap_or_else(|| key.clone()), value);
    }
    Some(all)
}

fn is_free(key: &str) -> bool {
    FREE_MAPS.iter().any(|map| same(map, key))
}

/// runc takes a filter without default action and rules for no filter at all.
fn drop_empty_seccomp(document: &mut Value) -> bool {
    let Some(Value::Object(linux)) = pointer_mut(document, "/linux") else { return false };
    let Some(key) = key_of(linux, "seccomp").map(ToOwned::to_owned) else { return false };
    let unset = linux.get(&key).and_then(Value::as_object).is_some_and(|seccomp| {
        let action = field(seccomp, "defaultAction").is_none_or(|a| a.as_str() == Some(""));
        let rules = field(seccomp, "syscalls").and_then(Value::as_array);
        action && rules.is_none_or(Vec::is_empty)
    });
    unset && linux.remove(&key).is_some()
}

/// From the specification's names to those that `oci_spec` derives from Rust's.
fn rename_scheduler_flags(process: &mut Map<String, Value>) -> bool {
    const NAMES: [(&str, &str); 2] = [
        ("SCHED_FLAG_RESET_ON_FORK", "SCHED_RESET_ON_FORK"),
        ("SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_D_L_OVERRUN"),
    ];
    let scheduler = field_mut(process, "scheduler").and_then(Value::as_object_mut);
    let flags = scheduler.and_then(|s| field_mut(s, "flags")).and_then(Value::as_array_mut);
    flags.into_iter().flatten().fold(false, |changed, flag| {
        let found = NAMES.iter().find(|(name, _)| flag.as_str() == Some(name));
        found.inspect(|(_, theirs)| *flag = json!(theirs)).is_some() || changed
    })
}

fn drop_empty_affinities(process: &mut Map<String, Value>) -> bool {
    let affinity = field_mut(process, "execCPUAffinity").and_then(Value::as_object_mut);
    affinity.is_some_and(|lists| {
        let before = lists.len();
        lists.retain(|_, list| list.as_str() != Some(""));
        lists.len() != before
    })
}

fn drop_unknown_capabilities(process: &mut Map<String, Value>) -> BTreeSet<String> {
    let mut dropped = BTreeSet::new();
    let Some(Value::Object(sets)) = field_mut(process, "capabilities") else { return dropped };
    for names in sets.values_mut().filter_map(Value::as_array_mut) {
        // Such a list stays wrong, and its error must name the right index.
        if !names.iter().all(Value::is_string) {
            continue;
        }
        names.retain(|name| match name.as_str() {
            Some(text) if Capability::deserialize(name).is_err() => {
                dropped.insert(text.to_owned());
                false
            }
            _ => true,
        });
    }
    dropped
}

/// A JSON tree that refuses duplicate keys: `Value` alone would silently keep the last one, where
/// the typed reading refuses.
pub(super) struct Unique(pub Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((key, Unique(value))) = map.next_entry::<String, _>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate key `{key}`")));
            }
            fields.insert(key, value);
        }
        Ok(fields.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_document_is_left_alone() {
        let sound = json!({"process": {"user": {}, "capabilities": {"bounding": ["CAP_KILL"]}}});
        let mut document = sound.clone();
        assert_eq!(repair(&mut document, "/process"), None);
        assert_eq!(document, sound);
    }

    #[test]
    fn a_filter_with_rules_or_an_action_is_never_dropped() {
        for seccomp in [
            json!({"defaultAction": "SCMP_ACT_ERRNO"}),
            json!({"syscalls": [{"names": ["open"]}]}),
            json!({"defaultAction": 5}),
        ] {
            let mut document = json!({"linux": {"seccomp": seccomp}});
            assert!(!drop_empty_seccomp(&mut document), "{document}");
        }
    }

    #[test]
    fn flags_of_the_scheduler_have_the_specifications_names() {
        let flags = |names: Value| json!({"process": {"user": {}, "scheduler": {"flags": names}}});
        let mut document = flags(json!(["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", 5]));
        assert_eq!(repair(&mut document, "/process"), Some(vec![]));
        assert_eq!(document, flags(json!(["SCHED_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", 5])));
    }

    #[test]
    fn an_empty_list_of_processors_is_an_unset_one() {
        let mut document =
            json!({"process": {"user": {}, "execCPUAffinity": {"initial": "", "final": "1"}}});
        assert_eq!(repair(&mut document, "/process"), Some(vec![]));
        assert_eq!(document["process"]["execCPUAffinity"], json!({"final": "1"}));
    }

    #[test]
    fn unique_reads_every_kind_of_value() {
        let text = r#"{"a":[null,true,-1,18446744073709551615,1.5,"x"],"b":{"c":{}}}"#;
        let Unique(value) = serde_json::from_str(text).unwrap();
        assert_eq!(value.to_string(), text);
        assert!(serde_json::from_str::<Unique>(r#"{"a": {"b": 1, "b": 2}}"#).is_err());
    }
}
