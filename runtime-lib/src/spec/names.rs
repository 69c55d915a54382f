//! Names that a type of `oci_spec` is read from.

use serde::de::value::{Error, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The names of an enum's variants, as its derived reading knows them; none for other types.
pub(crate) fn names_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    let _ = T::deserialize(Names(&mut names));
    names
}

/// Whether a config's name is that of a value.
pub(crate) fn is_named<T: for<'de> Deserialize<'de> + PartialEq>(value: &T, name: &str) -> bool {
    let name: StrDeserializer<'_, Error> = StrDeserializer::new(name);
    T::deserialize(name).is_ok_and(|read| read == *value)
}

/// Has nothing to read, and keeps what it is asked for.
struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = variants;
        Err(serde::de::Error::custom("nothing to read"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom("nothing to read"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::runtime::{LinuxNamespaceType, LinuxSeccompOperator};

    use super::*;

    #[test]
    fn every_name_is_read() {
        let names = names_of::<LinuxSeccompOperator>();
        assert!(names.contains(&"SCMP_CMP_MASKED_EQ"));
        for name in names {
            let name: StrDeserializer<'_, Error> = StrDeserializer::new(name);
            assert!(LinuxSeccompOperator::deserialize(name).is_ok());
        }
        assert!(names_of::<String>().is_empty());
    }

    #[test]
    fn a_value_has_its_configs_name() {
        assert!(is_named(&LinuxNamespaceType::Mount, "mount"));
        assert!(!is_named(&LinuxNamespaceType::Mount, "mnt"));
    }
}
