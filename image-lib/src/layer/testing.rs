//! Archives made by hand, for tests.

use tar::{EntryType, Header};

use super::pax;

/// An archive that grows entry by entry, without any of the checks of a builder.
#[derive(Debug, Default)]
pub struct Archive(Vec<u8>);

impl Archive {
    /// An entry with exactly that header. Its size is that of the data unless it has one already.
    pub fn raw(mut self, mut header: Header, path: &[u8], data: &[u8]) -> Self {
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn header(kind: EntryType, size: usize) -> Header {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
        header.set_uid(uid.as_raw().into());
        header.set_gid(gid.as_raw().into());
        header.set_mtime(1_600_000_000);
        header.set_size(size as u64);
        header
    }

    pub fn file(self, path: &str, data: &str) -> Self {
        let header = Self::header(EntryType::Regular, data.len());
        self.raw(header, path.as_bytes(), data.as_bytes())
    }

    pub fn dir(self, path: &str) -> Self {
        self.raw(Self::header(EntryType::Directory, 0), path.as_bytes(), &[])
    }

    pub fn link(self, kind: EntryType, path: &str, target: &str) -> Self {
        let mut header = Self::header(kind, 0);
        header.set_link_name_literal(target).unwrap();
        self.raw(header, path.as_bytes(), &[])
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.link(EntryType::Symlink, path, target)
    }

    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.link(EntryType::Link, path, target)
    }

    pub fn device(self, path: &str, major: u32, minor: u32) -> Self {
        let mut header = Self::header(EntryType::Char, 0);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        self.raw(header, path.as_bytes(), &[])
    }

    /// An extended header for what comes next.
    pub fn pax(self, records: &[(&[u8], &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            pax::append(&mut data, key, value);
        }
        self.raw(Self::header(EntryType::XHeader, data.len()), b"pax", &data)
    }

    pub fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    /// Without the two blocks at the end.
    pub fn cut(self) -> Vec<u8> {
        self.0
    }
}
