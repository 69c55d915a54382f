//! A blob that goes on where the connection broke.

use std::io::{self, Read};
use std::time::Duration;

use oci_spec::image::Digest;

use super::client::Client;
use super::{Progress, Tell};
use crate::error::Result;

/// So often without a single byte in between.
const TRIES: u32 = 5;

/// Reads a blob.
pub struct Resuming<'a> {
    client: &'a Client,
    repository: &'a str,
    digest: &'a Digest,
    /// What it has to be.
    size: u64,
    position: u64,
    body: Option<Box<dyn Read>>,
    tries: u32,
    tell: Tell<'a>,
}

impl<'a> Resuming<'a> {
    /// Nothing is asked for yet.
    pub fn new(
        client: &'a Client,
        repository: &'a str,
        (digest, size): (&'a Digest, u64),
        tell: Tell<'a>,
    ) -> Self {
        Self { client, repository, digest, size, position: 0, body: None, tries: 0, tell }
    }

    fn once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut body = match self.body.take() {
            Some(body) => body,
            None => self.open().map_err(io::Error::other)?,
        };
        let count = body.read(buffer)?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"));
        }
        self.body = Some(body);
        Ok(count)
    }

    fn open(&self) -> Result<Box<dyn Read>> {
        Ok(Box::new(self.client.blob(self.repository, self.digest, self.position)?))
    }
}

impl Read for Resuming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // No more than was promised is read: what is longer has another digest, whatever follows.
        let left = self.size.saturating_sub(self.position);
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let Some(buffer) = buffer.get_mut(..wanted).filter(|buffer| !buffer.is_empty()) else {
            return Ok(0);
        };
        loop {
            match self.once(buffer) {
                Ok(count) => {
                    (self.position, self.tries) = (self.position + count as u64, 0);
                    let digest = self.digest.to_string();
                    (self.tell)(Progress::Bytes { digest, count: count as u64 });
                    return Ok(count);
                }
                Err(e) if self.tries >= TRIES => return Err(e),
                Err(_) => {
                    self.body = None;
                    std::thread::sleep(Duration::from_millis(100 << self.tries));
                    self.tries += 1;
                }
            }
        }
    }
}
