//! Annotations `org.systemd.property.NAME=VALUE`: properties of the unit, as containerd and podman users
//! set them.

use std::collections::HashMap;

use zbus::Variant;

use super::gvariant;
use super::manager::Property;
use crate::error::{Error, Result};

/// How their names begin.
pub(crate) const PREFIX: &str = "org.systemd.property.";

/// The properties, in the order of their names.
pub(super) fn properties(annotations: &HashMap<String, String>) -> Result<Vec<Property>> {
    let mut properties = Vec::new();
    for (key, value) in annotations {
        if let Some(name) = key.strip_prefix(PREFIX) {
            let refused = |problem: String| Error::Config {
                file: "config.json".into(),
                field: format!("annotations.{key}"),
                problem,
            };
            properties.push(property(name, value).map_err(refused)?);
        }
    }
    properties.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(properties)
}

fn property(name: &str, text: &str) -> Result<Property, String> {
    if name.len() < 3 || !name.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err("name incorrect: must be three or more letters".into());
    }
    let value = gvariant::parse(text).map_err(|e| format!("value {text:?}: {e}"))?;
    match name.strip_suffix("Sec") {
        Some(stem) if stem.ends_with(|c: char| c.is_ascii_lowercase()) => {
            let micros =
                micros(&value).ok_or(format!("value {text:?}: not a number of seconds"))?;
            Ok((format!("{stem}USec"), micros.into()))
        }
        _ => Ok((name.to_owned(), value)),
    }
}

/// Units are documented with `TimeoutStopSec=`, where the bus has `TimeoutStopUSec`.
fn micros(seconds: &Variant<'_>) -> Option<u64> {
    const MILLION: u64 = 1_000_000;
    let seconds = match *seconds {
        Variant::U8(n) => u64::from(n),
        Variant::U16(n) => u64::from(n),
        Variant::U32(n) => u64::from(n),
        Variant::U64(n) => n,
        Variant::I16(n) => u64::try_from(n).ok()?,
        Variant::I32(n) => u64::try_from(n).ok()?,
        Variant::I64(n) => u64::try_from(n).ok()?,
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        Variant::F64(n) if n >= 0.0 && n < (u64::MAX / MILLION) as f64 => {
            return Some((n * MILLION as f64) as u64);
        }
        _ => return None,
    };
    seconds.checked_mul(MILLION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Vec<Property>> {
        let annotations = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        properties(&annotations)
    }

    #[test]
    fn only_annotations_of_that_prefix_count() {
        let found = of(&[
            ("org.systemd.property.TimeoutStopUSec", "uint64 5"),
            ("org.systemd.propertyX", "'x'"),
            ("a", "b"),
            ("org.systemd.property.CollectMode", "'inactive-or-failed'"),
        ]);
        let expected = [
            ("CollectMode".to_owned(), Variant::from("inactive-or-failed")),
            ("TimeoutStopUSec".to_owned(), 5u64.into()),
        ];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn seconds_become_microseconds() {
        for (text, micros) in [
            ("5", 5_000_000u64),
            ("1.5", 1_500_000),
            ("uint64 2", 2_000_000),
            ("byte 1", 1_000_000),
            ("@n 3", 3_000_000),
            ("@q 3", 3_000_000),
            ("@u 3", 3_000_000),
            ("@x 3", 3_000_000),
        ] {
            let found = of(&[("org.systemd.property.TimeoutStopSec", text)]).unwrap();
            assert_eq!(found, [("TimeoutStopUSec".to_owned(), Variant::from(micros))], "{text}");
        }
        let unlike = of(&[("org.systemd.property.CPUQuotaPerSecUSec", "uint64 1")]).unwrap();
        assert_eq!(unlike, [("CPUQuotaPerSecUSec".to_owned(), Variant::from(1u64))]);
        let alone = of(&[("org.systemd.property.FOOSec", "uint64 1")]).unwrap();
        assert_eq!(alone, [("FOOSec".to_owned(), Variant::from(1u64))]);
    }

    #[test]
    fn wrong_ones_are_named() {
        for (name, value) in [
            ("ab", "1"),
            ("", "1"),
            ("A.B.C", "1"),
            ("Ünit", "1"),
            ("Abc", "what"),
            ("TimeoutStopSec", "'5'"),
            ("TimeoutStopSec", "-5"),
            ("TimeoutStopSec", "uint64 18446744073709551615"),
            ("TimeoutStopSec", "1e300"),
        ] {
            let key = format!("org.systemd.property.{name}");
            let e = of(&[(&key, value)]).unwrap_err().to_string();
            assert!(e.starts_with(&format!("config.json: annotations.{key}: ")), "{e}");
        }
    }
}
