//! Keys in another case: Go's `encoding/json` matches the keys of a struct whatever their case is, so that
//! runc applies a `"Seccomp"`, and so does whoever else reads configs in Go.
//!
//! There is no list of keys here: a type says which ones it has when it asks for a struct. What it reads as
//! a map (annotations, sysctls, the `unified` resources) has keys of its own, which stay as they are.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// Reads a value whose keys may be in any case. Two keys of a struct that differ in case alone are an error
/// ("duplicate field"); objects under such keys have to be joined before.
///
/// # Errors
/// Those of `json`.
pub(super) fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(json: D) -> Result<T, D::Error> {
    T::deserialize(AnyCase::around(json))
}

/// As [`read`] from text, with nothing behind the value.
pub(super) fn from_slice<'de, T: Deserialize<'de>>(raw: &'de [u8]) -> serde_json::Result<T> {
    let mut json = serde_json::Deserializer::from_slice(raw);
    let value = read(&mut json)?;
    json.end().map(|()| value)
}

/// As [`Value::pointer_mut`], with keys in any case.
pub(crate) fn pointer_mut<'a>(value: &'a mut Value, pointer: &str) -> Option<&'a mut Value> {
    let mut names = pointer.split('/').skip(1);
    names.try_fold(value, |value, name| field_mut(value.as_object_mut()?, name))
}

pub(super) fn field_mut<'a>(
    object: &'a mut Map<String, Value>,
    name: &str,
) -> Option<&'a mut Value> {
    let key = key_of(object, name)?.to_owned();
    object.get_mut(&key)
}

pub(super) fn field<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(key_of(object, name)?)
}

/// How a key is spelt here, if it is there; of several spellings the exact one.
pub(super) fn key_of<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    let exact = object.get_key_value(name).map(|(key, _)| key);
    exact.or_else(|| object.keys().find(|key| same(key, name))).map(String::as_str)
}

/// Whether Go takes them for the same key: by simple folding of Unicode, where two letters beyond ASCII fold to
/// ASCII's (long s and the Kelvin sign).
pub(super) fn same(a: &str, b: &str) -> bool {
    let folded = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    a.chars().map(folded).eq(b.chars().map(folded))
}

/// The field that is meant by a key, or the key itself where it is unknown.
fn meant<'a>(key: &'a str, fields: &'static [&'static str]) -> &'a str {
    if fields.contains(&key) {
        return key;
    }
    fields.iter().find(|field| same(key, field)).copied().unwrap_or(key)
}

/// A deserializer, a visitor or an access of serde's, and so is what it leads to.
struct AnyCase<T> {
    inner: T,
    /// Those of the struct that is being read, none in a map or list.
    fields: &'static [&'static str],
}

impl<T> AnyCase<T> {
    fn around(inner: T) -> Self {
        Self { inner, fields: &[] }
    }

    fn also<U>(&self, inner: U) -> AnyCase<U> {
        AnyCase { inner, fields: self.fields }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for AnyCase<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_struct(name, fields, AnyCase { inner: visitor, fields })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_option(AnyCase::around(visitor))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_seq(AnyCase::around(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(AnyCase::around(visitor))
    }

    // The variants of a config are names without content.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    // What takes anything has no fields.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct tuple tuple_struct identifier
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for AnyCase<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    // Null, which is also how an option learns that there is nothing.
    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, json: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(AnyCase::around(json))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(AnyCase::around(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        let entries = self.also(entries);
        self.inner.visit_map(entries)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for AnyCase<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.inner.next_element_seed(AnyCase::around(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for AnyCase<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        if self.fields.is_empty() {
            return self.inner.next_key_seed(seed);
        }
        self.inner.next_key_seed(Key { seed, fields: self.fields })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(AnyCase::around(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for AnyCase<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(AnyCase::around(json))
    }
}

/// Hands the field that is meant to the seed that asks for a key.
struct Key<S> {
    seed: S,
    fields: &'static [&'static str],
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<S::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Key<S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<S::Value, E> {
        self.seed.deserialize(StrDeserializer::new(meant(key, self.fields)))
    }
}

#[cfg(test)]
mod tests;
