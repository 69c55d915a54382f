//! Signals as people and engines write them.

use std::str::FromStr;

use nix::sys::signal::Signal;

/// Real-time signals as the C library hands them out: it keeps 32 and 33 for itself.
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

/// A signal by its number, 0 (which only asks whether the process is there) included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalNumber(pub i32);

impl FromStr for SignalNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text.parse::<i32>() {
            Ok(number) => Some(number).filter(|n| (0..=RTMAX).contains(n)),
            Err(_) => by_name(text),
        };
        number.map(Self).ok_or_else(|| format!("unknown signal {text:?}"))
    }
}

fn by_name(text: &str) -> Option<i32> {
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let standard = || format!("SIG{name}").parse::<Signal>().ok().map(|signal| signal as i32);
    real_time(name).or_else(standard)
}

/// `RTMIN`, `RTMIN+n`, `RTMAX`, `RTMAX-n`.
fn real_time(name: &str) -> Option<i32> {
    let offset = |text: &str, sign: char| match text.strip_prefix(sign) {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse::<i32>().ok(),
        Some(_) => None,
        None => text.is_empty().then_some(0),
    };
    let number = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
        (Some(rest), _) => RTMIN.checked_add(offset(rest, '+')?)?,
        (_, Some(rest)) => RTMAX.checked_sub(offset(rest, '-')?)?,
        _ => return None,
    };
    (RTMIN..=RTMAX).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for text in ["9", "KILL", "SIGKILL", "kill", "sigkill", "SigKill"] {
            assert_eq!(text.parse(), Ok(SignalNumber(9)), "{text}");
        }
        assert_eq!("0".parse(), Ok(SignalNumber(0)));
        assert_eq!("37".parse(), Ok(SignalNumber(37)));
    }

    #[test]
    fn real_time_names() {
        for (text, number) in [("RTMIN", 34), ("SIGRTMIN+3", 37), ("rtmax-1", 63), ("RTMAX", 64)] {
            assert_eq!(text.parse(), Ok(SignalNumber(number)), "{text}");
        }
    }

    #[test]
    fn what_is_no_signal() {
        let wrong =
            ["", "SIG", "-9", "65", "FOO", "SIGSIGTERM", "RTMIN+31", "RTMIN-1", "RTMIN+", "T"];
        for text in wrong {
            assert!(text.parse::<SignalNumber>().is_err(), "{text:?}");
        }
    }
}
