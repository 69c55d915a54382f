//! Chunks from the thread that decompresses, by the one that hashes, to the one that unpacks.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use crate::digest::Hasher;

/// Size of a chunk: large enough that passing it costs nothing, small enough for the cache.
const CHUNK: usize = 256 << 10;
/// So many chunks may wait at each end.
const WAITING: usize = 4;

/// One end takes bytes, the middle hashes them, the other end gives them, up to `limit`: then it fails.
pub fn pipe(limit: u64) -> (Feeder, Middle, Chunks) {
    let (full, fed) = sync_channel(WAITING);
    let (hashed, chunks) = sync_channel(WAITING);
    let (empty, recycled) = channel();
    let middle = Middle { fed, hashed };
    let (current, state) = (Vec::new(), State::Flowing);
    let chunks = Chunks { chunks, empty, current, position: 0, state, left: limit };
    (Feeder { full, recycled }, middle, chunks)
}

enum Message {
    Chunk(Vec<u8>),
    /// All has been sent.
    End,
}

/// The end that is written to.
pub struct Feeder {
    full: SyncSender<Message>,
    recycled: Receiver<Vec<u8>>,
}

/// How feeding ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Fed {
    /// All of the source was passed on.
    Whole,
    /// Nobody wants the rest.
    Refused,
}

impl Feeder {
    /// Passes on all of a source. If it fails, the other end learns that the stream is not whole.
    pub fn feed(self, mut source: impl Read) -> io::Result<Fed> {
        loop {
            let mut chunk = self.recycled.try_recv().unwrap_or_default();
            chunk.resize(CHUNK, 0);
            let count = fill(&mut source, &mut chunk)?;
            chunk.truncate(count);
            let message = if count == 0 { Message::End } else { Message::Chunk(chunk) };
            if self.full.send(message).is_err() {
                return Ok(Fed::Refused);
            }
            if count == 0 {
                return Ok(Fed::Whole);
            }
        }
    }
}

/// Reads until the buffer is full or the source at its end.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// What stands between both ends. As the one goes away, so does the other.
pub struct Middle {
    fed: Receiver<Message>,
    hashed: SyncSender<Message>,
}

impl Middle {
    /// Passes chunks on until there are no more. The hash is that of all of them, if the other end has
    /// seen the end.
    pub fn run(self) -> Hasher {
        let mut hasher = Hasher::default();
        for message in self.fed {
            if let Message::Chunk(chunk) = &message {
                hasher.update(chunk);
            }
            if self.hashed.send(message).is_err() {
                break;
            }
        }
        hasher
    }
}

#[derive(PartialEq, Eq)]
enum State {
    Flowing,
    Ended,
    /// It is of no use any more, and why.
    Broken(&'static str),
}

/// The end that is read from.
pub struct Chunks {
    chunks: Receiver<Message>,
    empty: Sender<Vec<u8>>,
    current: Vec<u8>,
    position: usize,
    state: State,
    /// How much more may come.
    left: u64,
}

impl Chunks {
    fn next_chunk(&mut self) {
        match self.chunks.recv() {
            Ok(Message::Chunk(chunk)) => {
                match self.left.checked_sub(chunk.len() as u64) {
                    Some(left) => self.left = left,
                    None => self.state = State::Broken("is larger than a layer is allowed to be"),
                }
                let _ = self.empty.send(std::mem::replace(&mut self.current, chunk));
                self.position = 0;
            }
            Ok(Message::End) => self.state = State::Ended,
            Err(_) => self.state = State::Broken("the source failed"),
        }
    }
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.position >= self.current.len() && self.state == State::Flowing {
            self.next_chunk();
        }
        if let State::Broken(why) = self.state {
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(self.current.get(self.position..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.position += count;
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), available.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_arrive_hashed() {
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * CHUNK + 7).collect();
        let (feeder, middle, mut chunks) = pipe(u64::MAX);
        let mut out = Vec::new();
        let hasher = std::thread::scope(|scope| {
            let hash = scope.spawn(|| middle.run());
            scope.spawn(|| assert_eq!(feeder.feed(&bytes[..]).unwrap(), Fed::Whole));
            chunks.read_to_end(&mut out).unwrap();
            hash.join().unwrap()
        });
        assert_eq!(out, bytes);
        assert_eq!(hasher.finish().unwrap().digest, crate::digest::of_bytes(&bytes).unwrap());
    }

    #[test]
    fn a_source_that_fails_is_not_a_whole_stream() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("cut"))
            }
        }
        let (feeder, middle, mut chunks) = pipe(u64::MAX);
        std::thread::scope(|scope| {
            scope.spawn(|| middle.run());
            scope.spawn(|| feeder.feed(Failing).unwrap_err());
            assert!(chunks.read_to_end(&mut Vec::new()).is_err());
        });
    }

    #[test]
    fn a_limit_holds() {
        let (feeder, middle, mut chunks) = pipe(CHUNK as u64);
        std::thread::scope(|scope| {
            scope.spawn(|| middle.run());
            scope.spawn(|| feeder.feed(io::repeat(0)));
            let error = chunks.read_to_end(&mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains("larger"), "{error}");
            drop(chunks);
        });
    }

    #[test]
    fn a_reader_that_goes_away_stops_the_feeder() {
        let (feeder, middle, chunks) = pipe(u64::MAX);
        drop(chunks);
        std::thread::scope(|scope| {
            scope.spawn(|| middle.run());
            assert_eq!(feeder.feed(io::repeat(0)).unwrap(), Fed::Refused);
        });
    }
}
