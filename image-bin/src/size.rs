//! Sizes as docker writes and takes them.

/// `12.3MB`: powers of a thousand, three digits.
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$}{}", UNITS.get(unit).copied().unwrap_or_default())
}

/// `64m`, `1g`, `1048576`: powers of 1024, as `docker run -m` has them.
pub fn parse(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no size: give a number, and perhaps b, k, m or g");
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (number, shift) = match lower.as_bytes().last() {
        Some(b'k') => (lower.strip_suffix('k'), 10),
        Some(b'm') => (lower.strip_suffix('m'), 20),
        Some(b'g') => (lower.strip_suffix('g'), 30),
        _ => (Some(lower), 0),
    };
    let number: i64 = number.and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_in_three_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.00kB"),
            (4_261_574, "4.26MB"),
            (99_960_000, "100MB"),
            (77_800_000, "77.8MB"),
            (999_999, "1.00MB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in
            [("7", 7), ("64m", 64 << 20), ("1G", 1 << 30), ("2kb", 2048), ("5b", 5)]
        {
            assert_eq!(parse(text), Ok(bytes));
        }
        for text in ["", "m", "1x", "-1", "0", "9999999999g"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
