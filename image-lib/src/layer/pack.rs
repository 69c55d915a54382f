//! Files to a tar stream: sorted by the caller, headers as small as they can be, nothing in them that
//! is not the file's.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat, major, minor, openat, readlinkat};
use tar::{EntryType, Header};

use super::pax::{self, Attributes};
use super::whiteout;
use crate::dir::Dir;

const BLOCK: usize = 512;
/// The largest number that a header's eight bytes can say in octal, and in twelve.
const MAX_ID: u64 = 0o7_777_777;
const MAX_SIZE: u64 = 0o77_777_777_777;
const MAX_TIME: i64 = 0o77_777_777_777;

/// Writes entries.
pub struct Packer<W> {
    sink: W,
    /// The first names of files with several.
    links: HashMap<(u64, u64), PathBuf>,
    /// No time is later (<https://reproducible-builds.org/specs/source-date-epoch/>).
    latest: Option<i64>,
}

/// What an entry is besides its header: attributes are read by whoever knows the file.
pub struct Node<'a> {
    /// The directory it is in,
    pub dir: &'a Dir,
    /// its name there,
    pub name: &'a OsStr,
    /// and in the archive.
    pub path: &'a Path,
    pub stat: &'a Stat,
    pub xattrs: Attributes,
}

impl<W: Write> Packer<W> {
    /// An empty archive.
    pub fn new(sink: W, latest: Option<i64>) -> Self {
        Self { sink, links: HashMap::new(), latest }
    }

    /// Ends the archive.
    pub fn finish(mut self) -> io::Result<W> {
        self.sink.write_all(&[0; 2 * BLOCK])?;
        Ok(self.sink)
    }

    /// Marks a name as deleted.
    pub fn whiteout(&mut self, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default();
        let marker = [whiteout::PREFIX, name.as_bytes()].concat();
        self.marker(&path.with_file_name(OsStr::from_bytes(&marker)))
    }

    /// Marks all that lower layers have in a directory as deleted.
    pub fn opaque(&mut self, path: &Path) -> io::Result<()> {
        self.marker(&path.join(OsStr::from_bytes(whiteout::OPAQUE)))
    }

    fn marker(&mut self, path: &Path) -> io::Result<()> {
        let path = path.as_os_str().as_bytes();
        self.header(empty_header(), EntryType::Regular, path, b"", &[], 0)
    }

    /// A file, directory, link, device or pipe. Sockets are left out: without their process they are
    /// nothing.
    pub fn node(&mut self, node: &Node<'_>) -> io::Result<()> {
        let stat = node.stat;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mut header = common(stat);
        let mut records = self.time(stat, &mut header);
        let mut path = node.path.as_os_str().as_bytes().to_vec();
        if kind != FileType::Directory && stat.st_nlink > 1 {
            let inode = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.links.get(&inode) {
                let first = first.as_os_str().as_bytes().to_vec();
                return self.header(header, EntryType::Link, &path, &first, &records, 0);
            }
            self.links.insert(inode, node.path.to_owned());
        }
        let mut target = Vec::new();
        let mut size = 0;
        let entry_type = match kind {
            FileType::RegularFile => {
                size = u64::try_from(stat.st_size).unwrap_or(0);
                EntryType::Regular
            }
            FileType::Directory => {
                path.push(b'/');
                EntryType::Directory
            }
            FileType::Symlink => {
                target = readlinkat(node.dir, node.name, Vec::new())?.into_bytes();
                EntryType::Symlink
            }
            FileType::CharacterDevice => EntryType::Char,
            FileType::BlockDevice => EntryType::Block,
            FileType::Fifo => EntryType::Fifo,
            _ => return Ok(()),
        };
        if matches!(entry_type, EntryType::Char | EntryType::Block) {
            header.set_device_major(major(stat.st_rdev))?;
            header.set_device_minor(minor(stat.st_rdev))?;
        }
        let xattr = |(name, value): &(Vec<u8>, Vec<u8>)| {
            ([b"SCHILY.xattr.", name.as_slice()].concat(), value.clone())
        };
        records.extend(node.xattrs.iter().map(xattr));
        self.header(header, entry_type, &path, &target, &records, size)?;
        if size > 0 { self.data(node, size) } else { Ok(()) }
    }

    /// In whole seconds. Those before 1970, or too far ahead, are said by an extended header.
    fn time(&self, stat: &Stat, header: &mut Header) -> Attributes {
        let time = self.latest.map_or(stat.st_mtime, |latest| stat.st_mtime.min(latest));
        header.set_mtime(u64::try_from(time.clamp(0, MAX_TIME)).unwrap_or(0));
        if (0..=MAX_TIME).contains(&time) {
            return Vec::new();
        }
        vec![(b"mtime".to_vec(), time.to_string().into_bytes())]
    }

    fn header(
        &mut self,
        mut header: Header,
        kind: EntryType,
        path: &[u8],
        target: &[u8],
        records: &[(Vec<u8>, Vec<u8>)],
        size: u64,
    ) -> io::Result<()> {
        let mut extended = Vec::new();
        let ustar = header.as_old_mut();
        if !put(&mut ustar.name, path) {
            pax::append(&mut extended, b"path", path);
        }
        if !put(&mut ustar.linkname, target) {
            pax::append(&mut extended, b"linkpath", target);
        }
        header.set_entry_type(kind);
        header.set_size(size);
        if size > MAX_SIZE {
            pax::append(&mut extended, b"size", size.to_string().as_bytes());
        }
        for (key, id) in [(&b"uid"[..], header.uid()?), (b"gid", header.gid()?)] {
            if id > MAX_ID {
                pax::append(&mut extended, key, id.to_string().as_bytes());
            }
        }
        for (key, value) in records {
            pax::append(&mut extended, key, value);
        }
        if !extended.is_empty() {
            self.extended(&extended)?;
        }
        header.set_cksum();
        self.sink.write_all(header.as_bytes())
    }

    fn extended(&mut self, records: &[u8]) -> io::Result<()> {
        let mut header = empty_header();
        header.set_entry_type(EntryType::XHeader);
        header.set_size(records.len() as u64);
        put(&mut header.as_old_mut().name, b"pax_header");
        header.set_cksum();
        self.sink.write_all(header.as_bytes())?;
        self.sink.write_all(records)?;
        self.pad(records.len() as u64)
    }

    /// Exactly as much as the header says, whatever becomes of the file meanwhile.
    fn data(&mut self, node: &Node<'_>, size: u64) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(openat(node.dir, node.name, flags, Mode::empty())?);
        let copied = io::copy(&mut file.take(size), &mut self.sink)?;
        if copied < size {
            return Err(io::Error::other("the file became shorter while it was read"));
        }
        self.pad(size)
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let zeros = [0; BLOCK];
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        self.sink.write_all(zeros.get(..usize::try_from(padding).unwrap_or(0)).unwrap_or_default())
    }
}

/// What every kind of entry says.
fn common(stat: &Stat) -> Header {
    let mut header = Header::new_ustar();
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header
}

/// All numbers written out: readers differ over fields without any digit.
fn empty_header() -> Header {
    let mut header = Header::new_ustar();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Puts a name into a header's field; false if it does not fit there, as others would read it.
fn put(field: &mut [u8], name: &[u8]) -> bool {
    let fits = name.len() <= field.len() && name.is_ascii();
    let count = name.len().min(field.len());
    if let (Some(to), Some(from)) = (field.get_mut(..count), name.get(..count)) {
        to.copy_from_slice(from);
    }
    fits
}
