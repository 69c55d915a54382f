//! Durations as Go writes them, and hence runc's callers: `1h30m`, `1.5s`, `-100ms`.

/// Nanoseconds a unit.
const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("\u{b5}s", 1_000),
    ("\u{3bc}s", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// In nanoseconds, by the rules of Go's `time.ParseDuration`: a sign, then numbers with a unit each;
/// only 0 needs none.
pub fn parse(text: &str) -> Option<i64> {
    let magnitude = text.strip_prefix(['-', '+']).unwrap_or(text);
    if magnitude == "0" {
        return Some(0);
    }
    let (first, mut rest) = term(magnitude)?;
    let mut sum = first;
    while !rest.is_empty() {
        let (next, tail) = term(rest)?;
        sum = sum.checked_add(next)?;
        rest = tail;
    }
    let sum = if text.starts_with('-') { -sum } else { sum };
    i64::try_from(sum).ok()
}

/// A number with its unit, and what follows it.
fn term(text: &str) -> Option<(i128, &str)> {
    let in_number = |c: char| c.is_ascii_digit() || c == '.';
    let (number, rest) = text.split_at(text.find(|c| !in_number(c))?);
    let (unit, rest) = rest.split_at(rest.find(in_number).unwrap_or(rest.len()));
    let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = i128::from(digits(whole)?).checked_mul(i128::from(*scale))?;
    whole.checked_add(part(fraction, *scale)?).map(|sum| (sum, rest))
}

/// What the digits behind the point are worth. Those beyond the eighteenth change nothing.
fn part(fraction: &str, scale: u64) -> Option<i128> {
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let kept = fraction.get(..18).unwrap_or(fraction);
    let power = u32::try_from(kept.len()).ok().map(|n| 10i128.pow(n))?;
    Some(i128::from(digits(kept)?) * i128::from(scale) / power)
}

fn digits(text: &str) -> Option<u64> {
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_takes() {
        for (text, nanoseconds) in [
            ("5s", 5_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5h", 5_400_000_000_000),
            ("100ms", 100_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("1us2\u{b5}s3\u{3bc}s4ns", 6004),
            ("+7ns", 7),
            ("-1.5ns", -1),
            ("-2m", -120_000_000_000),
            ("0", 0),
            ("-0", 0),
            ("0s", 0),
            ("0.3333333333333333333333h", 1_200_000_000_000 - 1),
            ("9223372036854775807ns", i64::MAX),
        ] {
            assert_eq!(parse(text), Some(nanoseconds), "{text}");
        }
    }

    #[test]
    fn what_go_refuses() {
        for text in [
            "",
            "5",
            "s",
            ".s",
            "-",
            "+",
            "1.2.3s",
            "5 s",
            "5S",
            "1d",
            "0x1s",
            "--5s",
            "5s ",
            "1e3s",
            "9223372036854775808ns",
            "99999999999999999999s",
            "2562048h",
            "\u{661}s",
            "1s-2s",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
