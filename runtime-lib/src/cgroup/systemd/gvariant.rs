//! Values in the text format of GVariant, as annotations give them: `true`, `uint64 5`, `'text'`,
//! `['a', 'b']`, `@ay []`, `b'bytes'`.
//!
//! What a unit's properties can be made of: basic types and arrays. Dictionaries, tuples and nested
//! variants are refused.

use zbus::wire::Signature;
use zbus::{Array, ObjectPath, Variant};

/// Reads one value that is all of `text`.
pub(super) fn parse(text: &str) -> Result<Variant<'static>, String> {
    let mut reader = Reader { rest: text };
    let typed = reader.value(0)?;
    reader.skip_space();
    if !reader.rest.is_empty() {
        return Err(format!("unexpected {:?}", reader.rest));
    }
    let signature = typed.signature().ok_or("an empty array needs a type, as in \"@as []\"")?;
    typed.literal.build(&signature)
}

/// Nothing is nested deeper in a unit's properties.
const DEEPEST: usize = 8;

enum Literal {
    Bool(bool),
    Number(String),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Typed>),
}

/// A literal with the type that was written before it.
struct Typed {
    signature: Option<Signature>,
    literal: Literal,
}

impl Typed {
    /// The type: the written one, or the one that the literal has by itself.
    fn signature(&self) -> Option<Signature> {
        self.signature.clone().or_else(|| self.literal.signature())
    }
}

impl Literal {
    fn signature(&self) -> Option<Signature> {
        Some(match self {
            Self::Bool(_) => Signature::Bool,
            Self::Number(text) if is_float(text) => Signature::F64,
            Self::Number(_) => Signature::I32,
            Self::Text(_) => Signature::Str,
            Self::Bytes(_) => Signature::array(Signature::U8),
            // The type of one element is that of all, so one that is written counts.
            Self::Array(items) => {
                let written = items.iter().find_map(|item| item.signature.clone());
                Signature::array(written.or_else(|| items.iter().find_map(Typed::signature))?)
            }
        })
    }

    fn build(self, signature: &Signature) -> Result<Variant<'static>, String> {
        let wrong = |what: &str| Err(format!("{what} is not of type {signature}"));
        match (self, signature) {
            (Self::Bool(value), Signature::Bool) => Ok(value.into()),
            (Self::Bool(value), _) => wrong(&value.to_string()),
            (Self::Number(text), _) => number(&text, signature),
            (Self::Text(text), Signature::Str) => Ok(text.into()),
            (Self::Text(text), Signature::ObjectPath) => {
                ObjectPath::try_from(text).map(Variant::from).map_err(|e| e.to_string())
            }
            (Self::Text(text), Signature::Signature) => {
                let parsed = Signature::try_from(text.as_str()).map_err(|e| e.to_string())?;
                Ok(Variant::Signature(parsed))
            }
            (Self::Text(text), _) => wrong(&format!("{text:?}")),
            (Self::Bytes(bytes), Signature::Array(item)) if **item == Signature::U8 => {
                Ok(bytes.into())
            }
            (Self::Array(items), Signature::Array(item)) => array(items, item.signature()),
            (Self::Bytes(_) | Self::Array(_), _) => wrong("the array"),
        }
    }
}

fn array(items: Vec<Typed>, of: &Signature) -> Result<Variant<'static>, String> {
    let mut array = Array::new(of);
    for item in items {
        if item.signature.as_ref().is_some_and(|written| written != of) {
            return Err("an array with elements of several types".into());
        }
        array.append(item.literal.build(of)?).map_err(|e| e.to_string())?;
    }
    Ok(array.into())
}

fn is_float(text: &str) -> bool {
    !is_hexadecimal(text) && text.contains(['.', 'e', 'E'])
}

fn is_hexadecimal(text: &str) -> bool {
    text.trim_start_matches(['+', '-']).starts_with("0x")
}

