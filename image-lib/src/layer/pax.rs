//! Extended headers (pax(1), "pax Extended Header"): records of `LENGTH KEY=VALUE\n`.
//!
//! By their lengths, not by lines as the tar crate has it: attributes are binary.

use std::io;

/// Extended attributes of a file: names and values.
pub type Attributes = Vec<(Vec<u8>, Vec<u8>)>;

/// What an extended header says about the entry that follows.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Extended {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    /// Seconds and nanoseconds.
    pub mtime: Option<(i64, u32)>,
    pub xattrs: Attributes,
    /// `GNU.sparse.` records in their order, without that prefix.
    pub sparse: Vec<(Vec<u8>, Vec<u8>)>,
}

const XATTR: &[u8] = b"SCHILY.xattr.";
const SPARSE: &[u8] = b"GNU.sparse.";

/// Parses the header's records. Keys that say nothing of use here are passed over.
pub fn parse(mut data: &[u8]) -> io::Result<Extended> {
    let mut extended = Extended::default();
    while !data.is_empty() {
        let (key, value, rest) = record(data).ok_or_else(|| invalid("malformed pax record"))?;
        extended.take(key, value)?;
        data = rest;
    }
    Ok(extended)
}

/// Key, value, and what follows.
fn record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().position(|&byte| byte == b' ')?;
    let length: usize = number(data.get(..space)?)?;
    let record = data.get(space + 1..length)?;
    let (&b'\n', record) = record.split_last()? else { return None };
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((record.get(..equals)?, record.get(equals + 1..)?, data.get(length..)?))
}

impl Extended {
    fn take(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let text = || (!value.is_empty()).then(|| value.to_vec());
        let wrong = || invalid(&format!("malformed pax {}", String::from_utf8_lossy(key)));
        let id =
            || if value.is_empty() { Ok(None) } else { number(value).map(Some).ok_or_else(wrong) };
        match key {
            b"path" => self.path = text(),
            b"linkpath" => self.link = text(),
            b"size" => self.size = id()?,
            b"uid" => self.uid = id()?,
            b"gid" => self.gid = id()?,
            b"mtime" if value.is_empty() => self.mtime = None,
            b"mtime" => self.mtime = Some(time(value).ok_or_else(wrong)?),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(name) = key.strip_prefix(SPARSE) {
                    self.sparse.push((name.to_vec(), value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

/// A decimal number.
pub fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all_digits.then_some(())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `1234.5678`, perhaps negative.
fn time(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(match (negative, nanos) {
        (true, 1..) => (seconds.checked_sub(1)?, 1_000_000_000 - nanos),
        _ => (seconds, nanos),
    })
}

pub fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// What the standard library says of a stream that ends is about buffers.
pub fn ends_early(e: io::Error) -> io::Error {
    if e.kind() == io::ErrorKind::UnexpectedEof { invalid("ends within a header") } else { e }
}

/// Appends a record.
pub fn append(data: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // The length counts its own digits.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    data.extend_from_slice(length.to_string().as_bytes());
    data.push(b' ');
    data.extend_from_slice(key);
    data.push(b'=');
    data.extend_from_slice(value);
    data.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_may_hold_anything() {
        let mut data = Vec::new();
        append(&mut data, b"SCHILY.xattr.security.capability", b"\n\n=\0 1");
        append(&mut data, b"path", b"a\nb");
        let extended = parse(&data).unwrap();
        assert_eq!(extended.path.unwrap(), b"a\nb");
        assert_eq!(extended.xattrs, [(b"security.capability".to_vec(), b"\n\n=\0 1".to_vec())]);
    }

    #[test]
    fn times_have_fractions_and_signs() {
        for (text, expected) in [
            ("12", (12, 0)),
            ("12.5", (12, 500_000_000)),
            ("12.123456789123", (12, 123_456_789)),
            ("-1.25", (-2, 750_000_000)),
            ("-0.5", (-1, 500_000_000)),
        ] {
            assert_eq!(time(text.as_bytes()), Some(expected), "{text}");
        }
        for text in ["", "x", "1.x", "1e3"] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn malformed_records_are_refused() {
        for data in
            ["x", "5 a=b", "99 path=a\n", "7 path=a\n", "0 a=b\n", "9 path!a\n", "+9 path=a\n"]
        {
            assert!(parse(data.as_bytes()).is_err(), "{data:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_appended_is_parsed(value in prop::collection::vec(any::<u8>(), 1..300)) {
            let mut data = Vec::new();
            append(&mut data, b"linkpath", &value);
            prop_assert_eq!(parse(&data).unwrap().link.unwrap(), value);
        }

        #[test]
        fn anything_is_parsed_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&data);
        }
    }
}
