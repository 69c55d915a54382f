//! Nothing but what unpacking cannot do without: both digests and the decompressor, one after the other.

use std::fs::File;
use std::io::{BufReader, Read, Result};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest, Sha256};

/// As large as libteu-image's.
const CHUNK: usize = 256 << 10;

/// Reads it all, and prints nothing.
pub fn run(layer: &Path) -> Result<()> {
    let source = Hashing { inner: File::open(layer)?, hash: Sha256::new() };
    let mut decoder = MultiGzDecoder::new(BufReader::with_capacity(CHUNK, source));
    let mut plain = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = decoder.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        plain.update(chunk.get(..count).unwrap_or_default());
    }
    std::hint::black_box((plain.finalize(), decoder.into_inner().into_inner().hash.finalize()));
    Ok(())
}

struct Hashing {
    inner: File,
    hash: Sha256,
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}
