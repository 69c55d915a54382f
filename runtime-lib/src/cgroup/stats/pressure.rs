//! Pressure stall information of a v2 cgroup (Documentation/accounting/psi.rst).

use serde::{Serialize, Serializer};

use super::is_zero;
use crate::cgroup::files::Files;
use crate::error::Result;

/// How long processes had to wait for a resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Pressure {
    /// At least one of them waited.
    #[serde(skip_serializing_if = "is_zero")]
    pub some: PressureData,
    /// All of them that were not idle waited at once.
    #[serde(skip_serializing_if = "is_zero")]
    pub full: PressureData,
}

/// Shares of the last seconds, in percent, and the sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PressureData {
    /// Percent of the last 10 seconds.
    #[serde(serialize_with = "shortest")]
    pub avg10: f64,
    /// Percent of the last minute.
    #[serde(serialize_with = "shortest")]
    pub avg60: f64,
    /// Percent of the last 5 minutes.
    #[serde(serialize_with = "shortest")]
    pub avg300: f64,
    /// Microseconds in all.
    pub total: u64,
}

/// As Go does: `0`, where serde_json writes `0.0`.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn shortest<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a whole number of percents
    let whole = *value as u64;
    #[allow(clippy::cast_precision_loss)]
    if whole as f64 == *value && whole <= 100 {
        serializer.serialize_u64(whole)
    } else {
        serializer.serialize_f64(*value)
    }
}

/// `None` where the kernel does not measure it.
pub(super) fn read(files: &Files, name: &str) -> Result<Option<Pressure>> {
    files.parsed(name, parse)
}

fn parse(text: &str) -> Option<Pressure> {
    let mut pressure = Pressure::default();
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "some" => pressure.some = parse_data(rest)?,
            "full" => pressure.full = parse_data(rest)?,
            _ => {}
        }
    }
    Some(pressure)
}

fn parse_data(text: &str) -> Option<PressureData> {
    let mut data = PressureData::default();
    for word in text.split_ascii_whitespace() {
        let (key, value) = word.split_once('=')?;
        match key {
            "avg10" => data.avg10 = percent(value)?,
            "avg60" => data.avg60 = percent(value)?,
            "avg300" => data.avg300 = percent(value)?,
            "total" => data.total = value.parse().ok()?,
            _ => {}
        }
    }
    Some(data)
}

/// JSON has no other numbers than finite ones.
fn percent(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "some avg10=0.00 avg60=1.50 avg300=100.00 total=7\n\
                        full avg10=0.12 avg60=0.00 avg300=0.00 total=3\n";

    #[test]
    fn both_lines_are_read_and_numbers_look_as_go_writes_them() {
        let json = serde_json::to_string(&parse(TEXT).unwrap()).unwrap();
        assert_eq!(
            json,
            r#"{"some":{"avg10":0,"avg60":1.5,"avg300":100,"total":7},"full":{"avg10":0.12,"avg60":0,"avg300":0,"total":3}}"#
        );
    }

    #[test]
    fn the_processor_of_old_kernels_has_no_full() {
        let pressure = parse("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n").unwrap();
        assert_eq!(pressure.full, PressureData::default());
        let json = serde_json::to_value(pressure).unwrap();
        assert_eq!(json.as_object().unwrap().len(), 1);
    }

    #[test]
    fn what_is_no_pressure() {
        for wrong in ["some", "some avg10", "some avg10=x", "some total=-1", "some avg10=NaN"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*|(some |full |avg10=|total=|[0-9. \nNaInf-])*") {
            if let Some(pressure) = parse(&text) {
                prop_assert!(serde_json::to_string(&pressure).is_ok());
            }
        }
    }
}
