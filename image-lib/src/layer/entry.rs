//! The entries of a tar stream, with what extended headers say about them.
//!
//! Field by field it is the tar crate that reads headers. The walk from one to the next is here: it
//! has to hold what is in memory below [`MAX_EXTENDED`], and to take binary attributes.

use std::io::{self, BufRead, Read};

use tar::{EntryType, Header};

use super::limits::MAX_EXTENDED;
use super::pax::{self, Attributes, Extended, ends_early, invalid};
use super::sparse::{self, Piece};

const BLOCK: u64 = 512;

/// One entry, its data not read yet.
#[derive(Debug)]
pub struct Entry {
    pub path: Vec<u8>,
    pub kind: Kind,
    /// Permissions, setuid, setgid and sticky.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Seconds and nanoseconds.
    pub mtime: (i64, u32),
    pub xattrs: Attributes,
}

/// What it is.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    /// A file with holes: its size, and where its data belongs.
    Sparse(u64, Vec<Piece>),
    Directory,
    Symlink(Vec<u8>),
    /// The path of the other name.
    HardLink(Vec<u8>),
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
}

/// Reads entries from a stream.
pub struct Entries<R> {
    stream: R,
    /// Bytes of the current entry's data that are not read yet,
    data: u64,
    /// and of what fills up its last block.
    padding: u64,
}

impl<R: BufRead> Entries<R> {
    /// At the beginning of an archive.
    pub fn new(stream: R) -> Self {
        Self { stream, data: 0, padding: 0 }
    }

    /// The next entry; `None` at the archive's end, whose rest is left in the stream.
    pub fn next(&mut self) -> io::Result<Option<Entry>> {
        let mut long = Long::default();
        loop {
            self.skip()?;
            let Some(header) = self.header()? else { return long.at_end() };
            self.expect_data(or_zero(&header.as_old().size, || header.entry_size())?)?;
            match header.entry_type() {
                EntryType::XHeader => long.extended = pax::parse(&self.extended()?)?,
                EntryType::GNULongName => long.path = Some(until_nul(self.extended()?)),
                EntryType::GNULongLink => long.link = Some(until_nul(self.extended()?)),
                // docker passes over them, too: git writes its commit there.
                EntryType::XGlobalHeader => {}
                _ => return self.entry(&header, long).map(Some),
            }
        }
    }

