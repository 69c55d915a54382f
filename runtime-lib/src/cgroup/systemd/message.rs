//! Messages of D-Bus as bytes (D-Bus specification, "Message Protocol"). The values in them are
//! written and read by zbus.

use std::num::TryFromIntError;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{BE, Endian, LE, NATIVE_ENDIAN, Type, to_bytes};
use zbus::{ObjectPath, Variant};

use super::bus::{Result, Trouble};

/// No message of systemd comes near; more would be somebody's trick.
const LARGEST: usize = 16 << 20;

const CALL: u8 = 1;
pub(super) const RETURN: u8 = 2;
pub(super) const ERROR: u8 = 3;
pub(super) const SIGNAL: u8 = 4;

/// Codes of header fields (D-Bus specification, "Header Fields").
mod field {
    pub(super) const PATH: u8 = 1;
    pub(super) const INTERFACE: u8 = 2;
    pub(super) const MEMBER: u8 = 3;
    pub(super) const ERROR_NAME: u8 = 4;
    pub(super) const REPLY_SERIAL: u8 = 5;
    pub(super) const DESTINATION: u8 = 6;
    pub(super) const SIGNATURE: u8 = 8;
}

/// Whom a call is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method {
    pub(super) destination: &'static str,
    pub(super) path: &'static str,
    pub(super) interface: &'static str,
    pub(super) member: &'static str,
}

/// A received message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) reply_to: u32,
    pub(super) member: String,
    error: String,
    signature: String,
    endian: Endian,
    body: Vec<u8>,
}

impl Message {
    /// The message's arguments, which must be of the type that is asked for.
    pub(super) fn body<T: DeserializeOwned + Type>(&self) -> Result<T> {
        let expected = T::SIGNATURE.to_string_no_parens();
        if expected != self.signature {
            let text = format!("arguments of type {} where {expected} was due", self.signature);
            return Err(Trouble::Garbled(text));
        }
        let data = Data::new(self.body.as_slice(), Context::new(self.endian, 0));
        data.deserialize().map(|(value, _)| value).map_err(garbled)
    }

    /// An error reply as what it means.
    pub(super) fn into_refusal(self) -> Trouble {
        let data = Data::new(self.body.as_slice(), Context::new(self.endian, 0));
        let text = data.deserialize::<String>().map(|(text, _)| text).unwrap_or_default();
        Trouble::Refused { name: self.error, text }
    }
}

/// Byte order, type, flags, version, lengths and serial.
pub(super) const FIXED_HEADER: usize = 16;

/// Where a message's parts are.
pub(super) struct Frame {
    endian: Endian,
    body_at: usize,
    /// Of the whole message.
    pub(super) len: usize,
}

impl Frame {
    /// From the fixed header.
    pub(super) fn of(header: &[u8]) -> Result<Self> {
        let endian = match header.first() {
            Some(b'l') => LE,
            Some(b'B') => BE,
            other => return Err(Trouble::Garbled(format!("byte order {other:?}"))),
        };
        let word = |at: usize| {
            let bytes = header.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
            let bytes = bytes.unwrap_or_default();
            let number =
                if endian == LE { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
            number as usize
        };
        let (body, fields) = (word(4), word(12));
        if body > LARGEST || fields > LARGEST {
            return Err(Trouble::Garbled(format!("a message of {body} bytes")));
        }
        let body_at = (FIXED_HEADER + fields).next_multiple_of(8);
        Ok(Self { endian, body_at, len: body_at + body })
    }
}

type Header<'a> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'a>)>);

