//! Amounts of memory as runc's flags take them.

/// Bytes: a number with or without a fraction, then b, k, m, g, t or p in any case, whose multiples
/// are of 1024 also as kb or kib. -1 is "no limit".
pub fn parse(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    let wrong = || format!("invalid size: '{text}'");
    let end =
        text.rfind(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' ')).ok_or_else(wrong)?;
    let (number, suffix) = text.split_at(end + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let shift = shift(suffix).ok_or_else(|| format!("invalid suffix: '{suffix}'"))?;
    multiplied(number, shift).ok_or_else(wrong)
}

/// Powers of two of a unit.
fn shift(suffix: &str) -> Option<u32> {
    let suffix = suffix.to_ascii_lowercase();
    if matches!(suffix.as_str(), "" | "b") {
        return Some(0);
    }
    let unit = suffix.strip_suffix("ib").or(suffix.strip_suffix('b')).unwrap_or(&suffix);
    let powers = [("k", 10), ("m", 20), ("g", 30), ("t", 40), ("p", 50)];
    powers.iter().find(|(name, _)| *name == unit).map(|(_, shift)| *shift)
}

fn multiplied(number: &str, shift: u32) -> Option<i64> {
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    if let Ok(whole) = number.parse::<u64>() {
        return i64::try_from(u128::from(whole) << shift).ok();
    }
    let bytes = number.parse::<f64>().ok()? * f64::from(2u32).powi(shift.cast_signed());
    // 2^63: what is below fits.
    #[allow(clippy::cast_possible_truncation, reason = "in range; fractions of bytes are dropped")]
    (bytes < 9_223_372_036_854_775_808.0).then_some(bytes as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_binary_and_in_any_case() {
        for (text, bytes) in [
            ("0", 0),
            ("32", 32),
            ("32b", 32),
            ("32K", 32 << 10),
            ("32kb", 32 << 10),
            ("50M", 50 << 20),
            ("1GiB", 1 << 30),
            ("1 gb", 1 << 30),
            ("1.5k", 1536),
            ("2t", 2 << 40),
            ("1p", 1 << 50),
            ("-1", -1),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "k",
            "-2",
            "-1k",
            "1x",
            "1kk",
            "1kib5",
            "1e3",
            "0x10",
            "1..2",
            "8192p",
            "1 2",
            "+1",
            "inf",
            "9223372036854775808",
            ".",
        ] {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }
}
