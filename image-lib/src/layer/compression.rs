//! Decompression by what the stream begins with: media types are often wrong.

use std::io::{self, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;

/// How a layer's blob is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Plain tar.
    None,
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
}

impl Compression {
    /// By what a stream begins with.
    pub(crate) fn of(stream: impl Read) -> io::Result<Self> {
        let (begin, _) = peek(stream)?;
        detect(begin.get_ref())
    }
}

/// What streams begin with that nobody should take for a tar archive.
const OTHERS: [(&[u8], &str); 3] =
    [(b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x04\x22\x4d\x18", "lz4")];

/// So many bytes decide.
const MAGIC: usize = 6;
/// Read from the source in pieces of so many bytes.
const BUFFER: usize = 128 << 10;

/// The decompressed stream of a source.
pub struct Decompressor<R: Read> {
    stream: Stream<R>,
}

/// The source behind its first bytes.
type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

enum Stream<R: Read> {
    Plain(Source<R>),
    Gzip(Box<MultiGzDecoder<Source<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Source<R>>>),
}

impl<R: Read> Decompressor<R> {
    /// Looks at the first bytes.
    pub fn new(source: R) -> io::Result<Self> {
        let (begin, source) = peek(source)?;
        let source = BufReader::with_capacity(BUFFER, begin.chain(source));
        let stream = match detect(source.get_ref().get_ref().0.get_ref())? {
            Compression::None => Stream::Plain(source),
            Compression::Gzip => Stream::Gzip(Box::new(MultiGzDecoder::new(source))),
            Compression::Zstd => {
                Stream::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(source)?))
            }
        };
        Ok(Self { stream })
    }

    /// Reads what is left of the source, so that all of it is hashed, and gives it back.
    pub fn finish(self) -> io::Result<R> {
        let mut source = match self.stream {
            Stream::Plain(source) => source,
            Stream::Gzip(decoder) => decoder.into_inner(),
            Stream::Zstd(decoder) => decoder.finish(),
        };
        io::copy(&mut source, &mut io::sink())?;
        Ok(source.into_inner().into_inner().1)
    }
}

impl<R: Read> Read for Decompressor<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(source) => source.read(buffer),
            Stream::Gzip(decoder) => decoder.read(buffer),
            Stream::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// The first bytes, however small the pieces are in which they come. An empty source is an empty
/// archive.
fn peek<R: Read>(mut source: R) -> io::Result<(Cursor<Vec<u8>>, R)> {
    let mut begin = Vec::with_capacity(MAGIC);
    source.by_ref().take(MAGIC as u64).read_to_end(&mut begin)?;
    Ok((Cursor::new(begin), source))
}

fn detect(begin: &[u8]) -> io::Result<Compression> {
    if let Some((_, name)) = OTHERS.iter().find(|(magic, _)| begin.starts_with(magic)) {
        let problem = format!("{name} is not a compression of layers that is supported");
        return Err(io::Error::new(io::ErrorKind::Unsupported, problem));
    }
    Ok(if begin.starts_with(&[0x1f, 0x8b, 8]) {
        Compression::Gzip
    } else if is_zstd(begin) {
        Compression::Zstd
    } else {
        Compression::None
    })
}

/// A frame, or one of the sixteen kinds of skippable ones (RFC 8878, 3.1.2).
fn is_zstd(begin: &[u8]) -> bool {
    begin.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        || matches!(begin, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn all(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Decompressor::new(bytes)?.read_to_end(&mut out)?;
        Ok(out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn each_compression_is_recognised() {
        assert_eq!(all(b"plain").unwrap(), b"plain");
        assert_eq!(all(b"").unwrap(), b"");
        assert_eq!(all(&gzip(b"text")).unwrap(), b"text");
        assert_eq!(all(&zstd::encode_all(&b"text"[..], 1).unwrap()).unwrap(), b"text");
    }

    #[test]
    fn members_and_frames_are_joined() {
        assert_eq!(all(&[gzip(b"a"), gzip(b"b")].concat()).unwrap(), b"ab");
        let frame = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        assert_eq!(all(&[frame(b"a"), frame(b"b")].concat()).unwrap(), b"ab");
    }

    #[test]
    fn what_is_cut_short_is_an_error() {
        let whole = gzip(&[7; 4096]);
        assert!(all(&whole[..whole.len() - 1]).is_err());
        let whole = zstd::encode_all(&[7; 4096][..], 1).unwrap();
        assert!(all(&whole[..whole.len() - 1]).is_err());
    }

    #[test]
    fn other_compressions_are_named() {
        assert!(all(b"\xfd7zXZ\0...").unwrap_err().to_string().contains("xz"));
    }

    #[test]
    fn a_source_that_gives_single_bytes_is_recognised_too() {
        struct Slow<'a>(&'a [u8]);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = self.0.len().min(buffer.len()).min(1);
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0 = &self.0[count..];
                Ok(count)
            }
        }
        let whole = gzip(b"text");
        let mut out = Vec::new();
        Decompressor::new(Slow(&whole)).unwrap().read_to_end(&mut out).unwrap();
        assert_eq!(out, b"text");
    }
}
