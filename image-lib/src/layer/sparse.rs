//! Sparse files: GNU's old format and its three in extended headers (GNU tar manual, "Storing Sparse
//! Files").

use std::io::{self, BufRead, Read};

use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::entry::Data;
use super::limits::MAX_PIECES;
use super::pax::{ends_early, invalid, number};

const BLOCK: usize = 512;

/// Data of a sparse file: `length` bytes from `offset` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub offset: u64,
    pub length: u64,
}

/// What extended headers say of a sparse file.
#[derive(Debug)]
pub struct Found {
    /// Its name, if it is not the header's.
    pub name: Option<Vec<u8>>,
    /// Its size with the holes.
    pub size: u64,
    pub pieces: Vec<Piece>,
}

/// The old format: the map is in the header, and in blocks between it and the data.
pub fn from_gnu(header: &Header, stream: &mut impl Read) -> io::Result<(u64, Vec<Piece>)> {
    let header = header.as_gnu().ok_or_else(|| invalid("a sparse file without a GNU header"))?;
    let mut pieces = Vec::new();
    push(&mut pieces, &header.sparse)?;
    let mut more = header.is_extended();
    while more {
        let mut block = GnuExtSparseHeader::new();
        stream.read_exact(block.as_mut_bytes()).map_err(ends_early)?;
        push(&mut pieces, block.sparse())?;
        more = block.is_extended();
    }
    Ok((header.real_size()?, pieces))
}

fn push(pieces: &mut Vec<Piece>, headers: &[GnuSparseHeader]) -> io::Result<()> {
    for header in headers.iter().filter(|header| !header.is_empty()) {
        add(pieces, header.offset()?, header.length()?)?;
    }
    Ok(())
}

fn add(pieces: &mut Vec<Piece>, offset: u64, length: u64) -> io::Result<()> {
    if pieces.len() >= MAX_PIECES {
        return Err(invalid("a sparse file of too many pieces"));
    }
    pieces.push(Piece { offset, length });
    Ok(())
}

/// The formats 0.0, 0.1 and 1.0; the map of the last is read from the data.
pub fn from_pax<R: BufRead>(
    records: &[(Vec<u8>, Vec<u8>)],
    data: &mut Data<'_, R>,
) -> io::Result<Found> {
    let value = |key: &[u8]| records.iter().rfind(|(name, _)| name == key).map(|(_, value)| value);
    let size = value(b"realsize").or_else(|| value(b"size"));
    let size = size.and_then(|size| number(size)).ok_or_else(malformed)?;
    let pieces = match value(b"major").map(Vec::as_slice) {
        Some(b"1") => read_map(data)?,
        Some(b"0") | None => match value(b"map") {
            Some(map) => pairs(map.split(|&byte| byte == b','))?,
            None => pairs(
                records
                    .iter()
                    .filter(|(key, _)| key == b"offset" || key == b"numbytes")
                    .map(|(_, value)| value.as_slice()),
            )?,
        },
        Some(_) => return Err(invalid("a sparse file of an unknown format")),
    };
    check(&pieces, size, data.left())?;
    Ok(Found { name: value(b"name").cloned(), size, pieces })
}

/// Decimal lines, filled up to a whole block: how many pieces, then offset and length of each.
fn read_map<R: BufRead>(data: &mut Data<'_, R>) -> io::Result<Vec<Piece>> {
    let before = data.left();
    let count: usize = line(data)?;
    if count > MAX_PIECES {
        return Err(invalid("a sparse file of too many pieces"));
    }
    let mut pieces = Vec::new();
    for _ in 0..count {
        add(&mut pieces, line(data)?, line(data)?)?;
    }
    let read = before - data.left();
    let padding = read.next_multiple_of(BLOCK as u64) - read;
    io::copy(&mut data.take(padding), &mut io::sink())?;
    Ok(pieces)
}

fn line<T: std::str::FromStr>(data: &mut impl BufRead) -> io::Result<T> {
    let mut line = Vec::new();
    data.take(32).read_until(b'\n', &mut line)?;
    let digits = line.strip_suffix(b"\n").ok_or_else(malformed)?;
    number(digits).ok_or_else(malformed)
}

fn pairs<'a>(numbers: impl Iterator<Item = &'a [u8]>) -> io::Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut offset = None;
    for text in numbers.filter(|text| !text.is_empty()) {
        let next: u64 = number(text).ok_or_else(malformed)?;
        match offset.take() {
            None => offset = Some(next),
            Some(offset) => add(&mut pieces, offset, next)?,
        }
    }
    if offset.is_some() { Err(malformed()) } else { Ok(pieces) }
}

/// In order, none over another, all within the file, and as long together as the data is.
pub fn check(pieces: &[Piece], size: u64, data: u64) -> io::Result<()> {
    let mut end = 0u64;
    let mut sum = 0u64;
    for piece in pieces {
        let ordered = piece.offset >= end;
        end = piece.offset.checked_add(piece.length).ok_or_else(malformed)?;
        sum = sum.checked_add(piece.length).ok_or_else(malformed)?;
        if !ordered || end > size {
            return Err(malformed());
        }
    }
    if sum == data && i64::try_from(size).is_ok() { Ok(()) } else { Err(malformed()) }
}

fn malformed() -> io::Error {
    invalid("malformed map of a sparse file")
}
