//! Hashing while bytes go by.

use std::io::{self, Read, Write};

use oci_spec::image::Digest;
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// What went through a [`Hasher`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// SHA-256 of it.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// SHA-256 of a stream, and its length.
#[derive(Debug, Default)]
pub struct Hasher {
    hash: Sha256,
    size: u64,
}

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// How many bytes have been taken.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What it all was.
    pub fn finish(self) -> Result<Content> {
        let hex: String = self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Content { digest: sha256(&hex)?, size: self.size })
    }
}

/// The digest of bytes in memory.
pub fn of_bytes(bytes: &[u8]) -> Result<Digest> {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finish().map(|content| content.digest)
}

/// From 64 hex digits.
pub fn sha256(hex: &str) -> Result<Digest> {
    let text = format!("sha256:{hex}");
    text.parse().map_err(|_| Error::Argument(format!("{text} is no digest")))
}

/// The hex digits of a digest that the store can hold.
pub fn hex(digest: &Digest) -> Result<&str> {
    match digest.algorithm() {
        oci_spec::image::DigestAlgorithm::Sha256 => Ok(digest.digest()),
        other => Err(Error::Unsupported {
            what: digest.to_string(),
            reason: format!("the store keeps content by sha256, not {other}"),
        }),
    }
}

/// Refuses content that is not what was promised.
pub fn verify(what: &str, expected: &Digest, found: &Digest) -> Result<()> {
    if expected == found {
        return Ok(());
    }
    Err(Error::Digest { what: what.to_owned(), expected: expected.clone(), found: found.clone() })
}

/// Hashes what is read through it.
#[derive(Debug)]
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> HashingReader<R> {
    /// Nothing is read yet.
    pub fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::default() }
    }

    /// The stream and the hash of what has been read from it.
    pub fn into_parts(self) -> (R, Hasher) {
        (self.inner, self.hasher)
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Hashes what is written through it.
#[derive(Debug)]
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
}

impl<W: Write> HashingWriter<W> {
    /// Nothing is written yet.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::default() }
    }

    /// The stream and the hash of what has been written to it.
    pub fn into_parts(self) -> (W, Hasher) {
        (self.inner, self.hasher)
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of nothing, from FIPS 180-4's test vectors.
    #[test]
    fn readers_and_writers_hash_alike() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of_bytes(b"").unwrap().to_string(), empty);
        let mut reader = HashingReader::new(&b"abc"[..]);
        let mut writer = HashingWriter::new(Vec::new());
        io::copy(&mut reader, &mut writer).unwrap();
        let (read, written) = (reader.into_parts().1.finish(), writer.into_parts().1.finish());
        assert_eq!(read.unwrap(), written.unwrap());
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_bytes(b"abc").unwrap().to_string(), abc);
    }
}
