//! `HEALTHCHECK`, as docker's image config has it.

use serde_json::{Value, json};

/// Times are nanoseconds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Healthcheck {
    pub test: Vec<String>,
    pub interval: Option<u64>,
    pub timeout: Option<u64>,
    pub start_period: Option<u64>,
    pub start_interval: Option<u64>,
    pub retries: Option<u32>,
}

impl Healthcheck {
    /// Without what is not said.
    pub fn to_json(&self) -> Value {
        let mut value = json!({ "Test": self.test });
        for (key, time) in [
            ("Interval", self.interval),
            ("Timeout", self.timeout),
            ("StartPeriod", self.start_period),
            ("StartInterval", self.start_interval),
            ("Retries", self.retries.map(Into::into)),
        ] {
            if let Some(time) = time.filter(|time| *time > 0) {
                value[key] = json!(time);
            }
        }
        value
    }
}

/// Go's notation of times, in nanoseconds: `1m30s`, `1.5h`. Docker takes none below a millisecond
/// but 0.
pub fn duration(text: &str) -> Result<u64, String> {
    const MILLISECOND: f64 = 1e6;
    let wrong = || format!("{text:?} is no time like 1m30s");
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at(digits);
        let unit = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let nanoseconds = match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => MILLISECOND,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(wrong()),
        };
        total += number.parse::<f64>().map_err(|_| wrong())? * nanoseconds;
        rest = after;
    }
    if text.is_empty() || (total > 0.0 && total < MILLISECOND) || total > 1e18 {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Ok(total as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_gos() {
        for (text, nanoseconds) in
            [("30s", 30_000_000_000), ("1m30s", 90_000_000_000), ("1.5ms", 1_500_000), ("0s", 0)]
        {
            assert_eq!(duration(text), Ok(nanoseconds), "{text}");
        }
        for text in ["", "5", "s", "1x", "-1s", "1ns", "1.2.3s", "99999999999h", "1é"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