fn number(text: &str, signature: &Signature) -> Result<Variant<'static>, String> {
    let fit = |e: &dyn std::fmt::Display| format!("{text:?} is not of type {signature}: {e}");
    if *signature == Signature::F64 {
        return text.parse::<f64>().map(Variant::from).map_err(|e| fit(&e));
    }
    let value = integer(text).ok_or_else(|| format!("{text:?} is not an integer"))?;
    let fits = |e: std::num::TryFromIntError| fit(&e);
    Ok(match signature {
        Signature::U8 => u8::try_from(value).map_err(fits)?.into(),
        Signature::I16 => i16::try_from(value).map_err(fits)?.into(),
        Signature::U16 => u16::try_from(value).map_err(fits)?.into(),
        Signature::I32 => i32::try_from(value).map_err(fits)?.into(),
        Signature::U32 => u32::try_from(value).map_err(fits)?.into(),
        Signature::I64 => i64::try_from(value).map_err(fits)?.into(),
        Signature::U64 => u64::try_from(value).map_err(fits)?.into(),
        _ => return Err(format!("{text:?} is not of type {signature}")),
    })
}

/// Decimal, hexadecimal or, as in C, octal.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => unsigned(digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => unsigned(digits, 8),
        None => unsigned(digits, 10),
    }?;
    Some(if negative { -value } else { value })
}

/// No second sign: `i128::from_str_radix` would take one.
fn unsigned(digits: &str, radix: u32) -> Option<i128> {
    let plain = digits.chars().all(|c| c.is_digit(radix));
    plain.then(|| i128::from_str_radix(digits, radix).ok()).flatten()
}

