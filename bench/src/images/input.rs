//! Layers to measure with.

use std::fs::File;
use std::io::{Result, Seek, Write, copy};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

/// Compresses an archive as `gzip` does; says how large both are.
pub fn compress(tar: &Path, layer: &Path) -> Result<String> {
    let mut encoder = GzEncoder::new(File::create(layer)?, Compression::default());
    let plain = copy(&mut File::open(tar)?, &mut encoder)?;
    let size = encoder.finish()?.stream_position()?;
    Ok(format!("a layer of {} MB, unpacked {} MB", size / 1_000_000, plain / 1_000_000))
}

const MIB: usize = 1 << 20;

/// One file of a gibibyte: half zeros, half what no compressor makes smaller.
pub fn gigabyte(layer: &Path) -> Result<()> {
    let mut encoder = GzEncoder::new(File::create(layer)?, Compression::fast());
    let mut header = [0; 512];
    put(&mut header, 0, b"gigabyte");
    put(
        &mut header,
        100,
        b"0000644\x000000000\x000000000\x0010000000000\x0000000000000\0        0",
    );
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    put(&mut header, 148, format!("{sum:06o}\0 ").as_bytes());
    encoder.write_all(&header)?;
    let mut random = 88_172_645_463_325_252_u64;
    for number in 0..1024 {
        let mut chunk = vec![0; MIB];
        if number % 2 == 1 {
            chunk.chunks_mut(8).for_each(|word| word.copy_from_slice(&xorshift(&mut random)));
        }
        encoder.write_all(&chunk)?;
    }
    encoder.write_all(&[0; 1024])?;
    encoder.finish().map(drop)
}

fn put(header: &mut [u8], at: usize, bytes: &[u8]) {
    header.iter_mut().skip(at).zip(bytes).for_each(|(to, from)| *to = *from);
}

/// Marsaglia, "Xorshift RNGs", 2003.
fn xorshift(state: &mut u64) -> [u8; 8] {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.to_le_bytes()
}