    /// The data of the entry last returned.
    pub fn data(&mut self) -> Data<'_, R> {
        Data { entries: self }
    }

    /// The stream, with what is left of it.
    pub fn into_inner(self) -> R {
        self.stream
    }

    fn entry(&mut self, header: &Header, long: Long) -> io::Result<Entry> {
        let Long { extended, .. } = long;
        if let Some(size) = extended.size {
            self.expect_data(size)?;
        }
        let mut path =
            extended.path.or(long.path).unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extended.link.or(long.link).or_else(|| header.link_name_bytes().map(Into::into));
        let (seconds, nanos) = match extended.mtime {
            Some(time) => time,
            None => {
                let seconds = or_zero(&header.as_old().mtime, || header.mtime())?;
                (i64::try_from(seconds).unwrap_or(i64::MAX), 0)
            }
        };
        let mut kind = self.kind(header, &path, link.unwrap_or_default())?;
        if !matches!(kind, Kind::File | Kind::Sparse(..)) {
            // Only files have data, whatever size the header says: so does Go's reader, which decides
            // for docker, containerd and umoci where the next header is.
            self.expect_data(0)?;
        }
        if kind == Kind::File && !extended.sparse.is_empty() {
            let found = sparse::from_pax(&extended.sparse, &mut self.data())?;
            path = found.name.unwrap_or(path);
            kind = Kind::Sparse(found.size, found.pieces);
        }
        let uid = || or_zero(&header.as_old().uid, || header.uid());
        let gid = || or_zero(&header.as_old().gid, || header.gid());
        let id = |id: u64| u32::try_from(id).map_err(|_| invalid("uid or gid is above 32 bits"));
        Ok(Entry {
            path: no_nul(path)?,
            kind,
            mode: or_zero(&header.as_old().mode, || header.mode())? & 0o7777,
            uid: id(extended.uid.map_or_else(uid, Ok)?)?,
            gid: id(extended.gid.map_or_else(gid, Ok)?)?,
            mtime: (seconds, nanos),
            xattrs: extended.xattrs,
        })
    }

    fn kind(&mut self, header: &Header, path: &[u8], link: Vec<u8>) -> io::Result<Kind> {
        let device = || -> io::Result<(u32, u32)> {
            let numbers = header.as_ustar().map(|ustar| (&ustar.dev_major, &ustar.dev_minor));
            let numbers = numbers
                .or_else(|| header.as_gnu().map(|gnu| (&gnu.dev_major, &gnu.dev_minor)))
                .ok_or_else(|| invalid("a device in a header that has no numbers"))?;
            let number = |read: io::Result<Option<u32>>| read.map(Option::unwrap_or_default);
            Ok((
                or_zero(numbers.0, || number(header.device_major()))?,
                or_zero(numbers.1, || number(header.device_minor()))?,
            ))
        };
        Ok(match header.entry_type() {
            // Archives from before POSIX mark directories so.
            EntryType::Regular if header.as_old().linkflag == [0] && path.ends_with(b"/") => {
                Kind::Directory
            }
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::GNUSparse => {
                let (size, pieces) = sparse::from_gnu(header, &mut self.stream)?;
                sparse::check(&pieces, size, self.data)?;
                Kind::Sparse(size, pieces)
            }
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink(no_nul(link)?),
            EntryType::Link => Kind::HardLink(no_nul(link)?),
            EntryType::Char => device().map(|(major, minor)| Kind::Char(major, minor))?,
            EntryType::Block => device().map(|(major, minor)| Kind::Block(major, minor))?,
            EntryType::Fifo => Kind::Fifo,
            other => {
                let flag = char::from(other.as_byte());
                return Err(invalid(&format!("entries of type {flag:?} are not known")));
            }
        })
    }

    /// A checked header; `None` at a block of zeros, or where the stream ends between entries.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut header = Header::new_old();
        if self.stream.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.stream.read_exact(header.as_mut_bytes()).map_err(ends_early)?;
        if header.as_bytes().iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let mut expected = header.clone();
        expected.set_cksum();
        if header.cksum().ok() != expected.cksum().ok() {
            return Err(invalid("checksum of a header is wrong: no tar archive, or a damaged one"));
        }
        Ok(Some(header))
    }

    fn expect_data(&mut self, size: u64) -> io::Result<()> {
        let padded =
            size.checked_next_multiple_of(BLOCK).ok_or_else(|| invalid("size overflow"))?;
        (self.data, self.padding) = (size, padded - size);
        Ok(())
    }

    /// All data of an extended header.
    fn extended(&mut self) -> io::Result<Vec<u8>> {
        if self.data > MAX_EXTENDED {
            return Err(invalid("an extended header is larger than 1 MiB"));
        }
        let mut data = Vec::new();
        self.data().read_to_end(&mut data)?;
        Ok(data)
    }

    fn skip_data(&mut self) -> io::Result<()> {
        io::copy(&mut self.data(), &mut io::sink()).map(drop)
    }

    fn skip(&mut self) -> io::Result<()> {
        self.skip_data()?;
        self.data = std::mem::take(&mut self.padding);
        self.skip_data()
    }
}

/// What headers before an entry's own say about it.
#[derive(Default)]
struct Long {
    extended: Extended,
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Long {
    fn at_end(self) -> io::Result<Option<Entry>> {
        let empty =
            self.extended == Extended::default() && (&self.path, &self.link) == (&None, &None);
        if empty { Ok(None) } else { Err(invalid("an extended header without an entry")) }
    }
}

/// A field without any digit is 0, as Go's reader has it; the tar crate calls it an error.
fn or_zero<T: Default>(field: &[u8], read: impl Fn() -> io::Result<T>) -> io::Result<T> {
    let empty = field.iter().all(|byte| matches!(byte, 0 | b' '));
    if empty { Ok(T::default()) } else { read() }
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(end) = name.iter().position(|&byte| byte == 0) {
        name.truncate(end);
    }
    name
}

fn no_nul(name: Vec<u8>) -> io::Result<Vec<u8>> {
    if name.contains(&0) { Err(invalid("a NUL byte in a name")) } else { Ok(name) }
}

/// The data of one entry. A stream that ends within is an error.
pub struct Data<'a, R> {
    entries: &'a mut Entries<R>,
}

impl<R: BufRead> BufRead for Data<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.entries.data == 0 {
            return Ok(&[]);
        }
        let wanted = usize::try_from(self.entries.data).unwrap_or(usize::MAX);
        let available = self.entries.stream.fill_buf()?;
        if available.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut short"));
        }
        Ok(available.get(..wanted).unwrap_or(available))
    }

    fn consume(&mut self, count: usize) {
        self.entries.stream.consume(count);
        self.entries.data = self.entries.data.saturating_sub(count as u64);
    }
}

impl<R: BufRead> Read for Data<'_, R> {
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

impl<R> Data<'_, R> {
    /// How many bytes are left.
    pub fn left(&self) -> u64 {
        self.entries.data
    }
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