const TYPES: [(&str, Signature); 12] = [
    ("boolean", Signature::Bool),
    ("byte", Signature::U8),
    ("int16", Signature::I16),
    ("uint16", Signature::U16),
    ("int32", Signature::I32),
    ("uint32", Signature::U32),
    ("int64", Signature::I64),
    ("uint64", Signature::U64),
    ("double", Signature::F64),
    ("string", Signature::Str),
    ("objectpath", Signature::ObjectPath),
    ("signature", Signature::Signature),
];

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Typed, String> {
        if depth > DEEPEST {
            return Err("nested too deeply".into());
        }
        let signature = self.type_prefix()?;
        self.skip_space();
        let literal = match self.rest.chars().next() {
            Some('[') => self.array(depth)?,
            Some('\'' | '"') => Literal::Text(self.quoted()?),
            Some('b') if self.rest.starts_with("b'") || self.rest.starts_with("b\"") => {
                self.rest = self.rest.get(1..).unwrap_or_default();
                let mut bytes = self.quoted()?.into_bytes();
                bytes.push(0);
                Literal::Bytes(bytes)
            }
            Some(c) if c.is_ascii_digit() || matches!(c, '+' | '-') => Literal::Number(self.word()),
            Some(c) if c.is_ascii_alphabetic() => match self.word().as_str() {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                other => return Err(format!("unrecognized type {other:?}")),
            },
            Some(c) => return Err(format!("unexpected {c:?}")),
            None => return Err("unexpected end".into()),
        };
        Ok(Typed { signature, literal })
    }

    /// `uint64 `, `@as `, or nothing.
    fn type_prefix(&mut self) -> Result<Option<Signature>, String> {
        self.skip_space();
        if let Some(rest) = self.rest.strip_prefix('@') {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            self.rest = rest;
            return Signature::try_from(name)
                .map(Some)
                .map_err(|e| format!("{name:?} is not a type: {e}"));
        }
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let known = TYPES.into_iter().find(|(known, _)| *known == name);
        if known.is_some() {
            self.rest = rest;
        }
        Ok(known.map(|(_, signature)| signature))
    }

    fn array(&mut self, depth: usize) -> Result<Literal, String> {
        let mut items = Vec::new();
        self.rest = self.rest.get(1..).unwrap_or_default();
        self.skip_space();
        if self.take(']') {
            return Ok(Literal::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.skip_space();
            if self.take(']') {
                return Ok(Literal::Array(items));
            }
            if !self.take(',') {
                return Err("an array without its \"]\"".into());
            }
        }
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut chars = self.rest.chars();
        let quote = chars.next();
        loop {
            match chars.next() {
                None => return Err("unterminated string".into()),
                Some('\\') => text.extend(escape(&mut chars)?),
                c if c == quote => break,
                Some(c) => text.push(c),
            }
        }
        self.rest = chars.as_str();
        Ok(text)
    }

    fn word(&mut self) -> String {
        let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'));
        let (word, rest) = self.rest.split_at(self.rest.find(ends).unwrap_or(self.rest.len()));
        self.rest = rest;
        word.to_owned()
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.rest.strip_prefix(c);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

/// What stands behind a backslash. An escaped line end is nothing.
fn escape(chars: &mut std::str::Chars<'_>) -> Result<Option<char>, String> {
    Ok(match chars.next().ok_or("unterminated string")? {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        '\n' => None,
        'u' => Some(code_point(chars, 4)?),
        'U' => Some(code_point(chars, 8)?),
        other => Some(other),
    })
}

fn code_point(chars: &mut std::str::Chars<'_>, digits: usize) -> Result<char, String> {
    let text: String = chars.by_ref().take(digits).collect();
    let number = u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == digits);
    number.and_then(char::from_u32).ok_or_else(|| format!("{text:?} is not a code point"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_have_their_own_type_or_the_written_one() {
        let texts =
            |list: &[&str]| Variant::from(list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>());
        for (text, value) in [
            ("true", Variant::from(true)),
            (" boolean false ", false.into()),
            ("5", 5i32.into()),
            ("-7", (-7i32).into()),
            ("0x10", 16i32.into()),
            ("010", 8i32.into()),
            ("0", 0i32.into()),
            ("1.5", 1.5f64.into()),
            ("double 2", 2f64.into()),
            ("uint64 18446744073709551615", u64::MAX.into()),
            ("@t 5", 5u64.into()),
            ("byte 255", 255u8.into()),
            ("'inactive-or-failed'", "inactive-or-failed".into()),
            (r#""a\"\\b\u00e4\n""#, "a\"\\bä\n".into()),
            ("string 'x'", "x".into()),
            ("['a', 'b']", texts(&["a", "b"])),
            ("@as []", texts(&[])),
            ("[uint64 1, 2]", vec![1u64, 2].into()),
            ("[1, 2]", vec![1i32, 2].into()),
            ("@at [1,2]", vec![1u64, 2].into()),
            ("b'hi'", b"hi\0".to_vec().into()),
            ("@ay [0x01, 2]", vec![1u8, 2].into()),
        ] {
            assert_eq!(parse(text).as_ref(), Ok(&value), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in [
            "",
            "x",
            "5x",
            "tru",
            "'a",
            "[1",
            "[1 2]",
            "[]",
            "[1, 'a']",
            "uint64 -1",
            "byte 256",
            "{'a': 1}",
            "<5>",
            "(1, 2)",
            "uint64 'a'",
            "string 5",
            "1 2",
            "@zz 5",
            "--5",
            "+-5",
            "0x",
            "'\\u12'",
            "uint64 uint64 5",
            "@",
            "boolean 1",
            "[uint64 1, int32 2]",
            "@s [1]",
            "1.5.5",
            "[[[[[[[[[[[[1]]]]]]]]]]]]",
        ] {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in "([a-z@'\"\\[\\]\\\\, 0-9.-]|uint64 |true){0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn numbers_come_through(number in any::<i64>(), natural in any::<u64>()) {
            prop_assert_eq!(parse(&format!("int64 {number}")), Ok(number.into()));
            prop_assert_eq!(parse(&format!("uint64 {natural}")), Ok(natural.into()));
            prop_assert_eq!(parse(&format!("@t 0x{natural:x}")), Ok(natural.into()));
        }

        #[test]
        fn strings_come_through(text in "\\PC{0,20}") {
            let written = format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
            prop_assert_eq!(parse(&written), Ok(text.into()));
        }
    }
}