/// Reads a whole message.
pub(super) fn decode(bytes: &[u8], frame: &Frame) -> Result<Message> {
    let data = Data::new(bytes, Context::new(frame.endian, 0));
    let (header, _): (Header<'_>, usize) = data.deserialize().map_err(garbled)?;
    let mut message = Message {
        kind: header.1,
        reply_to: 0,
        member: String::new(),
        error: String::new(),
        signature: String::new(),
        endian: frame.endian,
        body: bytes.get(frame.body_at..).unwrap_or_default().to_vec(),
    };
    for (code, value) in header.6 {
        match (code, value) {
            (field::REPLY_SERIAL, Variant::U32(serial)) => message.reply_to = serial,
            (field::MEMBER, Variant::Str(name)) => message.member = name.to_string(),
            (field::ERROR_NAME, Variant::Str(name)) => message.error = name.to_string(),
            (field::SIGNATURE, Variant::Signature(types)) => {
                message.signature = types.to_string_no_parens();
            }
            _ => {}
        }
    }
    Ok(message)
}

/// A method call.
pub(super) fn encode<B: Serialize + Type>(
    method: Method,
    serial: u32,
    arguments: &B,
) -> Result<Vec<u8>> {
    let context = Context::new(NATIVE_ENDIAN, 0);
    let body = to_bytes(context, arguments).map_err(garbled)?;
    let path = ObjectPath::try_from(method.path).map_err(garbled)?;
    let fields: Vec<(u8, Variant<'_>)> = vec![
        (field::PATH, path.into()),
        (field::INTERFACE, method.interface.into()),
        (field::MEMBER, method.member.into()),
        (field::DESTINATION, method.destination.into()),
    ];
    let order = if NATIVE_ENDIAN == LE { b'l' } else { b'B' };
    let too_long = |_| Trouble::Garbled("too long a message".into());
    let length = u32::try_from(body.bytes().len()).map_err(too_long)?;
    let header: Header<'_> = (order, CALL, 0, 1, length, serial, fields);
    let mut bytes = to_bytes(context, &header).map_err(garbled)?.bytes().to_vec();
    if !body.bytes().is_empty() {
        push_signature(&mut bytes, &B::SIGNATURE.to_string_no_parens()).map_err(too_long)?;
    }
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend_from_slice(body.bytes());
    Ok(bytes)
}

/// The last header field. By hand, because zbus's value of that type puts several arguments into
/// parentheses, as if they were one.
fn push_signature(header: &mut Vec<u8>, types: &str) -> std::result::Result<(), TryFromIntError> {
    header.resize(header.len().next_multiple_of(8), 0);
    header.extend_from_slice(&[field::SIGNATURE, 1, b'g', 0, u8::try_from(types.len())?]);
    header.extend_from_slice(types.as_bytes());
    header.push(0);
    let fields = u32::try_from(header.len().saturating_sub(FIXED_HEADER))?;
    if let Some(length) = header.get_mut(FIXED_HEADER - 4..FIXED_HEADER) {
        length.copy_from_slice(&fields.to_ne_bytes());
    }
    Ok(())
}

fn garbled(e: zbus::Error) -> Trouble {
    Trouble::Garbled(e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_arguments_are_not_a_structure() {
        let method = Method { destination: "d.e", path: "/p", interface: "i.f", member: "M" };
        let properties: &[(&str, Variant<'_>)] = &[("Delegate", true.into())];
        let bytes = encode(method, 3, &("unit", "replace", properties)).unwrap();
        let frame = Frame::of(&bytes).unwrap();
        assert_eq!(frame.len, bytes.len());
        let signature = b"\x08\x01g\x00\x07ssa(sv)\x00";
        assert!(bytes.windows(signature.len()).any(|part| part == signature));
        let message = decode(&bytes, &frame).unwrap();
        let (unit, mode, found): (String, String, Vec<(String, zbus::OwnedVariant)>) =
            message.body().unwrap();
        assert_eq!((unit.as_str(), mode.as_str(), found.len()), ("unit", "replace", 1));
    }

    #[test]
    fn no_arguments_are_no_signature() {
        let method = Method { destination: "d.e", path: "/p", interface: "i.f", member: "M" };
        let bytes = encode(method, 3, &()).unwrap();
        let message = decode(&bytes, &Frame::of(&bytes).unwrap()).unwrap();
        assert_eq!((message.member.as_str(), message.signature.as_str()), ("M", ""));
    }
}
